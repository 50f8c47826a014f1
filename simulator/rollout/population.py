"""Users of an experiment: fixed blocks of consecutive users, their latents and their changing state.

Sums of floats depend on batch shapes. So users are held in blocks of consecutive ids, whose size depends on the number
of users alone, not on shards or workers. One thread simulates a block from start to end.
"""

import math
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from jaxtyping import Int64

from simulator.rollout.history_buffer import HistoryBuffer
from user_models.dynamics.packed import Packed, pack
from user_models.dynamics.state import KernelParameters, Response, Users, UserState
from user_models.world.world import Population

_SMALL: Final = 2048
_LARGE: Final = 16_384
_SIDE_BY_SIDE: Final = 8


@final
@dataclass(frozen=True)
class Block:
    """Consecutive users: their latents, and their state and histories (`state` and `past` change in place).

    `packed` is `users` as kernels read it.
    """

    user_id: Int64[np.ndarray, " users"]
    users: Users
    packed: Packed
    state: UserState
    past: HistoryBuffer

    def copy(self) -> "Block":
        """Copy the users with their state and histories."""
        state = UserState(*(array.copy() for array in self.state))
        past = HistoryBuffer(**{name: array.copy() for name, array in vars(self.past).items()})
        return replace(self, state=state, past=past)

    @staticmethod
    def fresh(user_id: Int64[np.ndarray, " users"], users: Users, n_rounds: int, rules: KernelParameters) -> "Block":
        """Make users in the initial state, with empty histories."""
        return Block(
            user_id, users, pack(users), fresh_state(users, n_rounds, rules), HistoryBuffer.empty(len(user_id))
        )


def fresh_state(users: Users, n_rounds: int, rules: KernelParameters) -> UserState:
    """Initial state: no session, the usual mood, active the day before."""
    n = len(users.appeal)
    f32, i16 = np.float32, np.int16
    return UserState(
        patience=np.zeros(n, f32),
        sessions_left=np.zeros((n, n_rounds), i16),
        session=np.zeros(n, i16),
        request=np.zeros(n, i16),
        views=np.zeros(n, np.int32),
        hour=np.zeros(n, np.int8),
        clicked=np.full(n, 0.5, f32),
        skips=np.zeros(n, i16),
        pleasure=np.zeros(n, f32),
        mood=np.full(n, rules.mood_usual, f32),
        days_away=np.zeros(n, i16),
        prompts=np.zeros(n, f32),
        last_asked=np.full(n, -1000, i16),
        asked=np.zeros(n, i16),
        leaning=np.zeros_like(users.taste),
        seen=np.zeros_like(users.taste),
        wary=np.zeros(n, f32),
    )


def empty_response(n_rows: int, k: int) -> Response:
    """Allocate a response to `n_rows` slates of `k` videos."""
    shape = (n_rows, k)
    return Response(
        viewed=np.empty(shape, bool),
        watch_s=np.empty(shape, np.float32),
        events=np.empty(shape, np.uint16),
        answer=np.empty(shape, np.int8),
        satisfaction=np.empty(shape, np.float32),
        appeal=np.empty(shape, np.float32),
        propensity=np.empty(shape, np.float32),
    )


def block_size(n_users: int) -> int:
    """Users per block: large blocks need fewer calls, but every core needs a block, and a block has to fit the cache.

    >>> [block_size(n) for n in (1_000, 10_000, 20_000, 100_000, 1_000_000)]
    [2048, 2048, 2500, 12500, 15625]
    """
    if n_users <= _SIDE_BY_SIDE * _SMALL:
        return _SMALL
    n_blocks = _SIDE_BY_SIDE * math.ceil(n_users / (_SIDE_BY_SIDE * _LARGE))
    return math.ceil(n_users / n_blocks)


def make_blocks(population: Population, n_rounds: int, rules: KernelParameters, size: int | None = None) -> list[Block]:
    """Cut a population into blocks of consecutive users; `size` is that of `block_size` where it is not given."""
    n = len(population.latents.appeal)
    size = size or block_size(n)
    blocks: list[Block] = []
    for first in range(0, n, size):
        users = Users(*(array[first : first + size] for array in population.latents))
        ids = np.arange(first, min(first + size, n), dtype=np.int64)
        blocks.append(Block.fresh(ids, users, n_rounds, rules))
    return blocks
