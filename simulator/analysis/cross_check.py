"""The scorecard once more, by another library from the rows themselves, and how far the two agree.

tea-tasting is given moments. statsmodels is given a row per user: the metric linearised around its bucket's value,
R + (n - R d) / mean d, regressed on being treated. Its coefficient is the difference of the two ratios; its HC2
standard error is the delta method's, each bucket with its own n - 1 (MacKinnon and White, Journal of Econometrics
1985). Weighted least squares of n / d would lose users without a denominator, such as all who like and never hate.
For CUPED the slope is that of an ordinary regression over both buckets, of the metric on itself before the test.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final, final

import numpy as np
import pandas as pd
import statsmodels.api as sm
from jaxtyping import Float64
from scipy.stats import norm

from simulator.analysis.scorecard import bucket_of
from simulator.metrics import PRE, Metric, Ratio
from simulator.reports.report import SecondOpinion
from simulator.statistics.comparison import (
    CONFIDENCE,
    CUPED_NORMAL,
    PLAIN_NORMAL,
    ArmSample,
    compare_spreads,
    difference_of,
)
from simulator.statistics.delta_method import influence
from simulator.statistics.moments import Moments, aggregates

MOST_USERS: Final = 300_000
"""Users above which rows are not kept for a second opinion: memory must not grow with users."""
_Z: Final = float(norm.isf((1 - CONFIDENCE) / 2))


@final
@dataclass(frozen=True)
class IndependentEstimate:
    """A difference and its standard error.

    Attributes:
        effect: Treatment minus control.
        error: Its standard error.
    """

    effect: float
    error: float


def read_with_statsmodels(control: ArmSample, treatment: ArmSample, *, cuped: bool) -> IndependentEstimate:
    """The difference of two buckets of independent users, plain or with CUPED; see the module."""
    y = [_linear(bucket.test) for bucket in (control, treatment)]
    if cuped and control.before is not None and treatment.before is not None:
        slope = _slope(_joined(control.test, treatment.test), _joined(control.before, treatment.before))
        y = [
            values - slope * _linear(before)
            for values, before in zip(y, (control.before, treatment.before), strict=True)
        ]
    design = sm.add_constant(np.repeat([0.0, 1.0], [len(values) for values in y]))
    fit: Any = sm.OLS(np.concatenate(y), design).fit(cov_type="HC2")
    return IndependentEstimate(float(fit.params[1]), float(fit.bse[1]))


def _linear(ratio: Ratio) -> Float64[np.ndarray, " users"]:
    """A value per user whose mean is the ratio, and whose variance is that of the ratio times n."""
    value = ratio.numerator.sum() / ratio.denominator.sum()
    return value + influence(ratio, value)


def _joined(a: Ratio, b: Ratio) -> Ratio:
    """Both buckets' users."""
    return Ratio(np.concatenate([a.numerator, b.numerator]), np.concatenate([a.denominator, b.denominator]))


def _slope(test: Ratio, before: Ratio) -> float:
    """Of the metric on itself before the test."""
    fit: Any = sm.OLS(_linear(test), sm.add_constant(_linear(before))).fit()
    return float(fit.params[1])


@final
@dataclass
class SecondReader:
    """Keeps the rows that a second opinion needs, as long as they are few enough.

    Attributes:
        arms: Names, control first.
        metrics: The scorecard's.
        users: One frame per slice.
        n: Users so far.
    """

    arms: list[str]
    metrics: tuple[Metric, ...]
    users: list[pd.DataFrame] = field(default_factory=list[pd.DataFrame])
    n: int = 0

    def add(self, users: pd.DataFrame) -> None:
        """Take in a slice, counts in half the space."""
        self.n += len(users)
        if self.n > MOST_USERS:
            self.users.clear()
            return
        columns = dict.fromkeys(column for metric in self.metrics for column in metric.columns)
        wanted = [name for column in columns for name in (column, PRE + column) if name in users.columns]
        smaller = {name: np.int32 for name in wanted if users[name].dtype == np.int64}
        self.users.append(users[["arm", *wanted]].astype(smaller))

    def ask(self, spreads: Mapping[tuple[str, str], Moments]) -> SecondOpinion:
        """Compare with what was said from moments.

        Args:
            spreads: Of the same users, by arm and metric.
        """
        engine = f"statsmodels {version('statsmodels')}"
        if self.n > MOST_USERS:
            reason = f"{self.n} users, rows are kept up to {MOST_USERS}"
            return SecondOpinion(engine=engine, rows=0, effect_difference=None, error_difference=None, reason=reason)
        users = pd.concat(self.users)
        by_arm = {arm: users.loc[users["arm"] == arm] for arm in self.arms}
        pairs = [
            pair
            for arm in self.arms[1:]
            for metric in self.metrics
            for pair in self._read(metric, arm, by_arm, spreads)
        ]
        if not pairs:
            reason = "nothing to compare: no metric has an interval"
            return SecondOpinion(engine=engine, rows=0, effect_difference=None, error_difference=None, reason=reason)
        return SecondOpinion(
            engine=engine,
            rows=len(pairs),
            effect_difference=max(abs(ours.effect - theirs.effect) / ours.error for ours, theirs in pairs),
            error_difference=max(abs(theirs.error / ours.error - 1) for ours, theirs in pairs),
        )

    def _read(
        self,
        metric: Metric,
        arm: str,
        by_arm: Mapping[str, pd.DataFrame],
        spreads: Mapping[tuple[str, str], Moments],
    ) -> list[tuple[IndependentEstimate, IndependentEstimate]]:
        """Our reading and theirs, plain and with CUPED, where there is one."""
        control = self.arms[0]
        a, b = spreads[control, metric.key], spreads[arm, metric.key]
        comparison = compare_spreads(control, a, arm, b)
        if comparison.plain.effect_low is None:
            return []
        buckets = [bucket_of(metric, name, by_arm[name]) for name in (control, arm)]
        return [
            (_ours(a, b, cuped=cuped), read_with_statsmodels(*buckets, cuped=cuped))
            for cuped in ([False, True] if comparison.cuped else [False])
        ]


def _ours(a: Moments, b: Moments, *, cuped: bool) -> IndependentEstimate:
    """What the scorecard rests on."""
    said = difference_of(CUPED_NORMAL if cuped else PLAIN_NORMAL, aggregates(a), aggregates(b))
    effect, high = said.effect or 0.0, said.effect_high or 0.0
    return IndependentEstimate(effect, (high - effect) / _Z)
