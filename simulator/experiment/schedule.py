"""An experiment as a sequence of steps, each of which ends in a checkpoint.

The days are: random slates (`launch_days`), on which the pre-period's policy is trained; the pre-period, in which that
policy serves all users; then each arm's policy is trained on both logs, and day 0 begins. A timeline whose policies
learn during the test is simulated by round, every other one by day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, final

from policies.base import LearningPolicy
from simulator.experiment.setup import PRE, PreparedExperiment


@final
@dataclass(frozen=True)
class SimulationStep:
    """Some rounds of one day of one timeline.

    Attributes:
        timeline: `pre`, `all:<arm>` or `mixed`.
        label: Label in file names: `pre`, `world0` and so on.
        day: Day of the test; negative before it.
        rounds: Consecutive rounds of that day.
        launch: Whether slates are random.
        learns: Whether its policies learn from these rounds.
        n_rounds: Rounds in a day.
    """

    timeline: str
    label: str
    day: int
    rounds: tuple[int, ...]
    launch: bool
    learns: bool
    n_rounds: int

    @property
    def ends_day(self) -> bool:
        """Whether the step is the last of its day."""
        return self.rounds[-1] == self.n_rounds - 1

    @property
    def name(self) -> str:
        """Name of this day of this timeline in file names."""
        return f"{self.label}-{self.day + 1000 if self.timeline == PRE else self.day:04d}"


@final
@dataclass(frozen=True)
class TrainingStep:
    """Step that fits policies on the pre-period's logs, or on those of all arms at the start of the test."""

    who: Literal["pre", "arms"]


Step: TypeAlias = SimulationStep | TrainingStep


def plan_steps(setting: PreparedExperiment) -> tuple[Step, ...]:
    """All steps of an experiment, in order."""
    spec = setting.spec
    first = -spec.pre_days - spec.launch_days
    launch = [step for day in range(first, -spec.pre_days) for step in day_steps(setting, PRE, PRE, day, launch=True)]
    pre = [step for day in range(-spec.pre_days, 0) for step in day_steps(setting, PRE, PRE, day)]
    test = [
        step
        for day in range(spec.days)
        for index, timeline in enumerate(setting.timelines)
        for step in day_steps(setting, timeline, f"world{index}", day)
    ]
    return (*launch, TrainingStep("pre"), *pre, TrainingStep("arms"), *test)


def day_steps(
    setting: PreparedExperiment, timeline: str, label: str, day: int, launch: bool = False
) -> list[SimulationStep]:
    """Steps of one day of a timeline."""
    n = setting.spec.rounds_per_day
    learns = not launch and any(isinstance(policy, LearningPolicy) for policy in setting.built(timeline))
    rounds = [(r,) for r in range(n)] if learns else [tuple(range(n))]
    return [SimulationStep(timeline, label, day, step_rounds, launch, learns, n) for step_rounds in rounds]


def days_played(steps: Sequence[Step], index: int) -> int:
    """Days of the test that are over in every timeline after this step; 0 if it does not end a day."""
    step, next_steps = steps[index], steps[index + 1 : index + 2]
    if not isinstance(step, SimulationStep) or step.day < 0:
        return 0
    day_goes_on = any(isinstance(next_step, SimulationStep) and next_step.day == step.day for next_step in next_steps)
    return 0 if day_goes_on else step.day + 1
