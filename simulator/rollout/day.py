"""A day of a timeline, block by block: start, sessions, rounds, end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Int32, Int64

from policies.base import Feedback, Policy
from simulator.noise import row_keys, seed_word
from simulator.rollout.catalogue import DailyCatalogue, RolloutSettings
from simulator.rollout.population import Block
from simulator.rollout.request import BlockDay, LoggingScope, serve
from user_models.dynamics.kernel import close_day, open_day, open_sessions

_TOGETHER: Final = 1024
"""Maximum number of requests per batch: candidates and scores stay in a processor's cache."""


@final
@dataclass(frozen=True)
class Timeline:
    """Users under given policies.

    Attributes:
        name: `pre`, `all:<arm>` or `mixed`.
        policies: Serving policies.
        served_by: Per block, the index into `policies` of each user.
        blocks: The users; they change as days pass.
    """

    name: str
    policies: tuple[Policy, ...]
    served_by: list[Int32[np.ndarray, " _"]]
    blocks: list[Block]


def play_rounds(
    settings: RolloutSettings,
    timeline: Timeline,
    catalogue: DailyCatalogue,
    day: int,
    rounds: list[int],
    scope: LoggingScope,
    block_day: tuple[int, BlockDay],
) -> None:
    """Simulate rounds of a block's day, policy by policy and request by request, until all sessions are over."""
    b, out = block_day
    block = timeline.blocks[b]
    if rounds[0] == 0:
        begin_day(settings, block, day)
    for index, policy in enumerate(timeline.policies):
        for rows in request_batches(
            settings, block, day, range(rounds[0], rounds[-1] + 1), np.flatnonzero(timeline.served_by[b] == index)
        ):
            serve(settings, block, policy, catalogue, day, rows, scope, out)


def begin_day(settings: RolloutSettings, block: Block, day: int) -> None:
    """Begin a day of a block: draw which users come, and how often."""
    keys = row_keys(seed_word(settings.seed, "arrivals"), block.user_id, day, np.zeros(len(block.user_id), np.int32))
    open_day(keys, day, block.users, block.state, settings.platform.rules)


def end_day(settings: RolloutSettings, block: Block) -> None:
    """End a day of a block: update the users' moods."""
    close_day(block.state, settings.platform.rules)


def in_session(settings: RolloutSettings, block: Block, day: int, round_of_day: int) -> Int64[np.ndarray, " rows"]:
    """Rows of the users who request a slate now; opens their next session if none is open."""
    everyone = np.arange(len(block.user_id), dtype=np.int64)
    return open_requests(settings, block, day, range(round_of_day, round_of_day + 1), everyone)


def request_batches(
    settings: RolloutSettings, block: Block, day: int, rounds: range, rows: Int64[np.ndarray, " users"]
) -> Iterator[Int64[np.ndarray, " rows"]]:
    """Yield batches of users who request a slate, until these rounds are over for all of them.

    The caller serves each batch before taking the next. Users go on to their next session or round as soon as the
    last one is over, without waiting for other users.
    """
    while len(rows := open_requests(settings, block, day, rounds, rows)):
        for first in range(0, len(rows), _TOGETHER):
            yield rows[first : first + _TOGETHER]


def open_requests(
    settings: RolloutSettings, block: Block, day: int, rounds: range, rows: Int64[np.ndarray, " users"]
) -> Int64[np.ndarray, " rows"]:
    """Rows of the given users who request a slate now; opens their next session of these rounds if none is open."""
    seed, first_and_end = seed_word(settings.seed, "arrivals"), (rounds.start, rounds.stop)
    open_rows = np.empty_like(rows)
    rules = settings.platform.rules_row
    n = open_sessions(seed, block.user_id, rows, day, first_and_end, block.packed, block.state, rules, open_rows)
    return open_rows[:n]


def canonical(feedback: Sequence[Feedback]) -> Feedback:
    """Join parts, each in order of time, into one log by user, then time."""
    log = Feedback.concatenate(list(feedback))
    return log.take(np.argsort(log.user_id, kind="stable"))
