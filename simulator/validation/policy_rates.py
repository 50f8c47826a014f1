"""Rates of one world under two logging policies: random slates and the production-like ranker.

KuaiRand-Pure's users click 45.1% of what the production ranker shows them and 17.6% of random videos. A world is
faithful when the same users give both figures of its targets.
"""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, final

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float64

from simulator.experiment.runner import Progress, prepare, run_experiment
from simulator.spec.experiment import ArmSpec, ExperimentSpec
from simulator.user_days import COUNTS, STRONG_COUNTS
from user_models.targets import Targets
from user_models.world.world import World

RATES: Final = {
    "click": "clicks",
    "long_view": "long_views",
    "complete": "completes",
    "like": "likes",
    "follow": "follows",
    "comment": "comments",
    "forward": "forwards",
    "hate": "hates",
    "profile_enter": "profile_enters",
    "watch_s": "watch_s",
}
"""Figures per view, and the column of user-days that each sums."""
COLUMNS: Final = (*(name for name in COUNTS if name not in STRONG_COUNTS), "watch_s")
"""Columns of user-days that are added up."""


@final
@dataclass(frozen=True)
class RegimeRow:
    """One figure per view under one regime.

    Attributes:
        regime: `random` or `base`.
        figure: A rate, or `watch_s` in seconds.
        simulated: Value in this world.
        real: The world's target; that of `base` is the figure of the log's own ranker.
    """

    regime: str
    figure: str
    simulated: float
    real: float

    @property
    def ratio(self) -> float:
        """Simulated over real."""
        return self.simulated / self.real


@final
@dataclass
class TimelineSums:
    """Sums over all users and days of one timeline.

    Attributes:
        by_user: Sums of the columns in `COLUMNS`, per user.
        active: Whether each user came, per day.
    """

    by_user: Float64[np.ndarray, "users columns"]
    active: list[Bool[np.ndarray, " users"]] = field(default_factory=list[Bool[np.ndarray, " users"]])

    def of_users(self, column: str) -> Float64[np.ndarray, " users"]:
        """Sum of one column per user."""
        return self.by_user[:, COLUMNS.index(column)]

    def total(self, column: str) -> float:
        """Sum one column over all users."""
        return float(self.of_users(column).sum())

    def per(self, column: str, denominator: str) -> float:
        """Total of one column over that of another; NaN if that is 0."""
        return self.total(column) / self.total(denominator) if self.total(denominator) else float("nan")

    def joined(self, other: "TimelineSums") -> "TimelineSums":
        """Append the sums of other users, day by day."""
        pairs = zip(self.active, other.active, strict=True)
        return TimelineSums(np.concatenate([self.by_user, other.by_user]), [np.concatenate(pair) for pair in pairs])

    @property
    def came_again(self) -> float:
        """Share of active days whose next day is active too."""
        pairs = list(pairwise(self.active))
        return float(sum((a & b).sum() for a, b in pairs) / max(1, sum(a.sum() for a, _ in pairs)))


@final
@dataclass
class DaySums:
    """A sink that adds up user-days by timeline."""

    timelines: dict[str, TimelineSums] = field(default_factory=dict[str, TimelineSums])

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Add a day's totals to those of its timeline; traces are ignored."""
        if not name.startswith("user_days/"):
            return
        totals = np.stack([np.asarray(table[column]).astype(np.float64) for column in COLUMNS], axis=1)
        timeline = self.timelines.setdefault(str(table["world"][0]), TimelineSums(np.zeros_like(totals)))
        timeline.by_user += totals
        timeline.active.append(np.asarray(table["active"]))


@final
@dataclass(frozen=True)
class Regimes:
    """Rates under both logging policies.

    Attributes:
        rows: Rates by policy.
        views_per_user_day: Views per assigned user and day under `base` in the pre-period, at full scale.
        return_share: Share of active days whose next day is active too, under `base` in the pre-period.
    """

    rows: list[RegimeRow]
    views_per_user_day: float
    return_share: float


def regime_spec(users: int, seed: int) -> ExperimentSpec:
    """Make the spec of a test of `random` against `base` on the whole catalogue."""
    arms = (ArmSpec(name="random", policy="random"), ArmSpec(name="base", policy="base"))
    return ExperimentSpec(name="regimes", seed=seed, users=users, days=2, arms=arms)


def measure_regimes(world: World, spec: ExperimentSpec, workers: int, progress: Progress) -> Regimes:
    """Run a spec made by `regime_spec` in a world, and compare its figures with the real ones."""
    sums = DaySums()
    run_experiment(prepare(spec, world), sums, workers, progress)
    return regimes_of(sums, spec, world.targets)


def regimes_of(sums: DaySums, spec: ExperimentSpec, targets: Targets) -> Regimes:
    """Compute the rates of a finished run of a spec made by `regime_spec`."""
    totals_by_policy = {name.removeprefix("all:"): timeline for name, timeline in sums.timelines.items()}
    rows = [
        RegimeRow(regime, figure, totals_by_policy[regime].per(column, "views"), real[figure])
        for regime, real in targets.regimes().items()
        for figure, column in RATES.items()
    ]
    pre = totals_by_policy["pre"]
    days = spec.users * len(pre.active)
    return Regimes(rows, pre.total("views") / (days * spec.views_scale), pre.came_again)
