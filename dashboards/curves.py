"""The lift of each day with its interval, beside the true effect of that day."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboards import marks, wording
from dashboards.grid import Cell, cell, day_grid, height
from dashboards.marks import Mark
from dashboards.theme import TRUTH, arm_colour, frame, remark
from simulator.reports.report import MetricRow, Report


def daily_lift(report: Report, metrics: Sequence[str]) -> go.Figure:
    """Each day's lift with its 95% interval; the dotted line with stars is the true effect of that day."""
    shown = [key for key in metrics if any(row.metric == key for row in report.daily)]
    if not shown:
        return remark("This report has no daily effects for these metrics.")
    figure = day_grid(report, shown, report.days)
    for place, key in enumerate(shown):
        _draw_metric(figure, report, key, cell(place))
    figure.update_yaxes(tickformat=".3~%", rangemode="tozero")
    figure.update_yaxes(title_text="Lift (%), 95% interval", col=1)
    rows = [row for row in report.daily if row.metric in shown]
    marks.add_legend(figure, report, marks.treatments(report), marks.symbols_in(rows, hollow=_any_plain(rows)))
    return frame(figure, height(len(shown)))


def _any_plain(rows: Sequence[MetricRow]) -> bool:
    """True where some day's estimate is the plain one."""
    return any(row.method == "plain" and row.relative_effect is not None for row in rows)


def _draw_metric(figure: go.Figure, report: Report, metric: str, where: Cell) -> None:
    """All treatments of one metric around its zero line."""
    rows = [row for row in report.daily if row.metric == metric]
    for arm in marks.treatments(report):
        _draw_arm(figure, report, [row for row in rows if row.arm == arm], where)
    for row in rows:
        _admit_missing(figure, report, row, where)


def _draw_arm(figure: go.Figure, report: Report, rows: Sequence[MetricRow], where: Cell) -> None:
    """Intervals, then points (solid where adjusted, hollow where plain), then truth."""
    if not rows:
        return
    colour = arm_colour(report, rows[0].arm)
    estimates = [marks.main_mark(row, _place(row, report)) for row in rows]
    truth = [marks.true_mark(row, _place(row, report)) for row in rows]
    symbols = ["circle" if row.method == "cuped" else "circle-open" for row in rows]
    for trace in (_intervals(estimates, colour), _points(estimates, symbols, colour), _true_line(truth, colour)):
        trace.update(legendgroup=marks.arm_group(report, rows[0].arm), showlegend=False, meta=rows[0].arm)
        figure.add_trace(trace, row=where.row, col=where.column)


def _place(row: MetricRow, report: Report) -> float:
    """A daily row's day, moved a little so that treatments stand side by side."""
    if row.day is None:
        raise ValueError(f"daily row of {row.metric} without a day given; write the report anew: `askew report`")
    return row.day + 0.6 * marks.offset(report, row.arm)


def _intervals(estimates: Sequence[Mark], colour: str) -> go.Scatter:
    ends = marks.spans(estimates)
    return marks.interval_line(2.0, colour).update(x=ends.at, y=ends.value)


def _points(estimates: Sequence[Mark], symbols: list[str], colour: str) -> go.Scatter:
    return go.Scatter(
        x=[mark.at for mark in estimates],
        y=[mark.value for mark in estimates],
        mode="markers",
        marker=marks.marker("circle", colour).update(symbol=symbols, size=8),
        hovertext=[mark.hover for mark in estimates],
        hoverinfo="text",
        name="estimate",
    )


def _true_line(truth: Sequence[Mark], colour: str) -> go.Scatter:
    """Stars joined by a dotted line; a day without truth leaves a gap."""
    return go.Scatter(
        x=[mark.at for mark in truth],
        y=[mark.value for mark in truth],
        mode="lines+markers",
        line={"dash": "dot", "width": 1.5, "color": colour},
        marker=marks.marker("star", TRUTH).update(size=10),
        hovertext=[mark.hover for mark in truth],
        hoverinfo="text",
        name="star",
    )


def _admit_missing(figure: go.Figure, report: Report, row: MetricRow, where: Cell) -> None:
    """Write `missing` at the foot of the panel on a day whose lift is null; pointing at it tells why."""
    if row.relative_effect is not None:
        return
    reason = f"{row.arm}, day {row.day}: {wording.why(row.reasons, 'relative_effect')}"
    figure.add_annotation(
        text=f"<i>{wording.MISSING}</i>",
        hovertext=wording.in_figure(reason, 50),
        x=_place(row, report),
        y=0.02,
        yref="y domain",
        yanchor="bottom",
        textangle=-90,
        showarrow=False,
        font={"size": 11},
        row=where.row,
        col=where.column,
    )
