"""Benchmarks on this machine: rollouts, environments, reading a run, memory, start-up, growth."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from rich.table import Table
from rich.text import Text

from policies.registry import POLICIES, build_policy
from simulator.analysis.summarise import summarise
from simulator.bench.growth import GrowthRun, run_trial, run_trials, trials
from simulator.bench.made_up_run import make_run_folder
from simulator.environment.env import FeedEnv
from simulator.environment.vector_env import FeedVectorEnv
from simulator.experiment.engine import RunContext, ServingPolicies, StepResult
from simulator.experiment.local_engine import LocalEngine
from simulator.experiment.schedule import TrainingStep, day_steps
from simulator.experiment.setup import PRE, PreparedExperiment, prepare
from simulator.runs.checkpoint import Checkpoint, StoredFile
from simulator.runs.folder import RunFolder
from simulator.spec.experiment import ArmSpec, ExperimentSpec
from user_models.world.store import load_world
from user_models.world.world import World


def env_rate(env: FeedEnv, seconds: float) -> float:
    """Measure steps per second of wall time."""
    n_candidates = env.settings.n_candidates
    scores = np.random.default_rng(_SEED).uniform(-1, 1, (256, n_candidates)).astype(np.float32)
    env.reset(seed=_SEED)
    env.step(scores[0])  # compiles
    env.reset(seed=_SEED)
    n_steps, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        _, _, terminated, truncated, _ = env.step(scores[n_steps % len(scores)])
        if terminated or truncated:
            env.reset()
        n_steps += 1
    return n_steps / spent


def vector_rate(world: World, num_envs: int, seconds: float) -> float:
    """Measure views per second of wall time in `num_envs` environments at once."""
    envs = FeedVectorEnv(num_envs, world=world)
    scores = np.random.default_rng(_SEED).uniform(-1, 1, envs.action_space.shape or ()).astype(np.float32)
    envs.reset(seed=_SEED)
    envs.step(scores)  # compiles
    views, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        info = envs.step(scores)[4]
        views += int(info["viewed"].sum()) if "viewed" in info else 0
    return views / spent


Out = TypeVar("Out")

_USUAL: Final = ("random", "popular", "base", "saqrec")
_SEED: Final = 0
_SLATE_SIZE: Final = 6
_TRAINING_USERS: Final = 2_000
"""Users whose views of one random day train a policy; its speed does not depend on its quality."""
_FEWEST_USERS: Final = 2
_ENV_SECONDS: Final = 2.0
_NUM_ENVS: Final = (256, 1_024, 4_096)
_READOUT_USERS: Final = 20_000
_SMALL_RUN: Final = GrowthRun(users=1_000)
_GROWTH: Final = GrowthRun(workers=os.cpu_count() or 1)
_GROWN_USERS: Final = (10_000, 100_000, 1_000_000)


@final
class BenchError(ValueError):
    """The benchmark cannot be run; the message names the given and the expected value."""


@final
@dataclass(frozen=True)
class BenchRow:
    """One measurement.

    Attributes:
        name: Name of the measurement.
        value: Value in `unit`.
        unit: Unit, such as `impressions/s`.
        machine: Number of processors and their model.
    """

    name: str
    value: float
    unit: str
    machine: str


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


def usual_policies() -> tuple[str, ...]:
    """Return the policies that are timed by default."""
    return tuple(name for name in _USUAL if name in POLICIES)


def run_bench(policies: tuple[str, ...], users: int, world: str | World = "kuairand-pure") -> list[BenchRow]:
    """Run all measurements; takes about ten seconds per policy.

    Args:
        policies: Names as in a spec, or none for the usual ones; trainable ones are trained on a small log.
        users: Users of the timed day; with fewer than a block or two per processor, processors are idle.
        world: A bundled world's name, a folder, or a world.

    Raises:
        BenchError: A policy is unknown, or there are too few users.
    """
    if users < _FEWEST_USERS:
        raise BenchError(f"users: {users} given, want {_FEWEST_USERS} or more")
    torch.set_num_threads(1)
    loaded = load_world(world) if isinstance(world, str) else world
    machine = describe_machine()
    rows = [
        BenchRow(f"rollout, {name}", rate, "impressions/s", machine)
        for name, rate in rollout_rates(policies or usual_policies(), users, loaded)
    ]
    rows.append(BenchRow("environment", env_rate(FeedEnv(loaded), _ENV_SECONDS), "steps/s", machine))
    for num_envs in _NUM_ENVS:
        rate = vector_rate(loaded, num_envs, _ENV_SECONDS)
        rows.append(BenchRow(f"{num_envs:,} environments at once", rate, "impressions/s", machine))
    rows.append(BenchRow(f"report of {_READOUT_USERS:,} users", readout_rate(_READOUT_USERS), "user-days/s", machine))
    rows.append(BenchRow("peak memory", peak_memory_mib(), "MiB", machine))
    rows.append(BenchRow("askew --help", startup_s(), "s", machine))
    rows.append(BenchRow(_SMALL_RUN.name, run_trial(_SMALL_RUN, "kuairand-pure").seconds, "s", machine))
    return rows


def run_growth(base: GrowthRun = _GROWTH, users: tuple[int, ...] = _GROWN_USERS) -> list[BenchRow]:
    """Measure whole runs, from the shell to the report: a base, and variants with more users, days, arms or workers.

    Args:
        base: The base run.
        users: Numbers of users to run it with; numbers that do not fit into memory are left out.
    """
    machine = describe_machine()
    rows: list[BenchRow] = []
    for cost in run_trials(trials(base, users), "kuairand-pure"):
        name = cost.trial.name
        rows.append(BenchRow(name, cost.seconds, "s", machine))
        rows.append(BenchRow(name, 1e6 * cost.seconds / cost.trial.user_days, "µs/user-day", machine))
        rows.append(BenchRow(name, cost.peak_mib, "MiB", machine))
    return rows


def bench_table(rows: list[BenchRow]) -> Table:
    """Make a table of the measurements for a terminal."""
    table = Table(title=Text(rows[0].machine) if rows else None)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for row in rows:
        table.add_row(Text(row.name), f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.3g}", row.unit)
    return table


def bench_json(rows: list[BenchRow]) -> str:
    """Encode the measurements as JSON: a list of {name, value, unit, machine}."""
    return json.dumps([asdict(row) for row in rows], indent=1)


def rollout_rate(context: RunContext, logs: tuple[StoredFile, ...]) -> float:
    """Measure views per second of wall time in a day of all users, writing of user-days included.

    Args:
        context: Run context with the initial users, which are not changed; the pre-period's policy is timed.
        logs: Training logs of that policy.
    """
    with _engine(context) as engine:
        policies, answer_model = engine.train(TrainingStep("pre"), logs)
        serving = ServingPolicies(policies, answer_model)
        seconds, tables = _timed(lambda: _play_day(engine, context, serving, day=0).tables)
    return _views(context, tables) / seconds


def readout_rate(users: int) -> float:
    """Measure user-days per second of wall time from Parquet to report, of a made-up run."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        user_days = make_run_folder(folder, users, np.random.default_rng(_SEED))
        seconds, _ = _timed(lambda: summarise(folder))
    return user_days / seconds


