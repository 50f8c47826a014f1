"""Both regimes of one world: what its users do under random slates and under the production-like ranker.

Real users click 45.1% of what the production ranker shows them and 17.6% of random videos (KuaiRand-Pure). A world
is faithful when the same users give both figures.
"""

from dataclasses import dataclass, field
from typing import Final, final

import numpy as np
import pyarrow as pa

from simulator.checkpoint import Checkpoint
from simulator.experiment import Progress, prepare, run_experiment
from simulator.line import Line
from simulator.spec import ArmSpec, ExperimentSpec
from user_models.published import REGIMES
from user_models.world import World

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
class _Sums:
    """A sink that only adds up: totals per line, and who came on the line's last day."""

    totals: dict[str, dict[str, float]] = field(default_factory=dict[str, dict[str, float]])
    came: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])

    def write_parquet(self, name: str, table: pa.Table) -> None:
        """Add a day's totals to those of its line; traces are of no interest here."""
        if not name.startswith("user_days/"):
            return
        name = str(table["world"][0])
        line = self.totals.setdefault(
            name, dict.fromkeys(("came", "came_again", "days", "views", *RATES.values()), 0.0)
        )
        for column in ("views", *RATES.values()):
            line[column] += float(np.asarray(table[column]).sum())
        came = np.asarray(table["active"])
        before = self.came.get(name, np.zeros_like(came))
        line["came"] += float(before.sum())
        line["came_again"] += float((before & came).sum())
        line["days"] += 1
        self.came[name] = came

    def write_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Nothing is kept: a measurement that stops is begun anew."""

    def read_checkpoint(self, lines: list[Line]) -> Checkpoint | None:
        """There is never an earlier try."""


@final
@dataclass(frozen=True)
class Regimes:
    """What both regimes gave.

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
    """Run a spec made by `regime_spec` in a world, and set its figures beside the real ones."""
    sums = _Sums()
    run_experiment(prepare(spec, world), sums, workers, progress)
    rows = [
        RegimeRow(regime, figure, total[column] / total["views"], REGIMES[regime][figure])
        for regime, total in ((name.removeprefix("all:"), total) for name, total in sums.totals.items())
        if regime in REGIMES
        for figure, column in RATES.items()
    ]
    pre = sums.totals["pre"]
    return Regimes(
        rows=rows,
        views_per_user_day=pre["views"] / (spec.users * pre["days"] * spec.views_scale),
        return_share=pre["came_again"] / pre["came"],
    )
