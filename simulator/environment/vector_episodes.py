"""Many single-user episodes at once, each at a day of its own.

The steps are those of `simulator.environment.episode`, for all users of one experiment seed and day together. No
user's events depend on other users, so they are those of an episode of that user alone.

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
"""Daily catalogues in the cache."""


@final
@dataclass(frozen=True)
class Episodes:
    """State of every episode; all arrays change in place.

    Attributes:
        settings: World and sizes; its seed is replaced by each episode's own.
        population: Users that episodes are drawn from.
        everybody: The population as kernels read it.
        block: The users now in episodes.
        seed: Experiment seed of each episode.
        first_day: First day of each episode.
        day: Day of the waiting request; after the end, the horizon's last day.
        over: Whether each episode has ended.
        gone: Whether each episode has ended and its user has left for good.
        rings: Daily catalogues by seed and day, the most recently used last.
    """

    settings: RolloutSettings
    population: Population
    everybody: Packed
    block: Block
    seed: Int64[np.ndarray, " envs"]
    first_day: Int32[np.ndarray, " envs"]
    day: Int32[np.ndarray, " envs"]
    over: Bool[np.ndarray, " envs"]
    gone: Bool[np.ndarray, " envs"]
    rings: dict[tuple[int, int], DailyCatalogue]

    @staticmethod
    def empty(settings: RolloutSettings, population: Population, n_envs: int, n_rounds: int) -> "Episodes":
        """Create episodes that have not begun; every row holds user 0."""
        ids = np.zeros(n_envs, np.int64)
        users = Users(*(array[ids].copy() for array in population.latents))
        block = Block.fresh(ids, users, n_rounds, settings.platform.rules)
        days = np.zeros(n_envs, np.int32)
        over, gone = np.ones(n_envs, bool), np.zeros(n_envs, bool)
        return Episodes(
            settings, population, pack(population.latents), block, ids.copy(), days, days.copy(), over, gone, {}
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the cached catalogue orders, which are recomputed after loading."""
        return vars(self) | {"rings": {}}

    def at(self, seed: int) -> RolloutSettings:
        """The settings of an experiment seed."""
        return replace(self.settings, seed=seed)

    def ring(self, seed: int, day: int) -> DailyCatalogue:
        """Daily catalogue of an experiment seed, from the cache if it is there."""
        if (seed, day) not in self.rings:
            while len(self.rings) >= _RINGS:
                self.rings.pop(next(iter(self.rings)))
            self.rings[seed, day] = day_ring(self.at(seed), day)
        return self.rings[seed, day]

    def together(self, rows: Int64[np.ndarray, " rows"]) -> Iterator[tuple[int, int, Int64[np.ndarray, " rows"]]]:
        """Group rows by experiment seed and day, and yield each pair with its rows, in order."""
        order = np.lexsort((rows, self.day[rows], self.seed[rows]))
        sorted_rows = rows[order]
        seed, day = self.seed[sorted_rows], self.day[sorted_rows]
        group_starts = np.flatnonzero((np.diff(seed) != 0) | (np.diff(day) != 0)) + 1
        for group in np.split(sorted_rows, group_starts) if len(rows) else ():
            yield int(self.seed[group[0]]), int(self.day[group[0]]), group


def arrive(
    episodes: Episodes,
    rows: Int64[np.ndarray, " rows"],
    user_id: Int64[np.ndarray, " rows"],
    seed: Int64[np.ndarray, " rows"],
) -> None:
    """Begin episodes: each user starts in the initial state on day 0, and the first request is found.

    Raises:
        ValueError: A user does not come within `LONGEST_WAIT` days.
    """
    block = episodes.block
    block.user_id[rows] = user_id
    for of_episodes, of_population in zip(block.users, episodes.population.latents, strict=True):
        of_episodes[rows] = of_population[user_id]
    block.packed[rows] = episodes.everybody[user_id]
    new_state = fresh_state(
        _take(block.users, rows), block.state.sessions_left.shape[1], episodes.settings.platform.rules
    )
    _write_back(block.state, rows, new_state)
    block.past.n_seen[rows] = 0
    episodes.seed[rows], episodes.day[rows], episodes.over[rows], episodes.gone[rows] = seed, 0, False, False
    _wake(episodes, rows)
    _wait(episodes, rows, np.full(len(rows), LONGEST_WAIT - 1, np.int32))
    absent = rows[episodes.over[rows]]
    if len(absent):
        raise ValueError(
            f"user_id: user {block.user_id[absent[0]]} does not come within {LONGEST_WAIT} days of seed "
            f"{episodes.seed[absent[0]]}; give another user or seed"
        )
    episodes.first_day[rows] = episodes.day[rows]


