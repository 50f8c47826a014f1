"""What the parts of a policy are worth: runs in which a treatment is the control's policy with other options."""

from typing import Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards import wording
from dashboards.grid import name_lanes
from dashboards.marks import marker, treatments
from dashboards.scorecard import with_error
from dashboards.theme import QUIET, TRUTH, frame, remark
from simulator.report import MetricRow, Report

CAPTION: Final = (
    "True effect of each treatment on the control, over all users under both, ± two standard errors. Where the control"
    " is the full model and a treatment lacks a part of it, a loss is what the part is worth."
)
SHOWN: Final = (*wording.HEADLINE, "click_rate", "skip_rate")


def is_ablation(report: Report) -> bool:
    """Whether the control's policy is also a treatment's, and not in an A/A test."""
    control, *others = (arm.policy for arm in report.arms)
    return control in others and not report.health.a_a


def headings(report: Report) -> tuple[str, ...]:
    """Those of the table."""
    return ("Arm", "Policy", *_metrics(report))


def lines(report: Report) -> list[tuple[str, ...]]:
    """One line per treatment: its true effects."""
    rows = {(row.arm, row.metric): row for row in report.metrics}
    return [
        (arm.name, arm.policy, *(_said(rows.get((arm.name, metric))) for metric in _metrics(report)))
        for arm in report.arms[1:]
    ]


def effects(report: Report) -> go.Figure:
    """A star with its error per treatment, one panel per metric."""
    shown = _metrics(report)
    if not shown:
        return remark("The true effects were not simulated.")
    figure = make_subplots(rows=1, cols=len(shown), shared_yaxes=True, subplot_titles=shown, horizontal_spacing=0.03)
    figure.update_annotations(font_size=13)
    for column, metric in enumerate(shown, start=1):
        figure.add_trace(_stars(report, metric).update(showlegend=column == 1), row=1, col=column)
    names = treatments(report)
    name_lanes(figure, names)
    figure.update_xaxes(tickformat="+.3~%", nticks=3, tickangle=0)
    return frame(figure, 40 * len(names) + 130)


def _metrics(report: Report) -> list[str]:
    """Metrics with a true effect, the main ones first."""
    known = {row.metric for row in report.metrics if row.true_relative_effect is not None}
    return [metric for metric in SHOWN if metric in known]


def _said(row: MetricRow | None) -> str:
    """A true effect and its standard error."""
    return wording.MISSING if row is None else with_error(row.true_relative_effect, row.true_relative_effect_se)


def _stars(report: Report, metric: str) -> go.Scatter:
    """True effects on a metric."""
    places = {arm: place for place, arm in enumerate(treatments(report))}
    known = [row for row in report.metrics if row.metric == metric and row.true_relative_effect is not None]
    return go.Scatter(
        x=[row.true_relative_effect for row in known],
        y=[places[row.arm] for row in known],
        mode="markers",
        marker=marker("star", TRUTH),
        error_x={"array": [2 * (row.true_relative_effect_se or 0) for row in known], "color": QUIET},
        name="true effect ± two standard errors",
        hovertemplate="%{x:+.2%}<extra></extra>",
    )