def peak_memory_mib() -> float:
    """Peak memory of this process."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def startup_s() -> float:
    """Measure seconds from the shell to the end of `askew --help`; the best of three."""
    command = [sys.executable, "-c", "from simulator.cli import main; main()", "--help"]

    def start() -> object:
        return subprocess.run(command, capture_output=True, check=True)  # noqa: S603 # our own command line

    return min(_timed(start)[0] for _ in range(3))


def describe_machine() -> str:
    """Number of processors and their model, such as `2 x Xeon`."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{os.cpu_count() or 1} × {model}"


def rollout_rates(policies: tuple[str, ...], users: int, world: World) -> list[tuple[str, float]]:
    """Measure impressions per second under each policy.

    Raises:
        BenchError: A policy is unknown.
    """
    with TemporaryDirectory() as temporary:
        context = RunContext(_random_slates(users, world), BenchStore(RunFolder(Path(temporary))))
        logs = _random_log(context)  # also compiles
        return [(name, rollout_rate(_served_by(context, name), logs)) for name in policies]


def _random_slates(users: int, world: World) -> PreparedExperiment:
    """Prepare a test with the defaults of a spec, and random slates in the pre-period."""
    arms = tuple(ArmSpec(name=name, policy="random") for name in ("control", "treatment"))
    return prepare(
        ExperimentSpec(name="bench", users=users, training_users=_TRAINING_USERS, pre_policy="random", arms=arms), world
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


def _timed(work: Callable[[], Out]) -> tuple[float, Out]:
    """Return the wall time of a call in seconds, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result