def show(episodes: Episodes, rows: Int64[np.ndarray, " rows"], slates: Slates) -> Response:
    """Simulate users' responses to their slates, one row of `slates` each; the response is in the order of `rows`."""
    index_in_rows = np.empty(len(episodes.day), np.int64)
    index_in_rows[rows] = np.arange(len(rows))
    responses: list[tuple[Int64[np.ndarray, " _"], Response]] = []
    for seed, day, group in episodes.together(rows):
        indices = index_in_rows[group]
        ring = episodes.ring(seed, day)
        responses.append((indices, respond(episodes.at(seed), episodes.block, ring, day, group, slates[indices])))
    combined = Response(*(np.empty((len(rows), *array.shape[1:]), array.dtype) for array in responses[0][1]))
    for indices, response in responses:
        for combined_array, rows_of_group in zip(combined, response, strict=True):
            combined_array[indices] = rows_of_group
    return combined


def advance(episodes: Episodes, rows: Int64[np.ndarray, " rows"], horizon_days: int) -> None:
    """Advance each episode after a slate to its next request; end those that reach the horizon first."""
    episodes.block.state.request[rows] += 1
    _wait(episodes, rows, episodes.first_day[rows] + np.int32(horizon_days - 1))
    ended = rows[episodes.over[rows]]
    episodes.gone[ended] = gone_for_good(
        episodes.settings.platform, episodes.seed[ended], episodes.block, ended, episodes.day[ended]
    )


def offers(
    episodes: Episodes, rows: Int64[np.ndarray, " rows"]
) -> Iterator[tuple[Int64[np.ndarray, " _"], Observation]]:
    """Yield the requests that wait for a slate, in batches of rows."""
    for seed, day, group in episodes.together(rows):
        yield group, observe(episodes.at(seed), episodes.block, episodes.ring(seed, day), day, group)


def _wait(episodes: Episodes, rows: Int64[np.ndarray, " rows"], last_day: Int32[np.ndarray, " rows"]) -> None:
    """Advance days until each user has a request; end the episodes without one by their last day."""
    block = episodes.block
    last_day_of_row = np.zeros(len(episodes.day), np.int32)
    last_day_of_row[rows] = last_day
    while len(rows):
        for seed, day, group in episodes.together(rows):
            open_requests(episodes.at(seed), block, day, range(block.state.sessions_left.shape[1]), group)
        rows = rows[block.state.patience[rows] <= 0.0]
        _sleep(episodes, rows)
        is_over = episodes.day[rows] >= last_day_of_row[rows]
        episodes.over[rows[is_over]] = True
        rows = rows[~is_over]
        episodes.day[rows] += 1
        _wake(episodes, rows)


def _wake(episodes: Episodes, rows: Int64[np.ndarray, " rows"]) -> None:
    """Begin the day of users."""
    for seed, day, group in episodes.together(rows):
        block = _block_of_rows(episodes.block, group)
        begin_day(episodes.at(seed), block, day)
        _write_back(episodes.block.state, group, block.state)


def _sleep(episodes: Episodes, rows: Int64[np.ndarray, " rows"]) -> None:
    """End the day of users."""
    block = _block_of_rows(episodes.block, rows)
    end_day(episodes.settings, block)
    _write_back(episodes.block.state, rows, block.state)


def _block_of_rows(block: Block, rows: Int64[np.ndarray, " rows"]) -> Block:
    """Copy users of a block into a new block without histories."""
    users, state = _take(block.users, rows), _take(block.state, rows)
    return Block(block.user_id[rows], users, block.packed[rows], state, HistoryBuffer.empty(0))


def _take(bundle: T, rows: Int64[np.ndarray, " rows"]) -> T:
    """Copy rows of a bundle of arrays."""
    return type(bundle)(*(array[rows] for array in bundle))


def _write_back(state: UserState, rows: Int64[np.ndarray, " rows"], new_values: UserState) -> None:
    """Write the state of rows back into the state of all."""
    for stored, new in zip(state, new_values, strict=True):
        stored[rows] = new
