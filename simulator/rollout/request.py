"""One round of one block: requests are ranked, lived through, remembered and counted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int8, Int16, Int32, Int64
from scipy.special import ndtr

from policies.base import Event, Feedback, History, Observation, Policy, Slates, Unchanging
from policies.noise import KeyedNoise
from simulator.noise import row_keys, seed_word
from simulator.rollout.answer_bins import AskedViews
from simulator.rollout.answer_model import AnswerModel, features
from simulator.rollout.loop_kernel import cut_windows, first_bad_slate, tally
from simulator.rollout.population import Block, HistoryBuffer, Platform, empty_response
from simulator.user_days import COUNTS, SUMS
from user_models.dynamics.kernel import Response, Videos, close_day, open_day, open_sessions, simulate_slates
from user_models.dynamics.packed import Packed

_TOGETHER: Final = 1024
"""Requests served at once, at most: their candidates and scores stay in a processor's own cache."""
_SATISFIED: Final = 3


@final
@dataclass(frozen=True)
class RolloutSettings:
    """What stays the same over a course of events.

    Attributes:
        stage: World, catalogue and their public faces.
        seed: The experiment's seed.
        slate_size: Videos per request.
        n_candidates: Videos on offer per request.
        answer_model: Estimates who answers and what they say, for the satisfied share by other ways than counting.
    """

    stage: Platform
    seed: int
    slate_size: int
    n_candidates: int
    answer_model: AnswerModel


@final
@dataclass(frozen=True)
class DailyCatalogue(Unchanging):
    """What is on offer on a day, in the day's order.

    Attributes:
        order: Ids, the first ones repeated at the end, so that any window is one slice.
        n_videos: Different ids in it.
        videos: Latents of all videos as they are on this day.
        packed: The same as kernels read it.
    """

    order: Int32[np.ndarray, " ring"]
    n_videos: int
    videos: Videos
    packed: Packed


@final
@dataclass(frozen=True)
class LiveHistory:
    """Reads the histories of a request's rows from a block when asked, as they then are.

    Attributes:
        past: Of the block's users.
        rows: Those served.
        hour: Hour of the request of each row.
        day: Day of the request.
    """

    past: HistoryBuffer
    rows: Int64[np.ndarray, " rows"]
    hour: Int8[np.ndarray, " rows"]
    day: int

    def __call__(self) -> History:
        """See `policies.base.HistorySource`."""
        return self.past.read(self.rows, _on_clock(self.hour, self.day))


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


class InvalidSlateError(ValueError):
    """A policy broke its contract: says which policy, which slate and what was wanted."""


def day_ring(course: RolloutSettings, day: int) -> DailyCatalogue:
    """The order in which the catalogue is offered on a day; each user enters it at a place of their own."""
    stage = course.stage
    ids = stage.offers.on(day)
    keys = row_keys(seed_word(course.seed, "catalogue"), ids.astype(np.int64), day, np.zeros(len(ids), np.int32))
    order = ids[np.argsort(keys)]  # keys of different videos differ, so any sort gives this order
    return DailyCatalogue(np.concatenate([order, order[: course.n_candidates]]), len(ids), *stage.videos_on(day))


def begin_day(course: RolloutSettings, block: Block, day: int) -> None:
    """Let the block's users wake up: who comes today, and how often."""
    keys = row_keys(seed_word(course.seed, "arrivals"), block.user_id, day, np.zeros(len(block.user_id), np.int32))
    open_day(keys, day, block.users, block.state, course.stage.rules)


def end_day(course: RolloutSettings, block: Block) -> None:
    """Let the day settle into the users' moods."""
    close_day(block.state, course.stage.rules)


def in_session(course: RolloutSettings, block: Block, day: int, round_of_day: int) -> Int64[np.ndarray, " rows"]:
    """The users who want a slate now; opens their next session where none is open."""
    everyone = np.arange(len(block.user_id), dtype=np.int64)
    return open_requests(course, block, day, range(round_of_day, round_of_day + 1), everyone)


def request_batches(
    course: RolloutSettings, block: Block, day: int, rounds: range, rows: Int64[np.ndarray, " users"]
) -> Iterator[Int64[np.ndarray, " rows"]]:
    """Those of some users who want a slate, over and over, until these rounds are over for all of them.

    Whoever iterates serves those given before taking the next. Users go on to their next session, or to the next
    round, as soon as they are through with the last, without waiting for anybody.
    """
    while len(rows := open_requests(course, block, day, rounds, rows)):
        for first in range(0, len(rows), _TOGETHER):
            yield rows[first : first + _TOGETHER]


def open_requests(
    course: RolloutSettings, block: Block, day: int, rounds: range, rows: Int64[np.ndarray, " users"]
) -> Int64[np.ndarray, " rows"]:
    """Those of some users who want a slate now; opens their next session of these rounds where none is open."""
    seed, within = seed_word(course.seed, "arrivals"), (rounds.start, rounds.stop)
    found = np.empty_like(rows)
    rules = course.stage.rules_row
    n = open_sessions(seed, block.user_id, rows, day, within, block.packed, block.state, rules, found)
    return found[:n]


