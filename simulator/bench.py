"""How fast askew is on this machine: rollouts, the environment, memory, start-up."""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeVar, final

import numpy as np
import torch
from rich.table import Table

from policies.base import Log, Policy, TrainablePolicy
from policies.registry import build_policy
from simulator.crowd import Size, Stage, make_blocks, make_stage
from simulator.env import FeedEnv
from simulator.line import BlockDay, Engine, Line, Wanted, canonical, play_day
from simulator.propensity import constant_model
from simulator.rollout import Course
from simulator.user_days import COUNTS
from user_models.store import load_world
from user_models.world import Population, World

Out = TypeVar("Out")

_SEED: Final = 0
_N_VIDEOS: Final = 7_583
_N_CANDIDATES: Final = 100
_SLATE_SIZE: Final = 6
_ROUNDS: Final = 3
_VIEWS_SCALE: Final = 0.1
_TRAINING_USERS: Final = 2_000
"""Views of one random day of these train a policy: its speed does not depend on how good it is."""
_ENV_SECONDS: Final = 2.0


@final
class BenchError(ValueError):
    """A bench that cannot be run: says what was given and what was wanted."""


@final
@dataclass(frozen=True)
class BenchRow:
    """One measurement.

    Attributes:
        name: What was measured.
        value: In `unit`.
        unit: Such as `impressions/s`.
        machine: Number of processors and their model.
    """

    name: str
    value: float
    unit: str
    machine: str


@final
@dataclass(frozen=True)
class Ground:
    """What the rollouts of a bench share."""

    stage: Stage
    people: Population
    engine: Engine

    @property
    def course(self) -> Course:
        """As in a spec by default."""
        return Course(self.stage, _SEED, _SLATE_SIZE, _N_CANDIDATES, constant_model())


def run_bench(policies: tuple[str, ...], users: int, world: str | World = "kuairand-pure") -> list[BenchRow]:
    """Measure everything, one thing after the other; takes some ten seconds per policy.

    Args:
        policies: Names as in a spec; those that can be trained are, on a small log.
        users: Users of the timed day; fewer than a block or two per processor leave processors idle.
        world: A bundled world's name, a folder, or a world.

    Raises:
        BenchError: An unknown policy, or no user.
    """
    if users < 1:
        raise BenchError(f"users: {users} given, want 1 or more")
    torch.set_num_threads(1)
    chosen = load_world(world) if isinstance(world, str) else world
    machine = describe_machine()
    rows = [
        BenchRow(f"rollout, {name}", rate, "impressions/s", machine) for name, rate in _rates(policies, users, chosen)
    ]
    rows.append(BenchRow("environment", env_rate(FeedEnv(chosen), _ENV_SECONDS), "steps/s", machine))
    rows.append(BenchRow("peak memory", peak_memory_mib(), "MiB", machine))
    rows.append(BenchRow("askew --help", startup_s(), "s", machine))
    return rows


def bench_table(rows: list[BenchRow]) -> Table:
    """The measurements for a terminal."""
    table = Table(title=rows[0].machine if rows else None)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for row in rows:
        table.add_row(row.name, f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.3g}", row.unit)
    return table


def bench_json(rows: list[BenchRow]) -> str:
    """The measurements for a program: a list of {name, value, unit, machine}."""
    return json.dumps([asdict(row) for row in rows], indent=1)


def rollout_rate(ground: Ground, policy: Policy) -> float:
    """Views per second of wall time in a day of all users, with their totals; nothing is logged or written."""
    seconds, days = _timed(lambda: _play_all(ground, policy, Wanted()))
    views = sum(int(day.totals.counts[:, COUNTS.index("views")].sum()) for day in days)
    return views / seconds


def env_rate(env: FeedEnv, seconds: float) -> float:
    """Steps per second of wall time with random scores, resets included."""
    scores = np.random.default_rng(_SEED).uniform(-1, 1, (256, _N_CANDIDATES)).astype(np.float32)
    env.reset(seed=_SEED)
    env.step(scores[0])  # compiles
    env.reset(seed=_SEED)
    n_steps, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        _, _, terminated, _, _ = env.step(scores[n_steps % len(scores)])
        if terminated:
            env.reset()
        n_steps += 1
    return n_steps / spent


def peak_memory_mib() -> float:
    """The most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def startup_s() -> float:
    """Seconds from the shell to the end of `askew --help`; the best of three."""
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


def _rates(policies: tuple[str, ...], users: int, world: World) -> list[tuple[str, float]]:
    """Impressions per second under each policy."""
    stage, people = make_stage(world, Size(users, _N_VIDEOS, _VIEWS_SCALE), _SEED)
    engine = Engine(os.cpu_count() or 1)
    try:
        ground = Ground(stage, people, engine)
        log = _random_log(ground)  # also compiles
        return [(name, rollout_rate(ground, _trained(name, log))) for name in policies]
    finally:
        engine.close()


def _random_log(ground: Ground) -> Log:
    """What some users do on a day of random slates."""
    days = _play_all(ground, build_policy("random", {}), Wanted(log_users=_TRAINING_USERS))
    feedback = canonical([part for day in days for part in day.log])
    return Log(feedback, ground.stage.user_table, ground.stage.video_table)


def _trained(name: str, log: Log) -> Policy:
    """A policy ready to rank."""
    try:
        policy = build_policy(name, {})
    except ValueError as error:
        raise BenchError(f"policies: {error}") from None
    if isinstance(policy, TrainablePolicy):
        policy.fit(log, _SEED)
    return policy


def _play_all(ground: Ground, policy: Policy, wanted: Wanted) -> list[BlockDay]:
    """A day of fresh users under one policy."""
    blocks = make_blocks(ground.people, _ROUNDS, ground.stage.rules)
    served_by = [np.zeros(len(block.user_id), np.int32) for block in blocks]
    return play_day(ground.course, Line("bench", (policy,), served_by, blocks), 0, _ROUNDS, wanted, ground.engine)


def _timed(work: Callable[[], Out]) -> tuple[float, Out]:
    """Seconds of wall time that some work takes, and what it gives."""
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done
