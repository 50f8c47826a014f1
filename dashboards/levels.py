"""The level of each arm per day, the pre-period included."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboards import marks, wording
from dashboards.grid import Cell, cell, day_grid, height, upright_line
from dashboards.theme import QUIET, arm_colour, frame, remark
from simulator.reports.report import DayTotal, Number, Report


def daily_levels(report: Report, metrics: Sequence[str]) -> go.Figure:
    """Each arm's level per day; the days before the test lie left of the line at day 0."""
    known = wording.metric_keys(report)
    shown = [key for key in metrics if key in known and any(total.metric == key for total in report.totals)]
    if not shown:
        return remark("This report has no daily levels for these metrics.")
    figure = day_grid(report, shown, report.pre_days + report.days)
    for place, key in enumerate(shown):
        _draw_metric(figure, report, key, cell(place))
    _legend(figure, report, any(total.true_value is not None for total in report.totals))
    return frame(figure, height(len(shown)))


def missing_levels(report: Report, metrics: Sequence[str]) -> list[str]:
    """One line per bucket and day on which a metric could not be told."""
    return [
        f"{total.metric}, {total.arm}, day {total.day}: {wording.MISSING}"
        for total in report.totals
        if total.value is None and total.metric in metrics
    ]


def _draw_metric(figure: go.Figure, report: Report, metric: str, where: Cell) -> None:
    """All arms of one metric, in its unit."""
    for arm in report.arms:
        totals = [total for total in report.totals if total.metric == metric and total.arm == arm.name]
        _draw_arm(figure, report, sorted(totals, key=lambda total: total.day), where)
    _mark_start(figure, report, where)
    unit = wording.in_figure(wording.describe(report, metric).unit, 34)
    figure.update_yaxes(title_text=unit, zeroline=False, row=where.row, col=where.column)


def _draw_arm(figure: go.Figure, report: Report, totals: Sequence[DayTotal], where: Cell) -> None:
    """A bucket's line, and dotted the same arm with every user under it."""
    if not totals:
        return
    bucket = _line(report, totals, [total.value for total in totals], "in this bucket")
    truth = _line(report, totals, [total.true_value for total in totals], "all users under this arm")
    truth.update(line={"dash": "dot"}, marker={"symbol": "line-ew-open"})
    for trace in (truth, bucket):
        figure.add_trace(trace, row=where.row, col=where.column)


def _line(report: Report, totals: Sequence[DayTotal], values: list[Number], what: str) -> go.Scatter:
    """One line over the days of `totals`; a null leaves a gap."""
    arm = totals[0].arm
    return go.Scatter(
        x=[total.day for total in totals],
        y=values,
        mode="lines+markers",
        line={"color": arm_colour(report, arm), "width": 2},
        marker={"size": 6},
        hovertext=[_hover(total, value, what) for total, value in zip(totals, values, strict=True)],
        hoverinfo="text",
        legendgroup=marks.arm_group(report, arm),
        showlegend=False,
        meta=arm,
        name=what,
    )


def _hover(total: DayTotal, value: Number, what: str) -> str:
    return f"{wording.in_figure(total.arm)}, day {total.day}<br>{what}: {wording.number(value)}"


def _mark_start(figure: go.Figure, report: Report, where: Cell) -> None:
    """A line between the last day before the test and day 0."""
    if not any(total.day < 0 for total in report.totals):
        return
    upright_line(figure, -0.5, where, dash="dash")
    for text, anchor, shift in (("before", "right", -4), ("test", "left", 4)):
        figure.add_annotation(
            text=text,
            x=-0.5,
            y=1,
            yref="y domain",
            yanchor="top",
            xanchor=anchor,
            xshift=shift,
            showarrow=False,
            font={"size": 11},
            row=where.row,
            col=where.column,
        )


def _legend(figure: go.Figure, report: Report, with_truth: bool) -> None:
    """Arms by colour; dotted is the truth."""
    marks.add_legend(figure, report, [arm.name for arm in report.arms], [])
    lines = [("solid", "in this bucket"), *([("dot", "truth: all users under the arm")] if with_truth else [])]
    for dash, meaning in lines:
        line = {"dash": dash, "color": QUIET, "width": 2}
        figure.add_scatter(x=[None], y=[None], mode="lines", line=line, name=meaning)
