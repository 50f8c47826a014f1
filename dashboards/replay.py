"""Peeking, played again: a test's looks revealed one by one, and what each way of reading would have said at a stop."""

from typing import Final

import plotly.graph_objects as go

from dashboards import wording
from dashboards.look_curves import look_curves
from dashboards.theme import remark
from simulator.reports.report import LookRow, Number, Report

HEADINGS: Final = ("Method", "Lift so far", "95% interval", "Verdict", "True lift so far", "Holds the truth")


def looks_of(report: Report, metric: str, arm: str) -> list[LookRow]:
    """The looks at one metric and treatment, in order."""
    rows = [] if report.looks is None else report.looks.rows
    return sorted((row for row in rows if (row.metric, row.arm) == (metric, arm)), key=lambda row: row.days)


def replay(report: Report, metric: str, arm: str, seen: int, *, stopped: bool) -> go.Figure:
    """The curve of the first `seen` looks; the truth appears once the viewer has stopped."""
    rows = looks_of(report, metric, arm)[:seen]
    if report.looks is None or not rows:
        return remark("This run kept no looks to play again.")
    shown = rows if stopped else [row.model_copy(update={"true_relative_effect": None}) for row in rows]
    arms = [each for each in report.arms if each.name in (report.arms[0].name, arm)]
    looks = report.looks.model_copy(update={"rows": shown})
    figure = look_curves(report.model_copy(update={"arms": arms, "looks": looks, "stopped": None}), [metric])
    return figure.update_xaxes(range=[0.5, max(row.days for row in looks_of(report, metric, arm)) + 0.5])


def said(look: LookRow) -> list[tuple[str, ...]]:
    """What fixed, group-sequential and always-valid intervals say at one look, and whether they are right."""
    ways = (
        ("fixed 1.96 (wrong when peeking)", look.ci_low, look.ci_high),
        ("group-sequential", look.group_low, look.group_high),
        ("always-valid", look.always_low, look.always_high),
    )
    return [
        (
            name,
            wording.lift(look.relative_effect),
            wording.interval(low, high),
            _verdict(low, high),
            wording.lift(look.true_relative_effect),
            _holds(low, high, look.true_relative_effect),
        )
        for name, low, high in ways
    ]


def _verdict(low: Number, high: Number) -> str:
    """Where an interval lies."""
    if low is None or high is None:
        return wording.MISSING
    return "no clear change" if low <= 0 <= high else "higher" if low > 0 else "lower"


def _holds(low: Number, high: Number, truth: Number) -> str:
    """Whether the truth is inside."""
    if low is None or high is None or truth is None:
        return wording.MISSING
    return "yes" if low <= truth <= high else "no"
