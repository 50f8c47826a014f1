"""What the parts of a policy are worth: runs in which a treatment is the control's policy with other options."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.interval_marks import marker, treatments
from dashboards.figures.small_multiples import name_lanes
from dashboards.figures.theme import QUIET, TRUTH, frame, remark
from dashboards.tables.scorecard import with_error
from dashboards.text import formatting
from simulator.reports.report import Number, Report

CAPTION: Final = (
    "True effect of each treatment on the control, over all users under both, with its standard error in the table and"
    " its 95% interval in the figure: over trainings where each was trained several times, else over users. Where the"
    " control is the full model and a treatment lacks a part of it, a loss is what the part is worth."
)
SHOWN: Final = (*formatting.HEADLINE, "click_rate", "skip_rate")
_NORMAL: Final = 1.96
"""Standard errors to either end of a 95% interval over thousands of users."""


def is_ablation(report: Report) -> bool:
    """Whether the control's policy is also a treatment's, and not in an A/A test."""
    control, *others = (arm.policy for arm in report.arms)
    return control in others and not report.health.a_a


@final
@dataclass(frozen=True)
class _Effect:
    """A true lift of one arm, or of one policy over several trainings.

    Attributes:
        name: Of the treatment.
        metric: Key.
        lift: Over the control.
        error: Its standard error.
        reach: From the lift to either end of its 95% interval.
    """

    name: str
    metric: str
    lift: float
    error: Number
    reach: float


def _effects(report: Report) -> list[_Effect]:
    """Over trainings, if the run has them; else by arm."""
    if report.trainings:
        return [
            _Effect(row.treatment, row.metric, row.mean, row.standard_error, row.high - row.mean)
            for row in report.trainings
        ]
    return [
        _Effect(
            row.arm,
            row.metric,
            row.true_relative_effect,
            row.true_relative_effect_se,
            _NORMAL * (row.true_relative_effect_se or 0),
        )
        for row in report.metrics
        if row.true_relative_effect is not None
    ]


def headings(report: Report) -> tuple[str, ...]:
    """Those of the table."""
    return ("Arm", *_metrics(_effects(report)))


def lines(report: Report) -> list[tuple[str, ...]]:
    """One line per treatment: its true effects."""
    effects_by_arm = _effects(report)
    lift_of = {(each.name, each.metric): with_error(each.lift, each.error) for each in effects_by_arm}
    names = _names(report, effects_by_arm)
    return [
        (name, *(lift_of.get((name, metric), formatting.MISSING) for metric in _metrics(effects_by_arm)))
        for name in names
    ]


def effects(report: Report) -> go.Figure:
    """A star with its error per treatment, one panel per metric."""
    rows = _effects(report)
    metrics = _metrics(rows)
    if not metrics:
        return remark("The true effects were not simulated.")
    names = _names(report, rows)
    figure = make_subplots(
        rows=1, cols=len(metrics), shared_yaxes=True, subplot_titles=metrics, horizontal_spacing=0.03
    )
    figure.update_annotations(font_size=13)
    for column, metric in enumerate(metrics, start=1):
        stars = _stars([each for each in rows if each.metric == metric], names)
        figure.add_trace(stars.update(showlegend=column == 1), row=1, col=column)
    name_lanes(figure, names)
    figure.update_xaxes(tickformat="+.3~%", nticks=3, tickangle=0)
    return frame(figure, 40 * len(names) + 130)


def _names(report: Report, rows: Sequence[_Effect]) -> list[str]:
    """Treatments from top to bottom; without truth those of the run."""
    return list(dict.fromkeys(each.name for each in rows)) or treatments(report)


def _metrics(rows: Sequence[_Effect]) -> list[str]:
    """Metrics with a true effect, the main ones first."""
    keys = {each.metric for each in rows}
    return [metric for metric in SHOWN if metric in keys]


def _stars(rows: Sequence[_Effect], names: Sequence[str]) -> go.Scatter:
    """True effects on a metric."""
    return go.Scatter(
        x=[each.lift for each in rows],
        y=[names.index(each.name) for each in rows],
        mode="markers",
        marker=marker("star", TRUTH),
        error_x={"array": [each.reach for each in rows], "color": QUIET},
        name="true effect, 95% interval",
        hovertemplate="%{x:+.2%}<extra></extra>",
    )
