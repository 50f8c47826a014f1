"""A sweep in sentences: how much does the conclusion hang on a value that nobody knows?"""

from collections.abc import Sequence
from typing import Final

from dashboards.text import formatting
from dashboards.text.decision import truth_in_interval
from simulator.reports.report import MetricRow
from simulator.reports.sweep import Sweep

METRICS: Final = (*formatting.HEADLINE, "LT7")
"""The headline metrics, and active days, where assumptions about returning users show first."""
EFFECT_CAPTION: Final = (
    "Each panel has its own scale of lifts. At every value the same test was run with the same seed: the same users,"
    " the same split, the same chance. Points are what the test would report, bars their 95% intervals; the star is the"
    " true effect, from running every user under both arms. Shaded values are plausible; the dashed line is what is"
    " assumed without a sweep."
)
TRUTH_CAPTION: Final = (
    "The stars of the figure above on a scale of their own, with two standard errors to either side. Where they lie"
    " level, the conclusion does not hang on the parameter. Where they slope or cross 0, it does, and no number of"
    " users can tell which value is right. A policy that learns is trained anew on the log of each value, so stars also"
    " move by chance: do not read a slope into moves within the bars."
)


def metrics_of(sweep: Sweep) -> list[str]:
    """List the metrics of `METRICS` that the sweep has."""
    keys = {row.metric for point in sweep.points for row in point.metrics}
    return [key for key in METRICS if key in keys]


def rows_of(sweep: Sweep, metric: str, arm: str) -> list[tuple[float, MetricRow]]:
    """List a treatment's rows of a metric, each with its value of the parameter, in ascending order of values."""
    rows = [(point.value, row) for point in sweep.points for row in point.metrics]
    return [(value, row) for value, row in rows if (row.metric, row.arm) == (metric, arm)]


def facts(sweep: Sweep) -> str:
    """What was run, in a line."""
    users = max((point.users for point in sweep.points), default=0)
    return (
        f"{len(sweep.points)} of {len(sweep.values)} values finished, {users:,} users and {sweep.days} days each,"
        f" world {sweep.world}, seed {sweep.seed}."
    )


def verdict(sweep: Sweep) -> list[str]:
    """What is swept, then one sentence per metric and treatment."""
    pairs = [(metric, arm) for metric in metrics_of(sweep) for arm in sweep.treatments]
    findings = [_finding(sweep, metric, arm) for metric, arm in pairs if rows_of(sweep, metric, arm)]
    return [_assumption(sweep), *findings]


def remarks(sweep: Sweep) -> list[str]:
    """Values out of range, and estimates that are missing."""
    missing = [
        f"{row.metric}, {row.arm}, at {point.value:g}: {formatting.MISSING}, "
        f"{formatting.why(row.reasons, 'relative_effect')}"
        for point in sweep.points
        for row in point.metrics
        if row.metric in metrics_of(sweep) and row.relative_effect is None
    ]
    return [*sweep.notes, *missing]


HEADINGS: Final = ("Metric", "Arm", "Value", "Lift", "95% interval", "True lift", "Its standard error", "Truth")
"""Columns of the table; `Value` is that of the parameter."""


def lines(sweep: Sweep) -> list[tuple[str, ...]]:
    """One line per metric, treatment and value."""
    return [
        _line(value, row)
        for metric in metrics_of(sweep)
        for arm in sweep.treatments
        for value, row in rows_of(sweep, metric, arm)
    ]


def _line(value: float, row: MetricRow) -> tuple[str, ...]:
    return (
        row.label,
        row.arm,
        formatting.number(value),
        formatting.lift(row.relative_effect),
        formatting.interval(row.ci_low, row.ci_high),
        formatting.lift(row.true_relative_effect),
        formatting.share(row.true_relative_effect_se),
        truth_in_interval(row),
    )


def _assumption(sweep: Sweep) -> str:
    """Whose value nobody knows, and why the world has one."""
    it = sweep.parameter
    low, high = (formatting.number(end) for end in (it.low, it.high))
    span = "" if it.low is None or it.high is None else f", plausible from {low} to {high}"
    return (
        f"{it.name} ({it.meaning}) is assumed: nobody knows its value. Without a sweep it is"
        f" {formatting.number(it.value)}{span}. Source: {it.source}."
    )


def _finding(sweep: Sweep, metric: str, arm: str) -> str:
    rows = rows_of(sweep, metric, arm)
    who = f"{rows[0][1].label}, {arm}" if len(sweep.treatments) > 1 else rows[0][1].label
    return f"{who}: {_truth([row for _, row in rows])}; {_readout(rows)}."


def _truth(rows: Sequence[MetricRow]) -> str:
    """How far the true effect moves over the values, and whether it changes sign."""
    lifts = [row.true_relative_effect for row in rows if row.true_relative_effect is not None]
    if not lifts:
        return "the true effect was not simulated"
    low, high = min(lifts), max(lifts)
    if low == high:
        return f"the true effect is {formatting.lift(low)} at every value"
    error = max(row.true_relative_effect_se or 0.0 for row in rows)
    sign = "above 0 throughout" if low > 0 else "below 0 throughout" if high < 0 else "not on one side of 0"
    span = f"between {formatting.lift(low)} and {formatting.lift(high)}"
    return f"the true effect lies {span} (standard error at most {formatting.share(error)}), {sign}"


def _readout(rows: Sequence[tuple[float, MetricRow]]) -> str:
    """What a test would conclude, by value."""
    values_of: dict[str, list[str]] = {}
    for value, row in rows:
        values_of.setdefault(_conclusion(row), []).append(f"{value:g}")
    if len(values_of) == 1:
        return f"the test says {next(iter(values_of))} at every value"
    return "the test says " + ", ".join(f"{word} at {' and '.join(values)}" for word, values in values_of.items())


def _conclusion(row: MetricRow) -> str:
    """Whether the interval leaves out zero, and on which side."""
    if row.ci_low is None or row.ci_high is None:
        return "nothing"
    return "higher" if row.ci_low > 0 else "lower" if row.ci_high < 0 else "no clear change"
