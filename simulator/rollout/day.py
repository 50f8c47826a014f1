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
"""Requests served at once, at most: their candidates and scores stay in a processor's own cache."""


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


def play_rounds(
    settings: RolloutSettings,
    timeline: Timeline,
    catalogue: DailyCatalogue,
    day: int,
    rounds: list[int],
    scope: LoggingScope,
    block_day: tuple[int, BlockDay],
) -> None:
    """Play some rounds of a block's day, policy by policy and request by request, until nobody is in session."""
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
    """Let the block's users wake up: who comes today, and how often."""
    keys = row_keys(seed_word(settings.seed, "arrivals"), block.user_id, day, np.zeros(len(block.user_id), np.int32))
    open_day(keys, day, block.users, block.state, settings.stage.rules)


def end_day(settings: RolloutSettings, block: Block) -> None:
    """Let the day settle into the users' moods."""
    close_day(block.state, settings.stage.rules)


def in_session(settings: RolloutSettings, block: Block, day: int, round_of_day: int) -> Int64[np.ndarray, " rows"]:
    """The users who want a slate now; opens their next session where none is open."""
    everyone = np.arange(len(block.user_id), dtype=np.int64)
    return open_requests(settings, block, day, range(round_of_day, round_of_day + 1), everyone)


def request_batches(
    settings: RolloutSettings, block: Block, day: int, rounds: range, rows: Int64[np.ndarray, " users"]
) -> Iterator[Int64[np.ndarray, " rows"]]:
    """Those of some users who want a slate, over and over, until these rounds are over for all of them.

    Whoever iterates serves those given before taking the next. Users go on to their next session, or to the next
    round, as soon as they are through with the last, without waiting for anybody.
    """
    while len(rows := open_requests(settings, block, day, rounds, rows)):
        for first in range(0, len(rows), _TOGETHER):
            yield rows[first : first + _TOGETHER]


def open_requests(
    settings: RolloutSettings, block: Block, day: int, rounds: range, rows: Int64[np.ndarray, " users"]
) -> Int64[np.ndarray, " rows"]:
    """Those of some users who want a slate now; opens their next session of these rounds where none is open."""
    seed, within = seed_word(settings.seed, "arrivals"), (rounds.start, rounds.stop)
    asking = np.empty_like(rows)
    rules = settings.stage.rules_row
    n = open_sessions(seed, block.user_id, rows, day, within, block.packed, block.state, rules, asking)
    return asking[:n]


def canonical(parts: Sequence[Feedback]) -> Feedback:
    """One log out of parts that are each in order of time: by user, then time."""
    log = Feedback.concatenate(list(parts))
    return log.take(np.argsort(log.user_id, kind="stable"))
