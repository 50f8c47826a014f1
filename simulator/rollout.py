"""One round of one block: requests are ranked, lived through, remembered and counted."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64, Int16, Int32, Int64

from policies.base import Feedback, Observation, Policy, Slates
from policies.noise import KeyedNoise
from simulator.crowd import Block, Stage, empty_response
from simulator.loop_kernel import cut_windows, first_bad_slate, tally
from simulator.noise import row_keys, seed_word
from simulator.propensity import AnswerModel
from simulator.user_days import COUNTS, SUMS
from user_models.kernel import Response, Videos, open_sessions, respond, sleep, wake


@final
@dataclass(frozen=True)
class Course:
    """What stays the same over a course of events.

    Attributes:
        stage: World, catalogue and their public faces.
        seed: The experiment's seed.
        slate_size: Videos per request.
        n_candidates: Videos on offer per request.
        answer_model: Estimates answering propensities for the weighted questionnaire share.
    """

    stage: Stage
    seed: int
    slate_size: int
    n_candidates: int
    answer_model: AnswerModel


@final
@dataclass(frozen=True)
class Ring:
    """What is on offer on a day, in the day's order.

    Attributes:
        order: Ids, the first ones repeated at the end, so that any window is one slice.
        n_videos: Different ids in it.
        videos: Latents of all videos as they are on this day.
    """

    order: Int32[np.ndarray, " ring"]
    n_videos: int
    videos: Videos


@final
@dataclass(frozen=True)
class Totals:
    """Running totals of a block's day; columns as in `simulator.user_days`."""

    counts: Int32[np.ndarray, "users counts"]
    sums: Float64[np.ndarray, "users sums"]

    @staticmethod
    def zero(n_users: int) -> "Totals":
        """Nothing has happened yet."""
        return Totals(np.zeros((n_users, len(COUNTS)), np.int32), np.zeros((n_users, len(SUMS))))


class RankedBadlyError(ValueError):
    """A policy broke its contract: says which policy, which slate and what was wanted."""


def day_ring(course: Course, day: int) -> Ring:
    """The order in which the catalogue is offered on a day; each user enters it at a place of their own."""
    stage = course.stage
    ids = stage.offers.on(day)
    keys = row_keys(seed_word(course.seed, "catalogue"), ids.astype(np.int64), day, np.zeros(len(ids), np.int32))
    order = ids[np.argsort(keys)]  # keys of different videos differ, so any sort gives this order
    fresh = np.float32(stage.world.value("videos.ageing")) * stage.offers.freshness(day)
    now = stage.videos._replace(appeal=stage.videos.appeal + fresh)
    return Ring(np.concatenate([order, order[: course.n_candidates]]), len(ids), now)


def begin_day(course: Course, block: Block, day: int) -> None:
    """Let the block's users wake up: who comes today, and how often."""
    keys = row_keys(seed_word(course.seed, "arrivals"), block.user_id, day, np.zeros(len(block.user_id), np.int32))
    wake(keys, day, block.users, block.state, course.stage.rules)


def end_day(course: Course, block: Block) -> None:
    """Let the day settle into the users' moods."""
    sleep(block.state, course.stage.rules)


def in_session(course: Course, block: Block, day: int, round_of_day: int) -> Int64[np.ndarray, " rows"]:
    """The users who want a slate now; opens their next session where none is open."""
    keys = row_keys(seed_word(course.seed, "arrivals"), block.user_id, day, np.zeros(len(block.user_id), np.int32))
    rows = np.empty(len(block.user_id), np.int64)
    n = open_sessions(keys, round_of_day, block.users, block.state, course.stage.rules, rows)
    return rows[:n]


def observe(course: Course, block: Block, ring: Ring, day: int, rows: Int64[np.ndarray, " rows"]) -> Observation:
    """What a policy may know when it serves these users.

    A user walks round the day's ring from a place of their own, `n_candidates` videos at a time, so nothing is
    offered twice before the whole catalogue has been.
    """
    user_id = block.user_id[rows]
    start = row_keys(seed_word(course.seed, "offer"), user_id, day, np.zeros(len(rows), np.int32))
    walked = block.state.request[rows].astype(np.int64) * course.n_candidates
    at = ((start % np.uint64(ring.n_videos)).astype(np.int64) + walked) % ring.n_videos
    candidates = np.empty((len(rows), course.n_candidates), np.int32)
    cut_windows(ring.order, at, candidates)
    clock_h = clock(block, day, rows)
    return Observation(
        user_id=user_id.astype(np.int32),
        candidates=candidates,
        day=day,
        hour=block.state.hour[rows],
        position=block.state.views[rows],
        videos=course.stage.video_table,
        users=course.stage.user_table,
        read_history=lambda: block.past.read(rows, clock_h),
    )


