"""Queue of users for environments that are served together.

Axes: `envs` environments, `rows` some of them, `left` users still in the queue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, final, runtime_checkable

import numpy as np
from gymnasium.utils.seeding import np_random
from jaxtyping import Int64

from simulator.checked import SEEDS
from simulator.environment.env import draw_episode

Comers: TypeAlias = tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"]]
"""The user of each row, and the experiment seed."""


@runtime_checkable
class NextUp(Protocol):
    """Source of the users of the next episodes."""

    def take(self, rows: Int64[np.ndarray, " rows"]) -> Comers:
        """Take the next user of each of the environments, and the experiment seed of each."""
        ...


@final
@dataclass
class UserQueue:
    """Queue of all users in a random order under one experiment seed; each pass has a new seed.

    So many environments share a seed, and with it the day's order of the catalogue, and no user is served twice
    under the same noise.
    """

    rng: np.random.Generator
    n_users: int
    seed: int
    order: Int64[np.ndarray, " left"] = field(default_factory=lambda: np.zeros(0, np.int64))

    def take(self, rows: Int64[np.ndarray, " rows"]) -> Comers:
        """Take the next users of the shared order; the result does not depend on `rows`."""
        n, n_taken = len(rows), 0
        users, seeds = np.empty(n, np.int64), np.empty(n, np.int64)
        while n_taken < n:
            if len(self.order) == 0:
                self.order = self.rng.permutation(self.n_users).astype(np.int64)
            next_users = self.order[: n - n_taken]
            users[n_taken : n_taken + len(next_users)], seeds[n_taken : n_taken + len(next_users)] = (
                next_users,
                self.seed,
            )
            n_taken += len(next_users)
            self.order = self.order[len(next_users) :]
            if len(self.order) == 0:
                self.seed = int(self.rng.integers(SEEDS))
        return users, seeds


@final
@dataclass
class OwnDraws:
    """Users and seeds that each environment draws from its own generator, as a `FeedEnv` does.

    Attributes:
        rngs: Generator of each environment.
        n_users: Size of the population.
        given: Seed of each environment's next episode; None if it is drawn.
    """

    rngs: list[np.random.Generator]
    n_users: int
    given: list[int | None]

    @staticmethod
    def begin(seeds: Sequence[int | None], n_users: int, earlier_queue: NextUp) -> "OwnDraws":
        """Seed every environment; one without a seed keeps its generator, if it has one."""
        earlier_rngs = earlier_queue.rngs if isinstance(earlier_queue, OwnDraws) else [None] * len(seeds)
        pairs = zip(earlier_rngs, seeds, strict=True)
        rngs = [rng if seed is None and rng is not None else np_random(seed)[0] for rng, seed in pairs]
        return OwnDraws(rngs, n_users, list(seeds))

    def take(self, rows: Int64[np.ndarray, " rows"]) -> Comers:
        """Draw the next user and seed of each environment from its own generator."""
        users, seeds = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        for i, row in enumerate(rows.tolist()):
            drawn_seed, users[i] = draw_episode(self.rngs[row], self.n_users)
            given_seed, self.given[row] = self.given[row], None
            seeds[i] = drawn_seed if given_seed is None else given_seed
        return users, seeds
