"""What an engine is asked for: keep users, play scenes, teach policies. How, and on which machines, is its own affair.

Users live in parts: whole blocks, cut by the number of users alone. A part's files come from the part alone, so every
engine leaves the same bytes, with any number of workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, final, runtime_checkable

import pyarrow as pa

from simulator.experiment.schedule import SimulationStep, TrainingStep
from simulator.experiment.setup import PreparedExperiment
from simulator.rollout.population import Block
from simulator.runs.checkpoint import Checkpoint, StoredFile

PART_USERS: Final = 32_768
"""Users of a part at most, unless its one block has more."""
FEWEST_PARTS: Final = 8
"""Parts, where there are as many blocks: enough to keep a machine's cores busy."""

Weights: TypeAlias = tuple[tuple[str, bytes], ...]
"""A policy as it travels: what it saves, as file names and contents; nothing for one that stays as it is built."""
AnswerWeights: TypeAlias = tuple[float, ...]
"""Coefficients of the answering model; none before it is fitted."""


@runtime_checkable
class Store(Protocol):
    """Where a run's files go and come from; usable from every worker."""

    @property
    def durable(self) -> bool:
        """Whether users and policies are worth keeping: someone may go on from here later."""
        ...

    def put_table(self, name: str, table: pa.Table) -> StoredFile:
        """Keep user-days or a trace."""
        ...

    def put(self, name: str, data: bytes) -> StoredFile:
        """Keep a file, replacing one of that name at one stroke."""
        ...

    def get(self, kept: StoredFile) -> bytes:
        """The file as it was kept.

        Raises:
            RunFolderError: It is gone or has changed.
        """
        ...

    def read_checkpoint(self) -> Checkpoint | None:
        """Where an earlier try stood, or None to begin at the beginning."""
        ...

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep where the run stands, and let go of what no longer counts."""
        ...


@final
@dataclass(frozen=True)
class Shard:
    """Consecutive blocks, from `first` up to `last`."""

    index: int
    first: int
    last: int


@final
@dataclass(frozen=True)
class RunContext:
    """What every step of a run needs."""

    setting: PreparedExperiment
    store: Store


@final
@dataclass(frozen=True)
class ServingPolicies:
    """Who serves a line, as weights, and how answers are weighted."""

    policies: tuple[Weights, ...]
    answer_model: AnswerWeights


@final
@dataclass(frozen=True)
class StepResult:
    """What a scene leaves behind.

    Attributes:
        standing: The users' files, one per part, if the store is durable.
        tables: User-days and traces.
        logs: Files for training.
        policies: Of the line, after learning.
    """

    standing: tuple[StoredFile, ...]
    tables: tuple[StoredFile, ...]
    logs: tuple[StoredFile, ...]
    policies: tuple[Weights, ...]


@runtime_checkable
class Engine(Protocol):
    """Plays scenes; nothing in a run's files depends on which engine it is or how many workers it has."""

    def open(self, hall: RunContext) -> None:
        """Get ready for a run."""
        ...

    def load_users(self, line: str, standing: tuple[StoredFile, ...]) -> None:
        """Let a line's users stand where they were kept; where nothing was, as they were drawn."""
        ...

    def fork(self, source: str, lines: Sequence[str]) -> None:
        """Let lines begin where another one stands, which ends there."""
        ...

    def play(self, scene: SimulationStep, cast: ServingPolicies) -> StepResult:
        """Play a scene.

        Raises:
            RankedBadlyError: A policy broke its contract.
            RunFolderError: A file cannot be written.
        """
        ...

    def train(self, lesson: TrainingStep, logs: tuple[StoredFile, ...]) -> tuple[tuple[Weights, ...], AnswerWeights]:
        """Fit a lesson's policies; with those of the arms, the answering model too."""
        ...

    def close(self) -> None:
        """Let go of workers."""
        ...


def cut_parts(blocks: Sequence[Block]) -> tuple[Shard, ...]:
    """Blocks in parts, as even as whole blocks allow; depends on the blocks alone."""
    users = sum(len(block.user_id) for block in blocks)
    n = min(len(blocks), max(FEWEST_PARTS, -(-users // PART_USERS)))
    edges = [len(blocks) * i // n for i in range(n + 1)]
    return tuple(Shard(i, edges[i], edges[i + 1]) for i in range(n))
