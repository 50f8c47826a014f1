"""The simulated side: both regimes with a trace, reduced day by day, and a fortnight of `base` at full activity."""

from dataclasses import dataclass, field, replace
from functools import reduce
from operator import add
from typing import Final, final

import numpy as np
import pyarrow as pa

from simulator.errors import SpecError
from simulator.experiment.runner import Progress, prepare, run_experiment
from simulator.spec.experiment import ArmSpec, ExperimentSpec
from simulator.validation.grouped_counts import Tally, tally
from simulator.validation.policy_rates import DaySums, LineSums, regime_spec
from simulator.validation.views import PublicFeatures, ReservoirSample, faces_of, traced_views
from user_models.world.parameters import PRESETS
from user_models.world.world import World

TRACE: Final = 1.0
"""Share of users whose views are looked at one by one; at night even 20,000 users make only some hundred sessions."""
SAMPLE: Final = 120_000
"""Views under `base` that are kept for the two-sample test."""
FEWEST_USERS: Final = 100
"""With fewer, arms or classes of users may be empty."""
CROWDS: Final = 3
"""With enough users, so many draws of users, videos and training."""
FEWEST_IN_CROWD: Final = 3_000
"""With fewer users, a crowd's ranker would learn from much less than in larger tests."""
_APART: Final = 1_000_003
FORTNIGHT: Final = 14
"""Days of the published shares of hates and of the gaps between visits."""


@final
@dataclass(frozen=True)
class SimulationPlan:
    """Size of the simulation.

    Attributes:
        users: In both regimes.
        seed: Of every run.
        workers: Threads; nothing depends on it.
        videos: On offer.
    """

    users: int
    seed: int
    workers: int
    videos: int = 7_583

    def __post_init__(self) -> None:
        """Raise if the plan is too small to measure anything."""
        if self.users < FEWEST_USERS:
            raise SpecError(f"users: {self.users} given, want at least {FEWEST_USERS}")

    @property
    def crowds(self) -> int:
        """Crowds into which the users of both regimes are parted."""
        return CROWDS if self.users >= CROWDS * FEWEST_IN_CROWD else 1

    @property
    def few(self) -> int:
        """Users of the runs at full activity."""
        return min(1_500, self.users // 5)

    @property
    def some(self) -> int:
        """Users of the presets' runs: the ranker is to be as good as in both regimes."""
        return min(5_000, self.users // 3)


@final
@dataclass
class Reduction:
    """A sink that adds up user-days, tallies traces and keeps a sample of the views under `base`."""

    faces: PublicFeatures
    n_levels: int
    rng: np.random.Generator
    days: DaySums = field(default_factory=DaySums)
    tallies: dict[str, list[Tally]] = field(default_factory=dict[str, list[Tally]])
    sample: ReservoirSample | None = None

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Add a table's totals and keep a random sample of its rows."""
        self.days.write_parquet(name, table)
        if not name.startswith("trace/"):
            return
        views, regime = traced_views(table, self.faces), str(table["world"][0]).removeprefix("all:")
        self.tallies.setdefault(regime, []).append(tally(views, self.n_levels))
        if regime == "base":
            part = ReservoirSample.of(views, SAMPLE, self.rng)
            self.sample = part if self.sample is None else self.sample.merge(part, SAMPLE)

    def joined(self, other: "Reduction") -> "Reduction":
        """Both, their users side by side."""
        days = DaySums({name: line.joined(other.days.lines[name]) for name, line in self.days.lines.items()})
        tallies = {name: [*parts, *other.tallies[name]] for name, parts in self.tallies.items()}
        sample = (
            other.sample if self.sample is None or other.sample is None else self.sample.merge(other.sample, SAMPLE)
        )
        return Reduction(self.faces, self.n_levels, self.rng, days, tallies, sample)

    def tally_of(self, regime: str) -> Tally:
        """All of a regime's views."""
        return reduce(add, self.tallies[regime])


def simulate_regimes(world: World, plan: SimulationPlan, progress: Progress) -> Reduction:
    """Run `random` and `base` on the same users, in several crowds with videos and a ranker of their own.

    What a ranker reaches differs by some percent from one crowd and training to the next; figures are over all.
    """
    each = replace(plan, users=plan.users // plan.crowds)
    return reduce(Reduction.joined, [_crowd(world, each, number, progress) for number in range(plan.crowds)])


def _crowd(world: World, plan: SimulationPlan, number: int, progress: Progress) -> Reduction:
    """Both regimes on one crowd."""
    spec = regime_spec(plan.users, plan.seed + _APART * number)
    setting = prepare(spec.model_copy(update={"trace": TRACE, "videos": plan.videos}), world)
    sink = Reduction(faces_of(setting), len(world.columns[0].levels), np.random.default_rng(spec.seed))
    run_experiment(setting, sink, plan.workers, _with_prefix(progress, f"both regimes, crowd {number + 1}"))
    return sink


def simulate_fortnight(world: World, plan: SimulationPlan, progress: Progress) -> LineSums:
    """Fourteen days of `base` with every session and view of a real day, for some of the users."""
    spec = _base_spec(plan, plan.few, FORTNIGHT).model_copy(update={"views_scale": 1.0, "pre_days": 1})
    return _run(world, spec, plan.workers, _with_prefix(progress, "fortnight"))


def simulate_preset(world: World, preset: str, plan: SimulationPlan, progress: Progress) -> LineSums:
    """A few days of `base` under a preset of the questionnaire, at the activity that specs have by default."""
    spec = _base_spec(plan, plan.some, 5)
    return _run(world.with_values(PRESETS[preset]), spec, plan.workers, _with_prefix(progress, f"preset {preset}"))


def _base_spec(plan: SimulationPlan, users: int, days: int) -> ExperimentSpec:
    """Return a spec in which `base` serves all users."""
    return ExperimentSpec(
        name="base",
        seed=plan.seed + 1,
        users=users,
        videos=plan.videos,
        days=days,
        truth=False,
        arms=(ArmSpec(name="base", policy="base"), ArmSpec(name="again", policy="base")),
    )


def _run(world: World, spec: ExperimentSpec, workers: int, progress: Progress) -> LineSums:
    """The days of the test."""
    sums = DaySums()
    run_experiment(prepare(spec, world), sums, workers, progress)
    return sums.lines["mixed"]


def _with_prefix(progress: Progress, what: str) -> Progress:
    """Prefix one run's progress with the run's name."""

    def report(stage: str, done: int, total: int) -> None:
        progress(f"{what}: {stage}", done, total)

    return report
