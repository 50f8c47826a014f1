"""Rates of one world under two logging policies: random slates and the production-like ranker.

Real users click 45.1% of what the production ranker shows them and 17.6% of random videos (KuaiRand-Pure). A world
is faithful when the same users give both figures.
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
from user_models.published import REGIMES
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
        simulated: In this world.
        real: In KuaiRand; `base` is set beside the standard log.
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
class LineSums:
    """Sums over all users and days of one timeline.

    Attributes:
        by_user: Per user, the sums of the columns in `COLUMNS`.
        active: Per day, who came.
    """

    by_user: Float64[np.ndarray, "users columns"]
    active: list[Bool[np.ndarray, " users"]] = field(default_factory=list[Bool[np.ndarray, " users"]])

    def of_users(self, column: str) -> Float64[np.ndarray, " users"]:
        """One column's sum per user."""
        return self.by_user[:, COLUMNS.index(column)]

    def total(self, column: str) -> float:
        """Sum one column over all users."""
        return float(self.of_users(column).sum())

    def per(self, column: str, whole: str) -> float:
        """One column's total over another's; NaN over nothing."""
        return self.total(column) / self.total(whole) if self.total(whole) else float("nan")

    def joined(self, other: "LineSums") -> "LineSums":
        """Join the sums of other users to these, day by day."""
        pairs = zip(self.active, other.active, strict=True)
        return LineSums(np.concatenate([self.by_user, other.by_user]), [np.concatenate(pair) for pair in pairs])

    @property
    def came_again(self) -> float:
        """Share of active days that the next day follows actively."""
        pairs = list(pairwise(self.active))
        return float(sum((a & b).sum() for a, b in pairs) / max(1, sum(a.sum() for a, _ in pairs)))


@final
@dataclass
class DaySums:
    """A sink that only adds up user-days, line by line."""

    lines: dict[str, LineSums] = field(default_factory=dict[str, LineSums])

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Add a day's totals to those of its line; traces are of no interest here."""
        if not name.startswith("user_days/"):
            return
        totals = np.stack([np.asarray(table[column]).astype(np.float64) for column in COLUMNS], axis=1)
        line = self.lines.setdefault(str(table["world"][0]), LineSums(np.zeros_like(totals)))
        line.by_user += totals
        line.active.append(np.asarray(table["active"]))


@final
@dataclass(frozen=True)
class Regimes:
    """Rates under both logging policies.

    Attributes:
        rows: The figures.
        views_per_user_day: Under `base` in the pre-period, per assigned user and day, at full scale.
        return_share: Under `base` in the pre-period, share of active days that the next day follows actively.
    """

    rows: list[RegimeRow]
    views_per_user_day: float
    return_share: float


def regime_spec(users: int, seed: int) -> ExperimentSpec:
    """The test that shows both regimes: `random` against `base` on the whole catalogue."""
    arms = (ArmSpec(name="random", policy="random"), ArmSpec(name="base", policy="base"))
    return ExperimentSpec(name="regimes", seed=seed, users=users, days=2, arms=arms)


def measure_regimes(world: World, spec: ExperimentSpec, workers: int, progress: Progress) -> Regimes:
    """Run a spec made by `regime_spec` in a world, and compare its figures with the real ones."""
    sums = DaySums()
    run_experiment(prepare(spec, world), sums, workers, progress)
    return regimes_of(sums, spec)


def regimes_of(sums: DaySums, spec: ExperimentSpec) -> Regimes:
    """The figures of a finished run of a spec made by `regime_spec`."""
    lines = {name.removeprefix("all:"): line for name, line in sums.lines.items()}
    rows = [
        RegimeRow(regime, figure, lines[regime].per(column, "views"), REGIMES[regime][figure])
        for regime in REGIMES
        for figure, column in RATES.items()
    ]
    pre = lines["pre"]
    days = spec.users * len(pre.active)
    return Regimes(rows, pre.total("views") / (days * spec.views_scale), pre.came_again)
