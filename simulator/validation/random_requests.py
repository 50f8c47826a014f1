"""Requests of a small crowd one by one, for checks that look at users' state before each view and at truth after it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Int64

from policies.base import Slates
from policies.simple.random import RandomPolicy
from simulator.rollout.answer_model import constant_model
from simulator.rollout.catalogue import DailyCatalogue, RolloutSettings, Size, day_ring, make_stage
from simulator.rollout.day import begin_day, end_day, in_session
from simulator.rollout.population import Block, make_blocks
from simulator.rollout.request import observe, rank_checked
from user_models.world.world import World

_ROUNDS = 3


@final
@dataclass(frozen=True)
class Request:
    """Random slates for some users of a block, before the users' state changes.

    Attributes:
        block: The users.
        ring: What is on offer that day.
        day: From 0.
        rows: Places in the block of the users served.
        slates: Random slates, one per user served.
    """

    block: Block
    ring: DailyCatalogue
    day: int
    rows: Int64[np.ndarray, " rows"]
    slates: Slates


def random_course(world: World, size: Size, slate_size: int, seed: int) -> tuple[RolloutSettings, list[Block]]:
    """A course of events under random slates, and its users on the first day; candidates are slates."""
    stage, people = make_stage(world, size, seed)
    return RolloutSettings(stage, seed, slate_size, slate_size, constant_model()), make_blocks(
        people, _ROUNDS, stage.rules
    )


def requests(course: RolloutSettings, block: Block, days: range) -> Iterator[Request]:
    """Serve a block under random slates; the caller must simulate the response before the next request."""
    policy = RandomPolicy()
    for day in days:
        ring = day_ring(course, day)
        begin_day(course, block, day)
        for round_of_day in range(_ROUNDS):
            while len(rows := in_session(course, block, day, round_of_day)):
                obs = observe(course, block, ring, day, rows)
                yield Request(block, ring, day, rows, rank_checked(course, block, policy, obs, rows))
                block.state.request[rows] += 1
        end_day(course, block)
