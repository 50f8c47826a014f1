"""A line: one course of events for all users, day by day, block by block."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Int32, Int64

from policies.base import Feedback, Policy, Slates
from simulator.rollout.answer_bins import AskedViews
from simulator.rollout.population import Block
from simulator.rollout.request import (
    DailyCatalogue,
    RolloutSettings,
    Totals,
    begin_day,
    count_feedback,
    logged,
    observe,
    rank_checked,
    request_batches,
    respond,
)
from simulator.rollout.trace import TracePart, traced
from user_models.dynamics.kernel import Response


@final
@dataclass(frozen=True)
class Timeline:
    """All users under given policies.

    Attributes:
        name: `pre`, `all:<arm>` or `mixed`.
        policies: Who serves.
        served_by: Per block, the index into `policies` of each user.
        blocks: The users; they change as days pass.
    """

    name: str
    policies: tuple[Policy, ...]
    served_by: list[Int32[np.ndarray, " _"]]
    blocks: list[Block]


@final
@dataclass(frozen=True)
class LoggingScope:
    """What is kept of a day beside the totals.

    Attributes:
        log_users: Views of users with smaller ids are logged.
        trace: Users whose impressions are traced with their latents, or None for nobody.
    """

    log_users: int = 0
    trace: Int64[np.ndarray, " traced"] | None = None


@final
@dataclass
class BlockDay:
    """What one block did on one day; parts are in the order in which things happened."""

    totals: Totals
    log: list[Feedback] = field(default_factory=list[Feedback])
    trace: list[TracePart] = field(default_factory=list[TracePart])
    asked: list[AskedViews] = field(default_factory=list[AskedViews])


def canonical(parts: Sequence[Feedback]) -> Feedback:
    """One log out of parts that are each in order of time: by user, then time."""
    log = Feedback.concatenate(list(parts))
    return log.take(np.argsort(log.user_id, kind="stable"))


def play_rounds(
    course: RolloutSettings,
    line: Timeline,
    ring: DailyCatalogue,
    day: int,
    rounds: list[int],
    wanted: LoggingScope,
    block_day: tuple[int, BlockDay],
) -> None:
    """Play some rounds of a block's day, policy by policy and request by request, until nobody is in session."""
    b, out = block_day
    block = line.blocks[b]
    if rounds[0] == 0:
        begin_day(course, block, day)
    for index, policy in enumerate(line.policies):
        for rows in request_batches(
            course, block, day, range(rounds[0], rounds[-1] + 1), np.flatnonzero(line.served_by[b] == index)
        ):
            _serve(course, block, policy, ring, day, rows, wanted, out)


def _serve(
    course: RolloutSettings,
    block: Block,
    policy: Policy,
    ring: DailyCatalogue,
    day: int,
    rows: Int64[np.ndarray, " rows"],
    wanted: LoggingScope,
    out: BlockDay,
) -> None:
    """One request of each of these users: rank, live, count, log."""
    obs = observe(course, block, ring, day, rows)
    slates = rank_checked(course, block, policy, obs, rows)
    response = respond(course, block, ring, day, rows, slates)
    asked = count_feedback(course, rows, slates, response, out.totals)
    if asked is not None:
        out.asked.append(asked)
    _keep(block, day, rows, slates, response, wanted, out)
    block.state.request[rows] += 1


def _keep(
    block: Block,
    day: int,
    rows: Int64[np.ndarray, " rows"],
    slates: Slates,
    response: Response,
    wanted: LoggingScope,
    out: BlockDay,
) -> None:
    """Log and trace what is wanted of a request."""
    if block.user_id[0] >= wanted.log_users and wanted.trace is None:
        return
    log = logged(block, day, rows, block.state.hour[rows], block.state.request[rows], slates, response)
    if block.user_id[0] < wanted.log_users:
        everybody = block.user_id[-1] < wanted.log_users
        out.log.append(log if everybody else log.take(log.user_id < wanted.log_users))
    if wanted.trace is not None:
        out.trace.append(traced(log, response, wanted.trace))