def clock(block: Block, day: int, rows: Int64[np.ndarray, " rows"]) -> Int32[np.ndarray, " rows"]:
    """Hours since the start of day 0, for each of these users."""
    return block.state.hour[rows].astype(np.int32) + np.int32(24 * day)


def choose(course: Course, block: Block, policy: Policy, obs: Observation, rows: Int64[np.ndarray, " rows"]) -> Slates:
    """The policy's slates, checked.

    Raises:
        RankedBadlyError: Wrong shape, a repeat, or a video that was not on offer.
    """
    request = block.state.request[rows].astype(np.int32)
    noise = KeyedNoise(row_keys(seed_word(course.seed, "policy"), block.user_id[rows], obs.day, request))
    slates = np.ascontiguousarray(policy.rank(obs, course.slate_size, noise), dtype=np.int32)
    wanted = (len(rows), course.slate_size)
    name = type(policy).__name__
    if slates.shape != wanted:
        raise RankedBadlyError(f"{name}.rank returned slates of shape {slates.shape}, want {wanted}")
    bad = first_bad_slate(slates, obs.candidates)
    if bad >= 0:
        raise RankedBadlyError(
            f"{name}.rank returned slate {slates[bad].tolist()} for user {obs.user_id[bad]}, want "
            f"{course.slate_size} different ids from that user's {course.n_candidates} candidates"
        )
    return slates


def react(
    course: Course, block: Block, ring: Ring, day: int, rows: Int64[np.ndarray, " rows"], slates: Slates
) -> Response:
    """Let the users live through their slates; changes their state, and remembers what they saw."""
    lap = (block.state.request[rows].astype(np.int64) * course.n_candidates) // ring.n_videos
    keys = row_keys(seed_word(course.seed, "response"), block.user_id[rows], day, lap.astype(np.int32))
    response = empty_response(len(rows), slates.shape[1])
    clock_h = clock(block, day, rows)
    respond(keys, rows, slates, day, block.users, ring.videos, block.state, course.stage.rules, response)
    block.past.add(rows, slates, response, clock_h)
    return response


def count(
    course: Course,
    rows: Int64[np.ndarray, " rows"],
    slates: Slates,
    response: Response,
    totals: Totals,
) -> None:
    """Add what happened to the day's totals."""
    weight = np.zeros(response.watch_s.shape, np.float32)
    true_weight = np.zeros_like(weight)
    answered = response.answer > 0
    duration_s = course.stage.videos.duration_s[slates]
    if answered.any():
        chance = course.answer_model.chance(response.watch_s[answered], duration_s[answered], response.events[answered])
        weight[answered] = 1 / chance
        true_weight[answered] = 1 / response.propensity[answered]
    above = course.stage.world.value("satisfaction.satisfied_above")
    tally(
        rows, response.viewed, response.watch_s, duration_s, response.events, response.answer, response.satisfaction,
        weight, true_weight, above, totals.counts, totals.sums,
    )  # fmt: skip


def logged(
    block: Block,
    day: int,
    rows: Int64[np.ndarray, " rows"],
    hour: np.ndarray,
    request: Int16[np.ndarray, " rows"],
    slates: Slates,
    response: Response,
) -> Feedback:
    """The views of one request per row as a platform would log them; what was not shown leaves no row."""
    row, position = np.nonzero(response.viewed)
    return Feedback(
        user_id=block.user_id[rows[row]].astype(np.int32),
        video_id=slates[row, position],
        day=np.full(len(row), day, np.int16),
        hour=hour[row],
        request=request[row],
        position=position.astype(np.int8),
        watch_s=response.watch_s[row, position],
        events=response.events[row, position],
        answer=response.answer[row, position],
    )
