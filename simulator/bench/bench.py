"""How fast askew is on this machine: rollouts, environments, reading a run, memory, start-up, growth."""

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
from tempfile import TemporaryDirectory
from typing import Final, TypeVar, final

import numpy as np
import torch
from rich.table import Table
from rich.text import Text

from policies.base import Log, Policy, TrainablePolicy
from policies.registry import POLICIES, build_policy
from simulator.analysis.summarise import summarise
from simulator.bench.growth import GrowthRun, run_trial, run_trials, trials
from simulator.bench.made_up_run import make_run_folder
from simulator.bench.peers import PEERS, Peer, peer_rates
from simulator.environment.env import FeedEnv
from simulator.environment.vector_env import FeedVectorEnv
from simulator.rollout.answer_model import constant_model
from simulator.rollout.day import BlockDay, Engine, LoggingScope, Timeline, canonical, play_day
from simulator.rollout.population import Platform, Size, make_blocks, make_stage
from simulator.rollout.request import RolloutSettings
from simulator.rollout.user_day_table import Buckets, user_day_table
from simulator.runs.folder import RunFolder
from simulator.user_days import COUNTS
from user_models.world.store import load_world
from user_models.world.world import Population, World


def env_rate(env: FeedEnv, seconds: float) -> float:
    """Steps per second of wall time."""
    n_candidates = env.ground.n_candidates
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
    """Views per second of wall time in that many environments at once."""
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
_N_VIDEOS: Final = 7_583
_N_CANDIDATES: Final = 100
_SLATE_SIZE: Final = 6
_ROUNDS: Final = 3
_VIEWS_SCALE: Final = 0.1
_TRAINING_USERS: Final = 2_000
"""Views of one random day of these train a policy: its speed does not depend on how good it is."""
_ENV_SECONDS: Final = 2.0
_NUM_ENVS: Final = (256, 1_024, 4_096)
_READOUT_USERS: Final = 20_000
_SMALL_RUN: Final = GrowthRun(users=1_000)
_GROWTH: Final = GrowthRun(workers=os.cpu_count() or 1)
_GROWN_USERS: Final = (10_000, 100_000, 1_000_000)


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
class BenchSetup:
    """What the rollouts of a bench share."""

    stage: Platform
    people: Population
    engine: Engine

    @property
    def course(self) -> RolloutSettings:
        """As in a spec by default."""
        return RolloutSettings(self.stage, _SEED, _SLATE_SIZE, _N_CANDIDATES, constant_model())


def usual_policies() -> tuple[str, ...]:
    """Those that are timed where nobody says which."""
    return tuple(name for name in _USUAL if name in POLICIES)


