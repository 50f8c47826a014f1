"""Progress bars on stderr, one per stage of a long piece of work; of a run also one for all of it, with time left."""

import itertools
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text
from typing_extensions import override

from simulator.experiment.runner import Progress as Show
from simulator.spec.experiment import ExperimentSpec

TRAINING: Final = "training"


@final
@dataclass
class TimeLeft:
    """Estimate the time that a run still takes, from the time that its steps took so far.

    Attributes:
        work: Units of work per stage: simulated days of all timelines, or trainings. Other stages take no time.
        clock: Tells seconds.
    """

    work: Mapping[str, float]
    clock: Callable[[], float] = monotonic
    _stage: str = ""
    _since: float = 0.0
    _first: dict[str, float] = field(default_factory=dict[str, float])
    _share: dict[str, float] = field(default_factory=dict[str, float])
    _step: dict[str, float] = field(default_factory=dict[str, float])
    _seconds: dict[str, float] = field(default_factory=dict[str, float])

    def begin(self, stage: str, done: int, total: int) -> None:
        """Note that a step begins, after `done` of the `total` ones of its stage; the step before it has ended."""
        now = self.clock()
        if self._stage:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
            self._share[self._stage] += self._step[self._stage]
        if not self._first and (done or stage == list(self.work)[-1]):  # resumed: stages before this one are over
            earlier = itertools.takewhile(lambda other: other != stage, self.work)
            self._share = dict.fromkeys(earlier, 1.0)
        self._stage, self._since = stage, now
        share = self._share_of(stage, done, total)
        self._first.setdefault(stage, share)
        self._share[stage], self._step[stage] = share, self._share_of(stage, done + 1, total) - share

    def _share_of(self, stage: str, done: int, total: int) -> float:
        """Share of a stage's work in its first steps; the last training step has all that is left."""
        return done / self.work[stage] if stage == TRAINING and done < total else done / total

    def seconds(self) -> float | None:
        """Compute the seconds left; None before the first step has ended."""
        costs = self._costs()
        if costs is None:
            return None
        seconds_left = sum(costs[stage] * (1 - self._share.get(stage, 0.0)) for stage in self.work)
        step = costs.get(self._stage, 0.0) * self._step[self._stage]
        return max(0.0, seconds_left - min(step, self.clock() - self._since))

    def share(self) -> float:
        """Compute the share of the run's time that is over, between 0 and 1."""
        seconds_left, costs = self.seconds(), self._costs()
        total_seconds = sum(costs.values()) if costs else 0.0
        return 1 - seconds_left / total_seconds if seconds_left is not None and total_seconds > 0 else 0.0

    def _costs(self) -> dict[str, float] | None:
        """Seconds of each whole stage."""
        shares = {stage: self._share[stage] - first for stage, first in self._first.items() if stage in self.work}
        work_done = {stage: self.work[stage] * share for stage, share in shares.items()}
        simulated = {stage: days for stage, days in work_done.items() if stage != TRAINING and days > 0}
        if not simulated:
            return None
        seconds_per_day = sum(self._seconds[stage] for stage in simulated) / sum(simulated.values())
        costs = {stage: seconds_per_day * days for stage, days in self.work.items() if stage != TRAINING}
        n_trainings = work_done.get(TRAINING, 0.0)
        untimed = next(iter(costs.values()))  # a guess: as long as the simulation before the test
        seconds_per_training = self._seconds[TRAINING] / n_trainings if n_trainings else untimed
        return {**costs, TRAINING: seconds_per_training * self.work[TRAINING]}


def work_of(spec: ExperimentSpec) -> dict[str, float]:
    """Count the work of a run's stages, for `TimeLeft`."""
    n = len(spec.arms)
    before, test = spec.launch_days + spec.pre_days, spec.days * (n if spec.truth else 1)
    return {"before the test": before, TRAINING: 1 + n, "the test": test}


@final
class _LeftColumn(ProgressColumn):
    """Time left of the whole run, or of a stage by its mean step."""

    @override
    def render(self, task: Task) -> RenderableType:
        """Render it; empty where it is not known."""
        seconds = task.fields.get("left", task.time_remaining)
        return Text("" if seconds is None or task.finished else f"about {in_time(seconds)} left")


@final
class _Bars(Progress):
    """Bars of the stages so far and, for a run, one of all of it that moves while a step lasts."""

    def __init__(self, left: TimeLeft | None) -> None:
        self._left = left
        self._by_stage: dict[str, TaskID] = {}
        self._stage = ""
        self._whole: TaskID | None = None
        columns = (
            TextColumn("{task.description:<18}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            _LeftColumn(),
        )
        super().__init__(*columns, console=Console(stderr=True))

    def show(self, stage: str, done: int, total: int) -> None:
        """Move the bar of a stage; the step before it has ended."""
        if self._left is not None:
            self._left.begin(stage, done, total)
            if self._whole is None:
                self._whole = self.add_task("all of it", total=1.0, left=None)
        if self._stage not in ("", stage):
            earlier_task = self._by_stage[self._stage]
            self.advance(earlier_task)
        if stage not in self._by_stage:
            self._by_stage[stage] = self.add_task(stage, total=total)
        self.update(self._by_stage[stage], completed=done, total=total)
        self._stage = stage

    def finish(self) -> None:
        """Fill the bars of what has ended without an error."""
        for task in self.tasks:
            self.update(task.id, completed=task.total)

    @override
    def get_renderables(self) -> Iterable[RenderableType]:
        """Render the bars as they stand now."""
        if self._left is not None and self._whole is not None and not self.tasks[0].finished:
            self.update(self._whole, completed=self._left.share(), left=self._left.seconds())
        return super().get_renderables()


def in_time(seconds: float) -> str:
    """Write a span of time.

    >>> in_time(5), in_time(125), in_time(7300)
    ('5 s', '2:05 min', '2:01 h')
    """
    n_seconds = round(seconds)
    if n_seconds < 60:
        return f"{n_seconds} s"
    larger_unit, smaller_unit, unit = (
        (*divmod(n_seconds, 60), "min") if n_seconds < 3600 else (*divmod(n_seconds // 60, 60), "h")
    )
    return f"{larger_unit}:{smaller_unit:02d} {unit}"


@contextmanager
def progress_bars(spec: ExperimentSpec | None = None) -> Generator[Show]:
    """Give a function to call with (stage, done, total) at the beginning of each step.

    Args:
        spec: Of a run; adds a bar of all of it, with the time left.
    """
    with _Bars(None if spec is None else TimeLeft(work_of(spec))) as bars:
        yield bars.show
        bars.finish()
