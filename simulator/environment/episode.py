"""Course of one user's episode: the days, and the time of the next request.

The steps are those of `simulator.rollout.day`, for a block of one user, so an episode and a rollout of the same user,
seed and slates are the same course of events.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Int32, Int64

from simulator.noise import seed_word
from simulator.rollout.catalogue import Platform, RolloutSettings
from simulator.rollout.day import begin_day, end_day, in_session
from simulator.rollout.population import Block
from user_models.dynamics.kernel import find_gone
from user_models.dynamics.state import KernelParameters, Users
from user_models.world.world import Population

ROUNDS_PER_DAY: Final = 3
"""Rounds of a day, the default of a spec; the round decides the hour of a session."""
LONGEST_WAIT: Final = 365
"""Days without a visit after which a user counts as gone for good."""


@final
@dataclass(frozen=True)
class RequestTime:
    """Day and round of a request."""

    day: int
    round_of_day: int


def only_row() -> Int64[np.ndarray, " 1"]:
    """Row index of a block's only user."""
    return np.zeros(1, np.int64)


def lone_block(population: Population, user_id: int, n_rounds: int, rules: KernelParameters) -> Block:
    """Make a block of one user, in the initial state and with an empty history."""
    users = Users(*(array[user_id : user_id + 1] for array in population.latents))
    return Block.fresh(np.array([user_id], np.int64), users, n_rounds, rules)


def first_request(settings: RolloutSettings, block: Block) -> RequestTime | None:
    """Return the time of the user's first request from day 0 on; None if there is none for `LONGEST_WAIT` days."""
    begin_day(settings, block, 0)
    return next_request(settings, block, RequestTime(0, 0), LONGEST_WAIT - 1)


def next_request(settings: RolloutSettings, block: Block, now: RequestTime, last_day: int) -> RequestTime | None:
    """Advance the simulated days until the user's next request; None if there is none by `last_day`."""
    while (moment := _later_today(settings, block, now)) is None:
        end_day(settings, block)
        if now.day >= last_day:
            return None
        now = RequestTime(now.day + 1, 0)
        begin_day(settings, block, now.day)
    return moment


def gone_for_good(
    platform: Platform,
    seed: Int64[np.ndarray, " rows"],
    block: Block,
    rows: Int64[np.ndarray, " rows"],
    last_day: Int32[np.ndarray, " rows"],
) -> Bool[np.ndarray, " rows"]:
    """Return which users, after their last day, stay away for the next `LONGEST_WAIT` days."""
    words = np.array([seed_word(user_seed, "arrivals") for user_seed in seed.tolist()], np.uint64)
    gone = np.empty(len(rows), bool)
    find_gone(
        words, block.user_id, rows, last_day, LONGEST_WAIT, block.packed,
        block.state.days_away, block.state.mood, platform.rules_row, gone,
    )  # fmt: skip
    return gone


def _later_today(settings: RolloutSettings, block: Block, now: RequestTime) -> RequestTime | None:
    """Find the next request in this round of the day or a later one."""
    for round_of_day in range(now.round_of_day, block.state.sessions_left.shape[1]):
        if len(in_session(settings, block, now.day, round_of_day)):
            return RequestTime(now.day, round_of_day)
    return None
