"""Many lone users at once: each in an episode of their own, at a day of their own, served side by side.

The steps are those of `simulator.environment.episode`, taken for all users of one experiment seed and one day together.
Nothing that happens to a user depends on who else is there, so each one's events are those of an episode of their own.

Axes: `envs` users in episodes, `rows` some of them, `k` slate length.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, final

import numpy as np
from jaxtyping import Bool, Int32, Int64

from policies.base import Observation, Slates
from simulator.environment.episode import LONGEST_WAIT, gone_for_good
from simulator.rollout.catalogue import DailyCatalogue, RolloutSettings, day_ring
from simulator.rollout.day import begin_day, end_day, open_requests
from simulator.rollout.history_buffer import HistoryBuffer
from simulator.rollout.population import Block, fresh_state
from simulator.rollout.request import observe, respond
from user_models.dynamics.packed import Packed, pack
from user_models.dynamics.state import Response, Users, UserState
from user_models.world.world import Population

T = TypeVar("T", UserState, Users)
_RINGS: Final = 64
"""Days' orders that are kept at hand."""


@final
@dataclass(frozen=True)
class Episodes:
    """State of every episode; all arrays change in place.

    Attributes:
        course: World and sizes; its seed is replaced by each episode's own.
        people: Whom episodes are about.
        everybody: The same, as kernels read them.
        block: The users now in episodes.
        seed: Experiment seed of each episode.
        first_day: Day on which it began.
        day: Day of the waiting request; after the end, the horizon's last day.
        over: Whether it has ended.
        gone: Whether it has ended and its user has left for good.
        rings: Orders of the catalogue by seed and day, the latest used last.
    """

    course: RolloutSettings
    people: Population
    everybody: Packed
    block: Block
    seed: Int64[np.ndarray, " envs"]
    first_day: Int32[np.ndarray, " envs"]
    day: Int32[np.ndarray, " envs"]
    over: Bool[np.ndarray, " envs"]
    gone: Bool[np.ndarray, " envs"]
    rings: dict[tuple[int, int], DailyCatalogue]

    @staticmethod
    def empty(course: RolloutSettings, people: Population, n_envs: int, n_rounds: int) -> "Episodes":
        """Create episodes that have not begun; every row holds user 0."""
        ids = np.zeros(n_envs, np.int64)
        users = Users(*(array[ids].copy() for array in people.latents))
        block = Block.fresh(ids, users, n_rounds, course.stage.rules)
        days = np.zeros(n_envs, np.int32)
        over, gone = np.ones(n_envs, bool), np.zeros(n_envs, bool)
        return Episodes(course, people, pack(people.latents), block, ids.copy(), days, days.copy(), over, gone, {})

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the cached catalogue orders, which are recomputed after loading."""
        return vars(self) | {"rings": {}}

    def at(self, seed: int) -> RolloutSettings:
        """The course of an experiment seed."""
        return replace(self.course, seed=seed)

    def ring(self, seed: int, day: int) -> DailyCatalogue:
        """The catalogue on a day of an experiment seed, in its order."""
        if (seed, day) not in self.rings:
            while len(self.rings) >= _RINGS:
                self.rings.pop(next(iter(self.rings)))
            self.rings[seed, day] = day_ring(self.at(seed), day)
        return self.rings[seed, day]

    def together(self, rows: Int64[np.ndarray, " rows"]) -> Iterator[tuple[int, int, Int64[np.ndarray, " rows"]]]:
        """Rows by experiment seed and day: each such pair with its rows, in order."""
        order = np.lexsort((rows, self.day[rows], self.seed[rows]))
        sorted_rows = rows[order]
        seed, day = self.seed[sorted_rows], self.day[sorted_rows]
        cuts = np.flatnonzero((np.diff(seed) != 0) | (np.diff(day) != 0)) + 1
        for some in np.split(sorted_rows, cuts) if len(rows) else ():
            yield int(self.seed[some[0]]), int(self.day[some[0]]), some


def arrive(
    episodes: Episodes,
    rows: Int64[np.ndarray, " rows"],
    user_id: Int64[np.ndarray, " rows"],
    seed: Int64[np.ndarray, " rows"],
) -> None:
    """Begin episodes: each user waits, rested, for their first request from day 0 of their seed on.

    Raises:
        ValueError: A user who does not come within `LONGEST_WAIT` days.
    """
    block = episodes.block
    block.user_id[rows] = user_id
    for mine, everybody in zip(block.users, episodes.people.latents, strict=True):
        mine[rows] = everybody[user_id]
    block.packed[rows] = episodes.everybody[user_id]
    rested = fresh_state(_some(block.users, rows), block.state.sessions_left.shape[1], episodes.course.stage.rules)
    _put(block.state, rows, rested)
    block.past.n_seen[rows] = 0
    episodes.seed[rows], episodes.day[rows], episodes.over[rows], episodes.gone[rows] = seed, 0, False, False
    _wake(episodes, rows)
    _wait(episodes, rows, np.full(len(rows), LONGEST_WAIT - 1, np.int32))
    lost = rows[episodes.over[rows]]
    if len(lost):
        raise ValueError(
            f"user_id: user {block.user_id[lost[0]]} does not come within {LONGEST_WAIT} days of seed "
            f"{episodes.seed[lost[0]]}; give another user or seed"
        )
    episodes.first_day[rows] = episodes.day[rows]


def show(episodes: Episodes, rows: Int64[np.ndarray, " rows"], slates: Slates) -> Response:
    """Simulate users' responses to their slates, one row of `slates` each; the response is in the order of `rows`."""
    index_in_rows = np.empty(len(episodes.day), np.int64)
    index_in_rows[rows] = np.arange(len(rows))
    parts: list[tuple[Int64[np.ndarray, " _"], Response]] = []
    for seed, day, some in episodes.together(rows):
        mine = index_in_rows[some]
        ring = episodes.ring(seed, day)
        parts.append((mine, respond(episodes.at(seed), episodes.block, ring, day, some, slates[mine])))
    combined = Response(*(np.empty((len(rows), *array.shape[1:]), array.dtype) for array in parts[0][1]))
    for mine, response in parts:
        for whole, part in zip(combined, response, strict=True):
            whole[mine] = part
    return combined


