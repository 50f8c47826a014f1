"""Benchmarks on this machine: rollouts, environments, reading a run, memory, start-up, growth."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

import numpy as np
import torch
from rich.table import Table
from rich.text import Text

from policies.registry import POLICIES
from simulator.analysis.summarise import summarise
from simulator.bench.growth import GrowthRun, run_trial, run_trials, trials
from simulator.bench.made_up_run import make_run_folder
from simulator.bench.policy_speeds import BenchError, policy_speeds, timed
from simulator.environment.env import FeedEnv
from simulator.environment.vector_env import FeedVectorEnv
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


_USUAL: Final = ("random", "popular", "base", "easq", "inf", "saqrec", "sasrec", "gru4rec")
_SEED: Final = 0
_FEWEST_USERS: Final = 2
_ENV_SECONDS: Final = 2.0
_NUM_ENVS: Final = (256, 1_024, 4_096)
_READOUT_USERS: Final = 20_000
_SMALL_RUN: Final = GrowthRun(users=1_000)
_GROWTH: Final = GrowthRun(workers=os.cpu_count() or 1)
_GROWN_USERS: Final = (10_000, 100_000, 1_000_000)


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


def usual_policies() -> tuple[str, ...]:
    """Return the policies that are timed by default."""
    return tuple(name for name in _USUAL if name in POLICIES)


def run_bench(policies: tuple[str, ...], users: int, world: str | World = "kuairand-pure") -> list[BenchRow]:
    """Run all measurements; takes about ten seconds per policy, and the time of its fit.

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
    speeds = policy_speeds(policies or usual_policies(), users, loaded)
    rows = [BenchRow(f"rollout, {speed.policy}", speed.views_per_s, "impressions/s", machine) for speed in speeds]
    rows += [
        BenchRow(f"fit on {speed.training_views:,} views, {speed.policy}", speed.fit_s, "s", machine)
        for speed in speeds
        if speed.fit_s is not None
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


def readout_rate(users: int) -> float:
    """Measure user-days per second of wall time from Parquet to report, of a made-up run."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        user_days = make_run_folder(folder, users, np.random.default_rng(_SEED))
        seconds, _ = timed(lambda: summarise(folder))
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

    return min(timed(start)[0] for _ in range(3))


def describe_machine() -> str:
    """Number of processors and their model, such as `2 x Xeon`."""
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{os.cpu_count() or 1} × {model}"
