"""Simulated side of the validation: both logging policies with a trace, and a fortnight of `base` at full activity."""

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
from simulator.validation.policy_rates import DaySums, TimelineSums, regime_spec
from simulator.validation.views import PublicFeatures, ReservoirSample, public_features, traced_views
from user_models.world.parameters import PRESETS
from user_models.world.world import World

TRACE: Final = 1.0
"""Share of traced users: at night even 20,000 users have only some hundred sessions."""
SAMPLE: Final = 120_000
"""Number of views under `base` for the two-sample test."""
FEWEST_USERS: Final = 100
"""Smallest number of users; with fewer, arms or classes of users may be empty."""
CROWDS: Final = 3
"""Number of draws of users, videos and training, with enough users."""
FEWEST_IN_CROWD: Final = 3_000
"""Smallest number of users per draw; with fewer, the ranker would learn from much less than in larger tests."""
_APART: Final = 1_000_003
FORTNIGHT: Final = 14
"""Days of the published shares of hates and of the gaps between visits."""


@final
@dataclass(frozen=True)
class SimulationPlan:
    """Size of the simulation.

    Attributes:
        users: Users under both logging policies.
        seed: Seed of every run.
        workers: Number of threads; results do not depend on it.
        videos: Videos on offer.
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
        """Number of draws that the users are divided into."""
        return CROWDS if self.users >= CROWDS * FEWEST_IN_CROWD else 1

    @property
    def full_activity_users(self) -> int:
        """Users of the runs at full activity."""
        return min(1_500, self.users // 5)

    @property
    def preset_users(self) -> int:
        """Users of the presets' runs: enough for a ranker as good as in the other runs."""
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
            sample = ReservoirSample.of(views, SAMPLE, self.rng)
            self.sample = sample if self.sample is None else self.sample.merge(sample, SAMPLE)

    def joined(self, other: "Reduction") -> "Reduction":
        """Join the results of other users."""
        days = DaySums(
            {name: timeline.joined(other.days.timelines[name]) for name, timeline in self.days.timelines.items()}
        )
        tallies = {name: [*tallies_here, *other.tallies[name]] for name, tallies_here in self.tallies.items()}
        sample = (
            other.sample if self.sample is None or other.sample is None else self.sample.merge(other.sample, SAMPLE)
        )
        return Reduction(self.faces, self.n_levels, self.rng, days, tallies, sample)

    def tally_of(self, regime: str) -> Tally:
        """Counts of all views under a logging policy."""
        return reduce(add, self.tallies[regime])


def simulate_regimes(world: World, plan: SimulationPlan, progress: Progress) -> Reduction:
    """Run `random` and `base` on the same users, in several draws, each with its own videos and ranker.

    Rates under a ranker differ by some percent between draws and trainings; figures are over all draws.
    """
    crowd_plan = replace(plan, users=plan.users // plan.crowds)
    return reduce(Reduction.joined, [_crowd(world, crowd_plan, number, progress) for number in range(plan.crowds)])


def _crowd(world: World, plan: SimulationPlan, number: int, progress: Progress) -> Reduction:
    """Run both logging policies on one draw of users."""
    spec = regime_spec(plan.users, plan.seed + _APART * number)
    setting = prepare(spec.model_copy(update={"trace": TRACE, "videos": plan.videos}), world)
    sink = Reduction(public_features(setting), len(world.columns[0].levels), np.random.default_rng(spec.seed))
    run_experiment(setting, sink, plan.workers, _with_prefix(progress, f"both regimes, crowd {number + 1}"))
    return sink


def simulate_fortnight(world: World, plan: SimulationPlan, progress: Progress) -> TimelineSums:
    """Simulate fourteen days of `base` at full activity, for a part of the users."""
    spec = _base_spec(plan, plan.full_activity_users, FORTNIGHT).model_copy(update={"views_scale": 1.0, "pre_days": 1})
    return _run(world, spec, plan.workers, _with_prefix(progress, "fortnight"))


def simulate_preset(world: World, preset: str, plan: SimulationPlan, progress: Progress) -> TimelineSums:
    """Simulate a few days of `base` under a preset of the questionnaire, at a spec's default activity."""
    spec = _base_spec(plan, plan.preset_users, 5)
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


def _run(world: World, spec: ExperimentSpec, workers: int, progress: Progress) -> TimelineSums:
    """Run a spec and return the sums over the days of the test."""
    sums = DaySums()
    run_experiment(prepare(spec, world), sums, workers, progress)
    return sums.timelines["mixed"]


def _with_prefix(progress: Progress, prefix: str) -> Progress:
    """Prefix one run's progress with the run's name."""

    def report(stage: str, done: int, total: int) -> None:
        progress(f"{prefix}: {stage}", done, total)

    return report
