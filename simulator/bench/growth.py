"""Growth of time and memory of a whole `askew run` with users, days, arms and workers."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, final

import tomli_w

from simulator.spec.experiment import ArmSpec, ExperimentSpec

_MEMORY_PER_USER: Final = 8_192
"""Memory per user of two arms, in bytes; runs that would not fit into memory are left out."""
_VIEWS_SCALE: Final = 0.05


@final
@dataclass(frozen=True)
class GrowthRun:
    """Settings of a run to measure.

    Attributes:
        users: Users of the test.
        days: Days of the test.
        arms: Number of arms of `popular`; each is also run with all users, for the truth.
        workers: Threads.
    """

    users: int = 10_000
    days: int = 2
    arms: int = 2
    workers: int = 2

    @property
    def name(self) -> str:
        """Name in a table.

        >>> GrowthRun().name
        'run of 10,000 users, 2 days, 2 arms, 2 workers'
        """
        return f"run of {self.users:,} users, {self.days} days, {self.arms} arms, {self.workers} workers"

    @property
    def user_days(self) -> int:
        """Simulated user-days: launch and pre-period once, the test once per arm, and mixed."""
        return self.users * (2 + self.days * (self.arms + 1))


@final
@dataclass(frozen=True)
class Cost:
    """Time and memory of a whole run."""

    trial: GrowthRun
    seconds: float
    peak_mib: float


def trials(base: GrowthRun, users: tuple[int, ...]) -> list[GrowthRun]:
    """List the base and its variants; numbers of users that do not fit into memory are left out."""
    free_bytes = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    by_users = [replace(base, users=n) for n in users if n == base.users or n * _MEMORY_PER_USER < free_bytes]
    grown_runs = [replace(base, days=2 * base.days), replace(base, arms=2 * base.arms), replace(base, workers=1)]
    return list(dict.fromkeys([base, *by_users, *grown_runs]))


def run_trials(runs: list[GrowthRun], world: str) -> Iterator[Cost]:
    """Run one after the other, each in its own process and folder."""
    for trial in runs:
        yield run_trial(trial, world)


def run_trial(trial: GrowthRun, world: str) -> Cost:
    """Measure the time and peak memory of `askew run`.

    Raises:
        CalledProcessError: The run failed.
    """
    with TemporaryDirectory() as temporary:
        spec = Path(temporary) / "spec.toml"
        spec.write_text(tomli_w.dumps(_spec(trial, world).model_dump(mode="json")), encoding="utf-8")
        arguments = ["run", str(spec), "--out", str(Path(temporary) / "run"), "--workers", str(trial.workers), "--json"]
        command = [sys.executable, "-c", "from simulator.cli import main; main()", *arguments]
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 # our own
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    return Cost(trial, seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**20)


def _spec(trial: GrowthRun, world: str) -> ExperimentSpec:
    """Make the spec of a test of equal arms."""
    arms = tuple(ArmSpec(name=f"arm {index}", policy="popular") for index in range(trial.arms))
    return ExperimentSpec(
        name="bench",
        world=world,
        users=trial.users,
        days=trial.days,
        pre_days=1,
        launch_days=1,
        views_scale=_VIEWS_SCALE,
        training_users=2_000,
        arms=arms,
    )
