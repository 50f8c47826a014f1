"""One request of users of a block: observe, rank, respond, count, log."""

from dataclasses import dataclass, field
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int8, Int16, Int32, Int64
from scipy.special import ndtr

from policies.base import Event, Feedback, History, Observation, Policy, Slates
from simulator.noise import row_keys, seed_word
from simulator.rollout.answer_bins import AskedViews
from simulator.rollout.answer_model import features
from simulator.rollout.catalogue import DailyCatalogue, Platform, RolloutSettings
from simulator.rollout.history_buffer import HistoryBuffer
from simulator.rollout.loop_kernel import COUNT_COLUMNS, count_events, cut_windows
from simulator.rollout.population import Block, empty_response
from simulator.rollout.ranking import rank
from simulator.rollout.trace import TracePart, traced
from simulator.user_days import COUNTS, STRONG_COUNTS, SUMS
from user_models.dynamics.kernel import simulate_slates
from user_models.dynamics.state import Response, UserState

_SATISFIED: Final = 3


@final
@dataclass(frozen=True)
class Totals:
    """Running totals of a block's day; columns as in `simulator.user_days`."""

    counts: Int32[np.ndarray, "users counts"]
    sums: Float64[np.ndarray, "users sums"]

    @staticmethod
    def zero(n_users: int) -> "Totals":
        """Start with zeros."""
        return Totals(np.zeros((n_users, len(COUNTS)), np.int32), np.zeros((n_users, len(SUMS))))

    @staticmethod
    def restored(counts: Int32[np.ndarray, "users stored"], sums: Float64[np.ndarray, "users sums"]) -> "Totals":
        """Restore totals from a checkpoint; earlier ones lack `STRONG_COUNTS`, the last counts, which were 0.

        Raises:
            ValueError: The columns are not those of `simulator.user_days`.
        """
        missing = len(COUNTS) - counts.shape[1]
        if missing not in (0, len(STRONG_COUNTS)) or sums.shape[1] != len(SUMS):
            raise ValueError(
                f"totals have {counts.shape[1]} counts, {sums.shape[1]} sums; want {len(COUNTS)}, {len(SUMS)}"
            )
        return Totals(np.pad(counts, ((0, 0), (0, missing))), sums.copy())


@final
@dataclass(frozen=True)
class LoggingScope:
    """Users whose views are logged or traced, in addition to the totals.

    Attributes:
        log_users: Views of users with ids below this are logged.
        trace: Users whose impressions are traced with their latents; None for no user.
    """

    log_users: int = 0
    trace: Int64[np.ndarray, " traced"] | None = None


@final
@dataclass
class BlockDay:
    """Totals, log, trace and questionnaires of a block on a day; lists are in order of time."""

    totals: Totals
    log: list[Feedback] = field(default_factory=list[Feedback])
    trace: list[TracePart] = field(default_factory=list[TracePart])
    asked: list[AskedViews] = field(default_factory=list[AskedViews])


@final
@dataclass(frozen=True)
class LiveHistory:
    """Reads the current histories of a request's rows from a block when called.

    Attributes:
        past: Histories of the block's users.
        rows: Rows that are served.
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


def serve(
    settings: RolloutSettings,
    block: Block,
    policy: Policy,
    catalogue: DailyCatalogue,
    day: int,
    rows: Int64[np.ndarray, " rows"],
    scope: LoggingScope,
    out: BlockDay,
) -> None:
    """Serve one request per row: rank, respond, count, log."""
    obs = observe(settings, block, catalogue, day, rows)
    slates, log_propensity = rank(settings, block, policy, obs, rows, traced=scope.trace is not None)
    response = respond(settings, block, catalogue, day, rows, slates)
    asked = count_feedback(settings, rows, slates, response, out.totals)
    if asked is not None:
        out.asked.append(asked)
    _log_request(block, day, rows, slates, log_propensity, response, scope, out)
    block.state.request[rows] += 1


def observe(
    settings: RolloutSettings, block: Block, catalogue: DailyCatalogue, day: int, rows: Int64[np.ndarray, " rows"]
) -> Observation:
    """Build the observation of the policy that serves these users."""
    user_id = block.user_id[rows]
    hour = block.state.hour[rows]
    return Observation(
        user_id=user_id.astype(np.int32),
        candidates=on_offer(settings, catalogue, day, user_id, block.state.request[rows]),
        day=day,
        hour=hour,
        position=block.state.views[rows],
        videos=settings.platform.video_table,
        users=settings.platform.user_table,
        read_history=LiveHistory(block.past, rows, hour, day),
    )


def on_offer(
    settings: RolloutSettings,
    catalogue: DailyCatalogue,
    day: int,
    user_id: Int64[np.ndarray, " rows"],
    request: Int16[np.ndarray, " rows"],
) -> Int32[np.ndarray, "rows n"]:
    """Candidates of requests, each the user's `request`-th of the day, from 0.

    Each user starts at a different position in the day's order and gets the next `n_candidates` videos with each
    request. So no video is offered twice before the whole catalogue was offered.
    """
    start = row_keys(seed_word(settings.seed, "offer"), user_id, day, np.zeros(len(user_id), np.int32))
    candidates = np.empty((len(user_id), settings.n_candidates), np.int32)
    cut_windows(catalogue.order, catalogue.n_videos, start, request, candidates)
    return candidates


def clock(block: Block, day: int, rows: Int64[np.ndarray, " rows"]) -> Int32[np.ndarray, " rows"]:
    """Hours since the start of day 0, of each row."""
    return _on_clock(block.state.hour[rows], day)


def _on_clock(hour: Int8[np.ndarray, " rows"], day: int) -> Int32[np.ndarray, " rows"]:
    """Hours since the start of day 0 at an hour of a day."""
    return hour.astype(np.int32) + np.int32(24 * day)


def respond(
    settings: RolloutSettings,
    block: Block,
    catalogue: DailyCatalogue,
    day: int,
    rows: Int64[np.ndarray, " rows"],
    slates: Slates,
) -> Response:
    """Simulate the users' responses to their slates; updates their state and histories."""
    response = simulate(settings, block, catalogue, day, rows, slates, block.state)
    block.past.add(rows, slates, response, clock(block, day, rows))
    return response