def on_offer(
    course: RolloutSettings,
    ring: DailyCatalogue,
    day: int,
    user_id: Int64[np.ndarray, " rows"],
    request: Int16[np.ndarray, " rows"],
) -> Int32[np.ndarray, "rows n"]:
    """Candidates of requests, each the user's `request`-th of the day, from 0.

    A user walks round the day's ring from a place of their own, `n_candidates` videos at a time, so nothing is
    offered twice before the whole catalogue has been.
    """
    start = row_keys(seed_word(course.seed, "offer"), user_id, day, np.zeros(len(user_id), np.int32))
    candidates = np.empty((len(user_id), course.n_candidates), np.int32)
    cut_windows(ring.order, ring.n_videos, start, request, candidates)
    return candidates


def observe(
    course: RolloutSettings, block: Block, ring: DailyCatalogue, day: int, rows: Int64[np.ndarray, " rows"]
) -> Observation:
    """What a policy may know when it serves these users."""
    user_id = block.user_id[rows]
    hour = block.state.hour[rows]
    return Observation(
        user_id=user_id.astype(np.int32),
        candidates=on_offer(course, ring, day, user_id, block.state.request[rows]),
        day=day,
        hour=hour,
        position=block.state.views[rows],
        videos=course.stage.video_table,
        users=course.stage.user_table,
        read_history=LiveHistory(block.past, rows, hour, day),
    )


def clock(block: Block, day: int, rows: Int64[np.ndarray, " rows"]) -> Int32[np.ndarray, " rows"]:
    """Hours since the start of day 0, for each of these users."""
    return _on_clock(block.state.hour[rows], day)


def _on_clock(hour: Int8[np.ndarray, " rows"], day: int) -> Int32[np.ndarray, " rows"]:
    """Hours since the start of day 0 at an hour of a day."""
    return hour.astype(np.int32) + np.int32(24 * day)


def rank_checked(
    course: RolloutSettings, block: Block, policy: Policy, obs: Observation, rows: Int64[np.ndarray, " rows"]
) -> Slates:
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
        raise InvalidSlateError(f"{name}.rank returned slates of shape {slates.shape}, want {wanted}")
    bad = first_bad_slate(slates, obs.candidates)
    if bad >= 0:
        raise InvalidSlateError(
            f"{name}.rank returned slate {slates[bad].tolist()} for user {obs.user_id[bad]}, want "
            f"{course.slate_size} different ids from that user's {course.n_candidates} candidates"
        )
    return slates


def respond(
    course: RolloutSettings,
    block: Block,
    ring: DailyCatalogue,
    day: int,
    rows: Int64[np.ndarray, " rows"],
    slates: Slates,
) -> Response:
    """Let the users live through their slates; changes their state, and remembers what they saw."""
    seed, walk = seed_word(course.seed, "response"), (course.n_candidates, ring.n_videos)
    response = empty_response(len(rows), slates.shape[1])
    rules = course.stage.rules_row
    simulate_slates(
        seed, block.user_id, rows, slates, day, walk, block.packed, ring.packed, block.state, rules, response
    )  # fmt: skip
    block.past.add(rows, slates, response, clock(block, day, rows))
    return response


def count_feedback(
    course: RolloutSettings,
    rows: Int64[np.ndarray, " rows"],
    slates: Slates,
    response: Response,
    totals: Totals,
) -> AskedViews | None:
    """Add what happened to the day's totals; returns the questionnaires among it, if there are any."""
    above = course.stage.world.value("satisfaction.satisfied_above")
    duration_s = course.stage.videos.duration_s
    if tally(rows, slates, response, duration_s, above, totals.counts, totals.sums[:, 0]):
        return _weigh(course, rows, slates, response, totals)
    return None


def _weigh(
    course: RolloutSettings, rows: Int64[np.ndarray, " rows"], slates: Slates, response: Response, totals: Totals
) -> AskedViews:
    """Add the sums that the satisfied share is estimated from, and those of its truth."""
    row, position = np.nonzero(response.events & np.uint16(Event.ASKED))
    duration_s = course.stage.videos.duration_s[slates[row, position]]
    x = features(response.watch_s[row, position], duration_s, response.events[row, position])
    chance, expected = course.answer_model.chance(x), course.answer_model.expected(x)
    true, satisfaction = response.propensity[row, position], response.satisfaction[row, position]
    answer = response.answer[row, position]
    said, satisfied = answer > 0, answer == _SATISFIED
    weight, true_weight = (1 / chance).astype(np.float32), (1 / true).astype(np.float32)
    terms = (
        weight * said,
        weight * satisfied,
        true_weight * said,
        true_weight * satisfied,
        expected.astype(np.float32),
        (weight * expected).astype(np.float32) * said,
        satisfied_answer_probability(course.stage, satisfaction.astype(np.float64)),
    )
    for column, term in enumerate(terms, start=1):
        np.add.at(totals.sums[:, column], rows[row], term)
    return AskedViews(satisfaction, chance, true, said)


def satisfied_answer_probability(
    stage: Platform, satisfaction: Float64[np.ndarray, " rows"]
) -> Float64[np.ndarray, " rows"]:
    """True chance that an answer, if one came, would be `satisfied`.

    The ordered probit of `user_models.dynamics.kernel.answer`, before the slip is drawn.
    """
    value = stage.world.value
    slip = max(value("questionnaire.say_noise"), 1e-9)
    return ndtr((satisfaction - value("questionnaire.satisfied_above")) / slip)


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
