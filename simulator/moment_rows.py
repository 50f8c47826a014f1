"""Rows of the scorecard from moments: what `simulator.readout` says of rows, said of any number of users."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from simulator.estimates import (
    CUPED,
    PLAIN,
    Comparison,
    covariate_fault,
    difference_of,
    is_still,
    unsaid,
    untested,
)
from simulator.metrics import Metric
from simulator.moments import Spread, aggregates, ratio_of
from simulator.readout import comparison_row, side_of
from simulator.report import MetricRow

Spreads: TypeAlias = Callable[[str, str], Spread]
"""A bucket's spread by arm and metric."""


def moment_rows(metrics: Sequence[Metric], arms: Sequence[str], spreads: Spreads) -> list[MetricRow]:
    """Each treatment against the control, which is the first of `arms`; treatments outermost."""
    return [
        _row(metric, arms[0], spreads(arms[0], metric.key), arm, spreads(arm, metric.key))
        for arm in arms[1:]
        for metric in metrics
    ]


def compare_spreads(control: str, a: Spread, treatment: str, b: Spread) -> Comparison:
    """`simulator.estimates.compare` of two buckets of independent users, by their names and spreads."""
    fault = _value_fault(control, a) or _value_fault(treatment, b)
    if fault:
        return Comparison(unsaid(fault), None, fault)
    known = len(a.total) == len(b.total) == 4
    mine, theirs = aggregates(a), aggregates(b)
    if is_still(mine) and is_still(theirs):
        fault = "every user of both buckets has the same value, so chance cannot be told"
        return Comparison(untested(mine, theirs, fault), None, fault)
    fault = covariate_fault(mine, theirs) if known else "nothing known from before the test"
    cuped = None if fault else difference_of(CUPED, mine, theirs)
    return Comparison(difference_of(PLAIN, mine, theirs), cuped, fault)


def _value_fault(arm: str, spread: Spread) -> str:
    """Why a bucket has no value or no variance; empty if it has both."""
    if spread.n < 2:
        return f"{arm} has {spread.n} users, want at least 2"
    return f"{arm} has a denominator of 0" if ratio_of(spread) is None else ""


def _row(metric: Metric, baseline: str, control: Spread, arm: str, treatment: Spread) -> MetricRow:
    """One row of the scorecard, with the true effect still open."""
    comparison = compare_spreads(baseline, control, arm, treatment)
    return comparison_row(metric, side_of(baseline, control), side_of(arm, treatment), comparison)