def advance(episodes: Episodes, rows: Int64[np.ndarray, " rows"], horizon_days: int) -> None:
    """Advance each episode after a slate to its next request; end those that reach the horizon first."""
    episodes.block.state.request[rows] += 1
    _wait(episodes, rows, episodes.first_day[rows] + np.int32(horizon_days - 1))
    over = rows[episodes.over[rows]]
    episodes.gone[over] = gone_for_good(
        episodes.course.stage, episodes.seed[over], episodes.block, over, episodes.day[over]
    )


def offers(
    episodes: Episodes, rows: Int64[np.ndarray, " rows"]
) -> Iterator[tuple[Int64[np.ndarray, " _"], Observation]]:
    """Yield the requests that wait for a slate, some rows at a time."""
    for seed, day, some in episodes.together(rows):
        yield some, observe(episodes.at(seed), episodes.block, episodes.ring(seed, day), day, some)


def _wait(episodes: Episodes, rows: Int64[np.ndarray, " rows"], last_day: Int32[np.ndarray, " rows"]) -> None:
    """Advance days until each user has a request; end the episodes without one by their last day."""
    block = episodes.block
    until = np.zeros(len(episodes.day), np.int32)
    until[rows] = last_day
    while len(rows):
        for seed, day, some in episodes.together(rows):
            open_requests(episodes.at(seed), block, day, range(block.state.sessions_left.shape[1]), some)
        rows = rows[block.state.patience[rows] <= 0.0]
        _sleep(episodes, rows)
        gone = episodes.day[rows] >= until[rows]
        episodes.over[rows[gone]] = True
        rows = rows[~gone]
        episodes.day[rows] += 1
        _wake(episodes, rows)


def _wake(episodes: Episodes, rows: Int64[np.ndarray, " rows"]) -> None:
    """Let some users begin their day."""
    for seed, day, some in episodes.together(rows):
        part = _apart(episodes.block, some)
        begin_day(episodes.at(seed), part, day)
        _put(episodes.block.state, some, part.state)


def _sleep(episodes: Episodes, rows: Int64[np.ndarray, " rows"]) -> None:
    """Let some users end their day."""
    part = _apart(episodes.block, rows)
    end_day(episodes.course, part)
    _put(episodes.block.state, rows, part.state)


def _apart(block: Block, rows: Int64[np.ndarray, " rows"]) -> Block:
    """Some users of a block, as a block of their own without a past."""
    users, state = _some(block.users, rows), _some(block.state, rows)
    return Block(block.user_id[rows], users, block.packed[rows], state, HistoryBuffer.empty(0))


def _some(bundle: T, rows: Int64[np.ndarray, " rows"]) -> T:
    """Some rows of a bundle, copied."""
    return type(bundle)(*(array[rows] for array in bundle))


def _put(state: UserState, rows: Int64[np.ndarray, " rows"], part: UserState) -> None:
    """Write rows back."""
    for whole, some in zip(state, part, strict=True):
        whole[rows] = some
