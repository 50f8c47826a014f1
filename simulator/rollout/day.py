"""A line: one course of events for all users, day by day, block by block."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, final

import numpy as np
from jaxtyping import Int32, Int64

from policies.base import Feedback, LearningPolicy, Policy, Slates
from simulator.rollout.answer_bins import AskedViews
from simulator.rollout.population import Block
from simulator.rollout.request import (
    DailyCatalogue,
    RolloutSettings,
    Totals,
    begin_day,
    count_feedback,
    day_ring,
    end_day,
    logged,
    observe,
    rank_checked,
    request_batches,
    respond,
)
from simulator.rollout.trace import TracePart, traced
from user_models.dynamics.kernel import Response

In = TypeVar("In")
Out = TypeVar("Out")


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

    @property
    def learns(self) -> bool:
        """Whether any policy goes on learning."""
        return any(isinstance(policy, LearningPolicy) for policy in self.policies)


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


class Engine:
    """Plays blocks side by side on threads; nothing depends on how many."""

    def __init__(self, workers: int) -> None:
        """Start `workers` threads."""
        self._pool = ThreadPoolExecutor(workers)

    def map(self, play: Callable[[In], Out], items: Iterable[In]) -> list[Out]:
        """Results in the order of the items."""
        return list(self._pool.map(play, items))

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(cancel_futures=True)


def play_day(
    course: RolloutSettings, line: Timeline, day: int, n_rounds: int, wanted: LoggingScope, engine: Engine
) -> list[BlockDay]:
    """Play one day of a line; policies that learn do so after each round.

    Returns:
        One entry per block, in order.
    """
    ring = day_ring(course, day)
    days = [BlockDay(Totals.zero(len(block.user_id))) for block in line.blocks]
    log_users = max(block.user_id[-1] for block in line.blocks) + 1 if line.learns else wanted.log_users
    kept = LoggingScope(int(log_users), wanted.trace)
    for rounds in [[r] for r in range(n_rounds)] if line.learns else [list(range(n_rounds))]:
        before = [len(block_day.log) for block_day in days]
        engine.map(partial(play_rounds, course, line, ring, day, rounds, kept), list(enumerate(days)))
        if line.learns:
            _learn(line, [block_day.log[n:] for block_day, n in zip(days, before, strict=True)])
    for block, block_day in zip(line.blocks, days, strict=True):
        end_day(course, block)
        block_day.totals.counts[:, 0] = block.state.session
    return days


def canonical(parts: Sequence[Feedback]) -> Feedback:
    """One log out of parts that are each in order of time: by user, then time."""
    log = Feedback.concatenate(list(parts))
    return log.take(np.argsort(log.user_id, kind="stable"))


def _learn(line: Timeline, new: list[list[Feedback]]) -> None:
    """Give every learning policy the round's feedback from the users that it served."""
    parts = [part for block in new for part in block]
    if not parts:
        return
    feedback = canonical(parts)
    served_by = np.concatenate(line.served_by)
    first = line.blocks[0].user_id[0]
    for index, policy in enumerate(line.policies):
        if isinstance(policy, LearningPolicy):
            policy.update(feedback.take(served_by[feedback.user_id - first] == index))


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
