"""Single requests of a few users, for checks that need users' state before each view and the truth after it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Int64

from policies.base import Slates
from policies.simple.random import RandomPolicy
from simulator.rollout.answer_model import constant_model
from simulator.rollout.catalogue import DailyCatalogue, RolloutSettings, Size, day_ring, draw_platform
from simulator.rollout.day import begin_day, end_day, in_session
from simulator.rollout.population import Block, make_blocks
from simulator.rollout.ranking import rank_checked
from simulator.rollout.request import observe
from user_models.world.world import World

_ROUNDS = 3


@final
@dataclass(frozen=True)
class Request:
    """Random slates for some users of a block, before the users' state changes.

    Attributes:
        block: Block of users.
        ring: Daily catalogue.
        day: Day, from 0.
        rows: Rows of the served users in the block.
        slates: Random slates, one per served user.
    """

    block: Block
    ring: DailyCatalogue
    day: int
    rows: Int64[np.ndarray, " rows"]
    slates: Slates


def random_rollout(world: World, size: Size, slate_size: int, seed: int) -> tuple[RolloutSettings, list[Block]]:
    """Make settings for random slates, and users on the first day; the candidates of a request are its slate."""
    platform, users = draw_platform(world, size, seed)
    return RolloutSettings(platform, seed, slate_size, slate_size, constant_model()), make_blocks(
        users, _ROUNDS, platform.rules
    )


def requests(settings: RolloutSettings, block: Block, days: range) -> Iterator[Request]:
    """Serve a block under random slates; the caller must simulate the response before the next request."""
    policy = RandomPolicy()
    for day in days:
        ring = day_ring(settings, day)
        begin_day(settings, block, day)
        for round_of_day in range(_ROUNDS):
            while len(rows := in_session(settings, block, day, round_of_day)):
                obs = observe(settings, block, ring, day, rows)
                yield Request(block, ring, day, rows, rank_checked(settings, block, policy, obs, rows))
                block.state.request[rows] += 1
        end_day(settings, block)