def run_bench(policies: tuple[str, ...], users: int, world: str | World = "kuairand-pure") -> list[BenchRow]:
    """Measure everything, one thing after the other; takes some ten seconds per policy.

    Args:
        policies: Names as in a spec, or none for the usual ones; those that can be trained are, on a small log.
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
        BenchRow(f"rollout, {name}", rate, "impressions/s", machine)
        for name, rate in _rates(policies or usual_policies(), users, chosen)
    ]
    rows.append(BenchRow("environment", env_rate(FeedEnv(chosen), _ENV_SECONDS), "steps/s", machine))
    for num_envs in _NUM_ENVS:
        rate = vector_rate(chosen, num_envs, _ENV_SECONDS)
        rows.append(BenchRow(f"{num_envs:,} environments at once", rate, "impressions/s", machine))
    rows.append(BenchRow("report of user-days", readout_rate(_READOUT_USERS), "user-days/s", machine))
    rows.append(BenchRow("peak memory", peak_memory_mib(), "MiB", machine))
    rows.append(BenchRow("askew --help", startup_s(), "s", machine))
    rows.append(BenchRow(_SMALL_RUN.name, run_trial(_SMALL_RUN, "kuairand-pure").seconds, "s", machine))
    return rows


def run_growth(base: GrowthRun = _GROWTH, users: tuple[int, ...] = _GROWN_USERS) -> list[BenchRow]:
    """Measure whole runs, from the shell to the report: a base, and each thing that can grow, grown alone.

    Args:
        base: The run that grows.
        users: Numbers of users to run it with; those for whom memory has no room are left out.
    """
    machine = describe_machine()
    rows: list[BenchRow] = []
    for cost in run_trials(trials(base, users), "kuairand-pure"):
        name = cost.trial.name
        rows.append(BenchRow(name, cost.seconds, "s", machine))
        rows.append(BenchRow(name, 1e6 * cost.seconds / cost.trial.user_days, "µs/user-day", machine))
        rows.append(BenchRow(name, cost.peak_mib, "MiB", machine))
    return rows


def run_peers(cache: Path, users: int, peers: tuple[Peer, ...] = PEERS) -> list[BenchRow]:
    """Measure random slates here and in other simulators, one after the other.

    Args:
        cache: Folder that keeps the peers' environments.
        users: Users of the timed day here.
        peers: Whom to measure.
    """
    machine = describe_machine()
    world = load_world("kuairand-pure")
    ours = [("askew, rollout", rate) for _, rate in _rates(("random",), users, world)]
    env = FeedEnv(world)
    ours.append(("askew, environment, slates of 6", _SLATE_SIZE * env_rate(env, _ENV_SECONDS)))
    ours.append((f"askew, {_NUM_ENVS[-1]:,} environments at once", vector_rate(world, _NUM_ENVS[-1], _ENV_SECONDS)))
    rows = [BenchRow(f"random slates: {name}", rate, "impressions/s", machine) for name, rate in ours]
    for found in peer_rates(cache, peers):
        name = f"random slates: {found.peer.name}" + (f" ({found.fault})" if found.fault else "")
        rows.append(BenchRow(name, found.impressions_per_s, "impressions/s", machine))
    return rows


def bench_table(rows: list[BenchRow]) -> Table:
    """The measurements for a terminal."""
    table = Table(title=Text(rows[0].machine) if rows else None)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("unit")
    for row in rows:
        table.add_row(Text(row.name), f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.3g}", row.unit)
    return table


def bench_json(rows: list[BenchRow]) -> str:
    """The measurements for a program: a list of {name, value, unit, machine}."""
    return json.dumps([asdict(row) for row in rows], indent=1)


def rollout_rate(ground: BenchSetup, policy: Policy) -> float:
    """Views per second of wall time in a day of all users, until the last row of user-days is written."""
    with TemporaryDirectory() as temporary:
        seconds, days = _timed(lambda: _play_and_write(ground, policy, RunFolder(Path(temporary))))
    views = sum(int(day.totals.counts[:, COUNTS.index("views")].sum()) for day in days)
    return views / seconds


def readout_rate(users: int) -> float:
    """User-days per second of wall time from Parquet to report, of a made-up run."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        user_days = make_run_folder(folder, users, np.random.default_rng(_SEED))
        seconds, _ = _timed(lambda: summarise(folder))
    return user_days / seconds


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
        ground = BenchSetup(stage, people, engine)
        log = _random_log(ground)  # also compiles
        return [(name, rollout_rate(ground, _trained(name, log))) for name in policies]
    finally:
        engine.close()


def _random_log(ground: BenchSetup) -> Log:
    """What some users do on a day of random slates."""
    days = _play_all(ground, build_policy("random", {}), LoggingScope(log_users=_TRAINING_USERS))
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


def _play_and_write(ground: BenchSetup, policy: Policy, folder: RunFolder) -> list[BlockDay]:
    """A day of fresh users, and its rows block by block, as a run keeps them."""
    line = _line(ground, policy)
    days = play_day(ground.course, line, 0, _ROUNDS, LoggingScope(), ground.engine)
    nobody = np.zeros(len(ground.people.latents.appeal), np.int32)
    buckets = Buckets(("all",), nobody, ("all",), nobody)

    def write(index: int) -> None:
        part = Timeline(line.name, line.policies, line.served_by[index : index + 1], line.blocks[index : index + 1])
        table = user_day_table(part, days[index : index + 1], 0, ("all",), buckets)
        folder.put_table(f"user_days/bench-{index:04d}.parquet", table)

    ground.engine.map(write, range(len(days)))
    return days


def _play_all(ground: BenchSetup, policy: Policy, wanted: LoggingScope) -> list[BlockDay]:
    """A day of fresh users under one policy."""
    return play_day(ground.course, _line(ground, policy), 0, _ROUNDS, wanted, ground.engine)


def _line(ground: BenchSetup, policy: Policy) -> Timeline:
    """Fresh users under one policy."""
    blocks = make_blocks(ground.people, _ROUNDS, ground.stage.rules)
    return Timeline("bench", (policy,), [np.zeros(len(block.user_id), np.int32) for block in blocks], blocks)


def _timed(work: Callable[[], Out]) -> tuple[float, Out]:
    """Seconds of wall time that some work takes, and what it gives."""
    start = time.perf_counter()
    done = work()
    return time.perf_counter() - start, done
