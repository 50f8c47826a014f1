"""The interface between the run loop and a back end, local or Ray: hold users, simulate steps, train policies.

Users are held in shards: whole blocks, cut by the number of users alone. A shard's files depend on the shard alone, so
every engine writes the same bytes, with any number of workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, final, runtime_checkable

import pyarrow as pa

from simulator.experiment.schedule import SimulationStep, TrainingStep
from simulator.experiment.setup import PreparedExperiment
from simulator.rollout.population import Block
from simulator.runs.checkpoint import Checkpoint, StoredFile

SHARD_USERS: Final = 32_768
"""Users of a shard at most, unless its one block has more."""
FEWEST_SHARDS: Final = 8
"""Smallest number of shards, if there are as many blocks: enough for a machine's cores."""

PackedPolicy: TypeAlias = tuple[tuple[str, bytes], ...]
"""A saved policy as file names and contents; empty for one that is not trained."""
AnswerWeights: TypeAlias = tuple[float, ...]
"""Coefficients of the answer model; empty before it is fitted."""


@runtime_checkable
class Store(Protocol):
    """Storage of a run's files; usable from every worker."""

    @property
    def durable(self) -> bool:
        """True if users and policies are stored, so that the run can be resumed."""
        ...

    def put_table(self, name: str, table: pa.Table) -> StoredFile:
        """Store user-days or a trace."""
        ...

    def put(self, name: str, data: bytes) -> StoredFile:
        """Store a file; one of that name is replaced atomically."""
        ...

    def get(self, stored: StoredFile) -> bytes:
        """Read a stored file.

        Raises:
            RunFolderError: The file is missing or was changed.
        """
        ...

    def read_checkpoint(self) -> Checkpoint | None:
        """Read the checkpoint of an interrupted run; None if there is none."""
        ...

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint, and remove files that it no longer needs."""
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
    """Prepared experiment and storage of a run."""

    setting: PreparedExperiment
    store: Store


@final
@dataclass(frozen=True)
class ServingPolicies:
    """The weights of a timeline's policies, and the answering model."""

    policies: tuple[PackedPolicy, ...]
    answer_model: AnswerWeights


@final
@dataclass(frozen=True)
class StepResult:
    """The files of a step.

    Attributes:
        states: The users' files, one per shard, if the store is durable.
        tables: User-days and traces.
        logs: Files for training.
        policies: The timeline's policies after learning.
    """

    states: tuple[StoredFile, ...]
    tables: tuple[StoredFile, ...]
    logs: tuple[StoredFile, ...]
    policies: tuple[PackedPolicy, ...]


@runtime_checkable
class Engine(Protocol):
    """Simulates steps; a run's files depend neither on the engine nor on the number of workers."""

    def open(self, context: RunContext) -> None:
        """Get ready for a run."""
        ...

    def load_users(self, timeline: str, states: tuple[StoredFile, ...]) -> None:
        """Load a timeline's users from storage; use the initial population if none are stored."""
        ...

    def fork(self, source: str, timelines: Sequence[str]) -> None:
        """Start timelines from a copy of the current users of `source`, which is dropped."""
        ...

    def play(self, step: SimulationStep, serving: ServingPolicies) -> StepResult:
        """Simulate a step.

        Raises:
            InvalidSlateError: A policy broke its contract.
            RunFolderError: A file cannot be written.
        """
        ...

    def train(self, step: TrainingStep, logs: tuple[StoredFile, ...]) -> tuple[tuple[PackedPolicy, ...], AnswerWeights]:
        """Train the policies of a step; a step of the arms also fits the answer model."""
        ...

    def close(self) -> None:
        """Stop the workers."""
        ...


def cut_shards(blocks: Sequence[Block]) -> tuple[Shard, ...]:
    """Cut blocks into shards of about equal numbers of blocks; depends on the blocks alone."""
    users = sum(len(block.user_id) for block in blocks)
    n = min(len(blocks), max(FEWEST_SHARDS, -(-users // SHARD_USERS)))
    edges = [len(blocks) * i // n for i in range(n + 1)]
    return tuple(Shard(i, edges[i], edges[i + 1]) for i in range(n))
