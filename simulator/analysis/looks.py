"""Interim looks: cumulative lifts by day, and sequential intervals.

Metrics are averaged per day over the same users. The information of a look is 1 / Var of its estimate; in expectation
it never falls, and its increments are independent. The covariates are the same at every look: the whole pre-period.

Critical values of the normal distribution are converted to those of Student's t with the same tail probability, and
multiply the standard error of the logarithm of 1 + lift.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from simulator.analysis.accumulator import Tallies
from simulator.analysis.gathering import looked_at
from simulator.analysis.scopes import of_look
from simulator.reports.document import LARGEST
from simulator.reports.report import LookRow, Looks, MetricRow, Number
from simulator.spec.experiment import ExperimentSpec
from simulator.statistics.comparison import Difference, compare, critical_value
from simulator.statistics.paired import paired_effect
from simulator.statistics.sequential import always_valid_bound, group_bounds

_OPEN: Final = ("group_low", "group_high", "always_low", "always_high", "crossed", "information")


@final
@dataclass(frozen=True)
class LogLift:
    """Estimate of the logarithm of 1 + lift.

    Attributes:
        middle: The estimate.
        error: Its standard error.
        freedom: Degrees of freedom of Student's t.
    """

    middle: float
    error: float
    freedom: float

    def within(self, bound: float) -> tuple[Number, Number]:
        """Interval of the lift for a bound of a normal variable; None if it is too large for a number."""
        reach = critical_value(bound, self.freedom) * self.error if self.error else 0.0
        if self.middle + reach > math.log(LARGEST):
            return None, None
        return math.expm1(self.middle - reach), math.expm1(self.middle + reach)


@final
@dataclass(frozen=True)
class LookEstimate:
    """One look at one metric, before any correction.

    Attributes:
        days: Number of days so far.
        difference: The main estimate.
        lift: The estimate on a log scale; None without a lift.
        true: Cumulative true lift.
    """

    days: int
    difference: Difference
    lift: LogLift | None
    true: float | None


def look_at(tallies: Tallies, spec: ExperimentSpec) -> Looks:
    """Compute all looks, with three intervals each.

    The error is spent by the share of planned days; the correlation of looks follows from their variances. So a look
    never depends on later days. And early variances that are too small by chance, as with heavy tails, do not spend the
    error at once.
    """
    look_days = spec.looks.after(tallies.spec.days)
    rows = [
        row
        for arm in tallies.arms[1:]
        for metric in looked_at(spec)
        for row in _rows(arm, metric, [look_estimate(tallies, days, arm, metric) for days in look_days], spec)
    ]
    return Looks(method=spec.looks.method, spending=spec.looks.spending, alpha=spec.looks.alpha, rows=rows)


def look_estimate(tallies: Tallies, days: int, arm: str, metric: str) -> LookEstimate:
    """Compute the cumulative estimate after `days` days."""
    control = tallies.arms[0]
    a, b = (tallies.bucket(of_look(days), name, metric) for name in (control, arm))
    main = compare(control, a, arm, b).main
    true = paired_effect(tallies.pair(of_look(days), arm, metric)).relative_effect if tallies.spec.truth else None
    if main.log_standard_error is None or main.freedom is None:
        return LookEstimate(days, main, None, true)
    if main.adjusted_control is None or main.adjusted_treatment is None:
        return LookEstimate(days, main, None, true)
    middle = math.log(main.adjusted_treatment / main.adjusted_control)
    return LookEstimate(days, main, LogLift(middle, main.log_standard_error, main.freedom), true)


def with_sequential(rows: Sequence[MetricRow], looks: Looks) -> list[MetricRow]:
    """Add the sequential interval of the last look to the scorecard, by the chosen method."""
    last = {(row.arm, row.metric): row for row in looks.rows}
    return [
        _with_last(row, last[row.arm, row.metric], looks.method) if (row.arm, row.metric) in last else row
        for row in rows
    ]


def _with_last(row: MetricRow, look: LookRow, method: str) -> MetricRow:
    """Add the interval to one row, or the reason why there is none."""
    low, high = interval_by(look, method)
    ends = {"sequential_low": low, "sequential_high": high}
    reason = look.reasons.get("group_low", "")
    return row.updated(ends, {name: reason for name, end in ends.items() if end is None})


def interval_by(look: LookRow, method: str) -> tuple[float | None, float | None]:
    """Interval of a look by one method.

    Args:
        look: The look.
        method: Method, as in the spec.
    """
    if method == "fixed":
        return look.ci_low, look.ci_high
    if method == "always-valid":
        return look.always_low, look.always_high
    return look.group_low, look.group_high


def _rows(arm: str, metric: str, looks: Sequence[LookEstimate], spec: ExperimentSpec) -> list[LookRow]:
    """Report rows of all looks at one metric; looks without a lift spend no error."""
    bounds = iter(_bounds([(look.days, look.lift.error) for look in looks if look.lift is not None], spec))
    rows = [_without_intervals(arm, metric, look) for look in looks]
    return [
        row if look.lift is None else _with_intervals(row, look.lift, next(bounds), spec.looks.method)
        for row, look in zip(rows, looks, strict=True)
    ]


@final
@dataclass(frozen=True)
class LookBoundary:
    """Critical values of a look.

    Attributes:
        information: Information so far, relative to that of the last look.
        group: Group-sequential critical value; infinite if no error is spent.
        always: Always-valid critical value.
    """

    information: float
    group: float
    always: float


def _bounds(looks: Sequence[tuple[int, float]], spec: ExperimentSpec) -> list[LookBoundary]:
    """Critical values of looks, from their days and standard errors."""
    if not looks:
        return []
    days, errors = (np.array(column, np.float64) for column in zip(*looks, strict=True))
    share = errors[-1] ** 2 / errors**2
    elapsed = days / spec.days
    group = group_bounds(share, elapsed, spec.looks.spending, spec.looks.alpha)
    always = [always_valid_bound(float(elapsed_share), 1, spec.looks.alpha) for elapsed_share in elapsed]
    return [LookBoundary(*map(float, bounds)) for bounds in zip(share, group, always, strict=True)]


def _without_intervals(arm: str, metric: str, look: LookEstimate) -> LookRow:
    """Report row of a look, without sequential intervals."""
    main = look.difference
    return LookRow(
        metric=metric,
        arm=arm,
        days=look.days,
        relative_effect=main.relative_effect,
        ci_low=main.ci_low,
        ci_high=main.ci_high,
        group_low=None,
        group_high=None,
        always_low=None,
        always_high=None,
        true_relative_effect=look.true,
        information=None,
        crossed=None,
        reasons={name: reason for name, reason in main.reasons.items() if name in LookRow.model_fields}
        | dict.fromkeys(_OPEN, main.reasons.get("relative_effect", "no interval of a lift")),
    )


def _with_intervals(row: LookRow, lift: LogLift, bounds: LookBoundary, method: str) -> LookRow:
    """Add the sequential intervals to a look, and whether that of the chosen method leaves out 0."""
    always = lift.within(bounds.always)
    group = lift.within(bounds.group) if math.isfinite(bounds.group) else (None, None)
    ends = dict(zip(_OPEN, (*group, *always), strict=False))
    reason_without_end = "no error to spend at this look" if math.isinf(bounds.group) else "too wide to be told"
    reasons = {name: reason_without_end for name, end in ends.items() if end is None}
    look_row = row.model_copy(update={**ends, "information": bounds.information, "reasons": reasons})
    low, high = interval_by(look_row, method)
    return look_row.model_copy(update={"crossed": low is not None and high is not None and not low <= 0 <= high})
