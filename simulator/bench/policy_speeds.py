"""Speed of policies: their fit, and a simulated day under them with all that a run stores."""

import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar, final

import pyarrow as pa
import pyarrow.parquet as pq

from policies.base import TrainablePolicy
from policies.registry import build_policy
from simulator.experiment.engine import RunContext, ServingPolicies, StepResult
from simulator.experiment.local_engine import LocalEngine
from simulator.experiment.schedule import TrainingStep, day_steps
from simulator.experiment.setup import PRE, PreparedExperiment, prepare
from simulator.experiment.training import read_logs
from simulator.runs.checkpoint import Checkpoint, StoredFile
from simulator.runs.folder import RunFolder
from simulator.spec.experiment import ArmSpec, ExperimentSpec
from user_models.world.world import World

TRAINING_USERS: Final = 2_000
"""Users whose views of one random day train a policy; its speed does not depend on its quality."""

Out = TypeVar("Out")


@final
class BenchError(ValueError):
    """The benchmark cannot be run; the message names the given and the expected value."""


@final
@dataclass(frozen=True)
class PolicySpeed:
    """Speed of one policy, in wall time.

    Attributes:
        policy: Its name.
        views_per_s: Views per second that it serves in a rollout.
        training_views: Views in the log that it is trained on.
        fit_s: Seconds of the fit; None if it is not trained.
    """

    policy: str
    views_per_s: float
    training_views: int
    fit_s: float | None


@final
@dataclass(frozen=True)
class BenchStore:
    """A store for benchmarks: tables and training logs are written, users and policies are not.

    Attributes:
        folder: Folder to write to.
    """

    folder: RunFolder
    durable: bool = False

    def put_table(self, name: str, table: pa.Table) -> StoredFile:
        """Write user-days, as a run does."""
        return self.folder.put_table(name, table)

    def put(self, name: str, data: bytes) -> StoredFile:
        """Write a log."""
        return self.folder.put(name, data)

    def get(self, stored: StoredFile) -> bytes:
        """Read a log."""
        return self.folder.get(stored)

    def read_checkpoint(self) -> Checkpoint | None:
        """Return None: there is nothing to resume."""
        return None

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Write nothing."""


def policy_speeds(policies: tuple[str, ...], users: int, world: World) -> list[PolicySpeed]:
    """Measure the fit of each policy, and impressions per second under it.

    Raises:
        BenchError: A policy is unknown.
    """
    with TemporaryDirectory() as temporary:
        context = RunContext(_random_slates(users, world), BenchStore(RunFolder(Path(temporary))))
        logs = _random_log(context)  # also compiles
        return [policy_speed(_served_by(context, name), logs, name) for name in policies]


def timed(work: Callable[[], Out]) -> tuple[float, Out]:
    """Return the wall time of a call in seconds, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def policy_speed(context: RunContext, logs: tuple[StoredFile, ...], name: str) -> PolicySpeed:
    """Measure a fit, and views per second of wall time in a day of all users, writing of user-days included.

    Args:
        context: Run context with the initial users, which are not changed; the pre-period's policy is timed.
        logs: Training logs of that policy.
        name: The policy's name.
    """
    with _engine(context) as engine:
        fit_s, (policies, answer_model) = timed(lambda: engine.train(TrainingStep("pre"), logs))
        serving = ServingPolicies(policies, answer_model)
        seconds, tables = timed(lambda: _play_day(engine, context, serving, day=0).tables)
    trainable = isinstance(context.setting.pre_policy, TrainablePolicy)
    training_views = len(read_logs(context, logs).user_id)
    return PolicySpeed(name, _views(context, tables) / seconds, training_views, fit_s if trainable else None)


def _random_slates(users: int, world: World) -> PreparedExperiment:
    """Prepare a test with the defaults of a spec, and random slates in the pre-period."""
    arms = tuple(ArmSpec(name=name, policy="random") for name in ("control", "treatment"))
    return prepare(
        ExperimentSpec(name="bench", users=users, training_users=TRAINING_USERS, pre_policy="random", arms=arms), world
    )


def _served_by(context: RunContext, name: str) -> RunContext:
    """Replace the policy that serves the users."""
    try:
        return RunContext(replace(context.setting, pre_policy=build_policy(name, {})), context.store)
    except ValueError as error:
        raise BenchError(f"policies: {error}") from None


def _random_log(context: RunContext) -> tuple[StoredFile, ...]:
    """Simulate a day of random slates for some users."""
    with _engine(context) as engine:
        return _play_day(engine, context, ServingPolicies(((),), ()), day=-1).logs


@contextmanager
def _engine(context: RunContext) -> Generator[LocalEngine]:
    """Open an engine on all processors with the initial users."""
    blocks = [block.copy() for block in context.setting.blocks]
    engine = LocalEngine(os.cpu_count() or 1)
    try:
        engine.open(RunContext(replace(context.setting, blocks=blocks), context.store))
        engine.load_users(PRE, ())
        yield engine
    finally:
        engine.close()


def _play_day(engine: LocalEngine, context: RunContext, serving: ServingPolicies, day: int) -> StepResult:
    """Simulate a day of all users, and return the last step's result with the files of all steps."""
    tables: tuple[StoredFile, ...] = ()
    logs: tuple[StoredFile, ...] = ()
    for step in day_steps(context.setting, PRE, PRE, day):
        result = engine.play(step, serving)
        serving = replace(serving, policies=result.policies)
        tables, logs = (*tables, *result.tables), (*logs, *result.logs)
    return StepResult((), tables, logs, serving.policies)


def _views(context: RunContext, tables: tuple[StoredFile, ...]) -> int:
    """Count the views in user-days."""
    user_days = [context.store.get(table) for table in tables if table.name.startswith("user_days/")]
    return sum(int(pq.read_table(pa.BufferReader(data))["views"].to_numpy().sum()) for data in user_days)