def simulate(
    settings: RolloutSettings,
    block: Block,
    catalogue: DailyCatalogue,
    day: int,
    rows: Int64[np.ndarray, " rows"],
    slates: Slates,
    state: UserState,
) -> Response:
    """Simulate the responses from a given state of the block's users; updates that state, not the histories."""
    seed, offer_sizes = seed_word(settings.seed, "response"), (settings.n_candidates, catalogue.n_videos)
    response = empty_response(len(rows), slates.shape[1])
    rules = settings.platform.rules_row
    simulate_slates(
        seed, block.user_id, rows, slates, day, offer_sizes, block.packed, catalogue.packed, state, rules, response
    )
    return response


def count_feedback(
    settings: RolloutSettings,
    rows: Int64[np.ndarray, " rows"],
    slates: Slates,
    response: Response,
    totals: Totals,
) -> AskedViews | None:
    """Add a response to the day's totals, and return its questionnaires, if there are any."""
    satisfied_above = settings.platform.world.value("satisfaction.satisfied_above")
    duration_s = settings.platform.videos.duration_s
    watch_s = totals.sums[:, SUMS.index("watch_s")]
    if count_events(rows, slates, response, duration_s, satisfied_above, COUNT_COLUMNS, totals.counts, watch_s):
        return _weigh(settings, rows, slates, response, totals)
    return None


def _weigh(
    settings: RolloutSettings, rows: Int64[np.ndarray, " rows"], slates: Slates, response: Response, totals: Totals
) -> AskedViews:
    """Add the sums for the estimated and the true satisfied share."""
    row, position = np.nonzero(response.events & np.uint16(Event.ASKED))
    duration_s = settings.platform.videos.duration_s[slates[row, position]]
    events = response.events[row, position]
    x = features(response.watch_s[row, position], duration_s, events)
    propensity, expected = settings.answer_model.chance(x, events), settings.answer_model.expected(x)
    true_propensity, satisfaction = response.propensity[row, position], response.satisfaction[row, position]
    answer = response.answer[row, position]
    answered, satisfied = answer > 0, answer == _SATISFIED
    weight, true_weight = (1 / propensity).astype(np.float32), (1 / true_propensity).astype(np.float32)
    terms = {
        "answer_weight": weight * answered,
        "answer_weight_satisfied": weight * satisfied,
        "true_answer_weight": true_weight * answered,
        "true_answer_weight_satisfied": true_weight * satisfied,
        "answer_expected": expected.astype(np.float32),
        "answer_weight_expected": (weight * expected).astype(np.float32) * answered,
        "true_would_say": satisfied_answer_probability(settings.platform, satisfaction.astype(np.float64)),
    }
    for name, term in terms.items():
        np.add.at(totals.sums[:, SUMS.index(name)], rows[row], term)
    return AskedViews(satisfaction, propensity, true_propensity, answered)


def satisfied_answer_probability(
    platform: Platform, satisfaction: Float64[np.ndarray, " rows"]
) -> Float64[np.ndarray, " rows"]:
    """True probability that an answer, if there is one, is `satisfied`.

    This is the ordered probit of `user_models.dynamics.kernel.answer`.
    """
    value = platform.world.value
    slip = max(value("questionnaire.say_noise"), 1e-9)
    return ndtr((satisfaction - value("questionnaire.satisfied_above")) / slip)


def _log_request(
    block: Block,
    day: int,
    rows: Int64[np.ndarray, " rows"],
    slates: Slates,
    log_propensity: Float64[np.ndarray, "rows k"] | None,
    response: Response,
    scope: LoggingScope,
    out: BlockDay,
) -> None:
    """Log and trace a request for the users in `scope`."""
    if block.user_id[0] >= scope.log_users and scope.trace is None:
        return
    log = logged(block, day, rows, block.state.hour[rows], block.state.request[rows], slates, response)
    if block.user_id[0] < scope.log_users:
        everybody = block.user_id[-1] < scope.log_users
        out.log.append(log if everybody else log.take(log.user_id < scope.log_users))
    if scope.trace is not None and log_propensity is not None:
        out.trace.append(traced(log, response, log_propensity, scope.trace))


def logged(
    block: Block,
    day: int,
    rows: Int64[np.ndarray, " rows"],
    hour: np.ndarray,
    request: Int16[np.ndarray, " rows"],
    slates: Slates,
    response: Response,
) -> Feedback:
    """Log the views of one request per row as a platform would; videos that were not viewed have no row."""
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
