"""Queue of users for environments that are served together.

Axes: `envs` environments, `rows` some of them, `left` users still to come.
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
        """The next user of each of some environments, and the experiment seed of each."""
        ...


@final
@dataclass
class UserQueue:
    """Queue of all users in a random order under one experiment seed; each pass has a new seed.

    So many environments share a seed, and with it the day's order of the catalogue, and no user is met twice under
    the same noise.
    """

    rng: np.random.Generator
    n_users: int
    seed: int
    order: Int64[np.ndarray, " left"] = field(default_factory=lambda: np.zeros(0, np.int64))

    def take(self, rows: Int64[np.ndarray, " rows"]) -> Comers:
        """Take the next users of the shared order; the result does not depend on `rows`."""
        n, done = len(rows), 0
        users, seeds = np.empty(n, np.int64), np.empty(n, np.int64)
        while done < n:
            if len(self.order) == 0:
                self.order = self.rng.permutation(self.n_users).astype(np.int64)
            some = self.order[: n - done]
            users[done : done + len(some)], seeds[done : done + len(some)] = some, self.seed
            done += len(some)
            self.order = self.order[len(some) :]
            if len(self.order) == 0:
                self.seed = int(self.rng.integers(SEEDS))
        return users, seeds


@final
@dataclass
class OwnDraws:
    """Every environment draws for itself, as a single one does from reset to reset.

    Attributes:
        rngs: Generator of each environment.
        n_users: Size of the population.
        given: Seed that each environment's next episode plays; None where it is drawn.
    """

    rngs: list[np.random.Generator]
    n_users: int
    given: list[int | None]

    @staticmethod
    def begin(seeds: Sequence[int | None], n_users: int, before: NextUp) -> "OwnDraws":
        """Seed every environment; one without a seed keeps its generator, if it has one."""
        have = before.rngs if isinstance(before, OwnDraws) else [None] * len(seeds)
        pairs = zip(have, seeds, strict=True)
        rngs = [rng if seed is None and rng is not None else np_random(seed)[0] for rng, seed in pairs]
        return OwnDraws(rngs, n_users, list(seeds))

    def take(self, rows: Int64[np.ndarray, " rows"]) -> Comers:
        """Draw the next user and seed of each environment from its own generator."""
        users, seeds = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
        for i, row in enumerate(rows.tolist()):
            drawn, users[i] = draw_episode(self.rngs[row], self.n_users)
            given, self.given[row] = self.given[row], None
            seeds[i] = drawn if given is None else given
        return users, seeds
