"""What looks at a running test need: some metrics summed up to each day of a look, slice by slice of users."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, final

import pandas as pd

from simulator.metrics import MAIN, METRICS, PRE
from simulator.spec.experiment import ExperimentSpec
from simulator.statistics.moments import Moments, bucket_spread
from simulator.statistics.paired import paired_spread

Worlds: TypeAlias = Mapping[str, pd.DataFrame]
"""Every user under each arm, by arm; all frames about the same users in the same order."""
LookKey: TypeAlias = tuple[int, str, str]
"""Days so far, arm and metric."""


@final
@dataclass(frozen=True)
class PeriodTotals:
    """What the same users did on a day, or over several.

    Attributes:
        users: Each under the arm of their bucket; `pre_` columns as known.
        worlds: Each under every arm, None where that was not run.
    """

    users: pd.DataFrame
    worlds: Worlds | None

    def after(self, earlier: "PeriodTotals | None", metrics: tuple[str, ...]) -> "PeriodTotals":
        """This and what came before, the columns of some metrics added up."""
        if earlier is None:
            return self
        worlds = None
        if self.worlds is not None and earlier.worlds is not None:
            worlds = {arm: _added(earlier.worlds[arm], world, metrics) for arm, world in self.worlds.items()}
        return PeriodTotals(_added(earlier.users, self.users, metrics), worlds)


def looked_at(spec: ExperimentSpec) -> tuple[str, ...]:
    """What is looked at while a test runs: main metrics, and guardrails, which an early stop is judged by as well."""
    return tuple(dict.fromkeys((*MAIN, *spec.guardrails)))


@final
@dataclass
class LookTallies:
    """Sums so far.

    Attributes:
        arms: Names, control first.
        metrics: Keys of what is looked at.
        after: Numbers of days after which there is a look.
        buckets: Spreads of what each bucket did.
        pairs: Spreads of what everybody did under control, and gained under each treatment.
    """

    arms: list[str]
    metrics: tuple[str, ...]
    after: tuple[int, ...]
    buckets: dict[LookKey, Moments] = field(default_factory=dict[LookKey, Moments])
    pairs: dict[LookKey, Moments] = field(default_factory=dict[LookKey, Moments])

    def add(self, days: int, lived: PeriodTotals) -> None:
        """Take in what a slice of users did over the first `days`, if there is a look then."""
        if days not in self.after:
            return
        for arm in self.arms:
            mine = lived.users.loc[lived.users["arm"] == arm]
            for key in self.metrics:
                known = all(PRE + column in mine.columns for column in METRICS[key].columns)
                before = METRICS[key].ratio(mine, PRE) if known else None
                _merge(self.buckets, (days, arm, key), bucket_spread(METRICS[key].ratio(mine), before))
        if lived.worlds is None:
            return
        for arm in self.arms[1:]:
            for key in self.metrics:
                control, treatment = (METRICS[key].ratio(lived.worlds[name]) for name in (self.arms[0], arm))
                _merge(self.pairs, (days, arm, key), paired_spread(control, treatment))


def _added(earlier: pd.DataFrame, later: pd.DataFrame, metrics: tuple[str, ...]) -> pd.DataFrame:
    """Two frames of the same users, row by row; columns of none of the metrics go."""
    columns = tuple(dict.fromkeys(column for key in metrics for column in METRICS[key].columns))
    kept = [name for name in later.columns if name in ("arm", *columns) or name.startswith(PRE)]
    return later[kept].assign(**{name: earlier[name] + later[name] for name in columns})


def _merge(spreads: dict[LookKey, Moments], key: LookKey, spread: Moments) -> None:
    """Add a slice."""
    spreads[key] = spreads[key] + spread if key in spreads else spread
