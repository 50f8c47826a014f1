"""Each day's lift with its interval beside the true effect, and each arm's level."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboards.figures import interval_marks
from dashboards.figures.interval_marks import Mark
from dashboards.figures.small_multiples import PanelPosition, cell, day_grid, height, upright_line
from dashboards.figures.theme import QUIET, TRUTH, arm_colour, frame, remark
from dashboards.text import formatting
from dashboards.text.decision import truth_in_interval
from simulator.reports.report import DayTotal, MetricRow, Number, Report


def daily_lift(report: Report, metrics: Sequence[str]) -> go.Figure:
    """Each day's lift with its 95% interval; the dotted line with stars is the true effect of that day."""
    keys = [key for key in metrics if any(row.metric == key for row in report.daily)]
    if not keys:
        return remark("This report has no daily effects for these metrics.")
    figure = day_grid(report, keys, report.days)
    for index, key in enumerate(keys):
        _draw_metric(figure, report, key, cell(index))
    figure.update_yaxes(tickformat=".3~%", rangemode="tozero")
    figure.update_yaxes(title_text="Lift (%), 95% interval", col=1)
    rows = [row for row in report.daily if row.metric in keys]
    interval_marks.add_legend(
        figure, report, interval_marks.treatments(report), interval_marks.symbols_in(rows, hollow=_any_plain(rows))
    )
    if any(trace.name == "missed" for trace in interval_marks.traces_of(figure)):
        figure.add_trace(interval_marks.missed_legend())
    return frame(figure, height(len(keys)))


def _any_plain(rows: Sequence[MetricRow]) -> bool:
    """True where some day's estimate is the plain one."""
    return any(row.method == "plain" and row.relative_effect is not None for row in rows)


def _draw_metric(figure: go.Figure, report: Report, metric: str, where: PanelPosition) -> None:
    rows = [row for row in report.daily if row.metric == metric]
    for arm in interval_marks.treatments(report):
        _draw_arm(figure, report, [row for row in rows if row.arm == arm], where)
    for row in rows:
        _admit_missing(figure, report, row, where)


def _draw_arm(figure: go.Figure, report: Report, rows: Sequence[MetricRow], where: PanelPosition) -> None:
    """Truth, then intervals, then points (solid where adjusted, hollow where plain)."""
    if not rows:
        return
    colour = arm_colour(report, rows[0].arm)
    estimates = [interval_marks.main_mark(row, _place(row, report)) for row in rows]
    truth = [interval_marks.true_mark(row, _place(row, report)) for row in rows]
    points = _points(estimates, ["circle" if row.method != "plain" else "circle-open" for row in rows], colour)
    for trace in (*_rings(rows, truth), _true_line(truth, colour), _intervals(estimates, colour), points):
        trace.update(legendgroup=interval_marks.arm_group(report, rows[0].arm), showlegend=False, meta=rows[0].arm)
        figure.add_trace(trace, row=where.row, col=where.column)


def _rings(rows: Sequence[MetricRow], truth: Sequence[Mark]) -> list[go.Scatter]:
    """Rings around the days whose interval missed the truth."""
    missed = [mark for row, mark in zip(rows, truth, strict=True) if truth_in_interval(row) == "missed"]
    marks = interval_marks.missed_ring([mark.at for mark in missed], [mark.value for mark in missed], in_words=False)
    return [marks] if missed else []


def _place(row: MetricRow, report: Report) -> float:
    """A daily row's day, moved a little so that treatments stand side by side."""
    if row.day is None:
        raise ValueError(f"daily row of {row.metric} without a day given; write the report anew: `askew report`")
    return row.day + 0.6 * interval_marks.offset(report, row.arm)


def _intervals(estimates: Sequence[Mark], colour: str) -> go.Scatter:
    ends = interval_marks.spans(estimates)
    return interval_marks.interval_line(2.0, colour).update(x=ends.at, y=ends.value)


def _points(estimates: Sequence[Mark], symbols: list[str], colour: str) -> go.Scatter:
    return go.Scatter(
        x=[mark.at for mark in estimates],
        y=[mark.value for mark in estimates],
        mode="markers",
        marker=interval_marks.marker("circle", colour).update(symbol=symbols, size=8),
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
        marker=interval_marks.marker("star", TRUTH).update(size=10),
        hovertext=[mark.hover for mark in truth],
        hoverinfo="text",
        name="star",
    )


def _admit_missing(figure: go.Figure, report: Report, row: MetricRow, where: PanelPosition) -> None:
    """Write `missing` at the foot of the panel on a day whose lift is null; pointing at it tells why."""
    if row.relative_effect is not None:
        return
    reason = f"{row.arm}, day {row.day}: {formatting.why(row.reasons, 'relative_effect')}"
    figure.add_annotation(
        text=f"<i>{formatting.MISSING}</i>",
        hovertext=formatting.in_figure(reason, 50),
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


def daily_levels(report: Report, metrics: Sequence[str]) -> go.Figure:
    """Each arm's level per day; the days before the test lie left of the line at day 0."""
    order = formatting.metric_keys(report)
    keys = [key for key in metrics if key in order and any(total.metric == key for total in report.totals)]
    if not keys:
        return remark("This report has no daily levels for these metrics.")
    figure = day_grid(report, keys, report.pre_days + report.days)
    for index, key in enumerate(keys):
        _draw_levels(figure, report, key, cell(index))
    _legend(figure, report, any(total.true_value is not None for total in report.totals))
    return frame(figure, height(len(keys)))


def missing_levels(report: Report, metrics: Sequence[str]) -> list[str]:
    """One line per bucket and day on which a metric could not be told."""
    return [
        f"{total.metric}, {total.arm}, day {total.day}: {formatting.MISSING}"
        for total in report.totals
        if total.value is None and total.metric in metrics
    ]


def _draw_levels(figure: go.Figure, report: Report, metric: str, where: PanelPosition) -> None:
    """All arms of one metric, in its unit."""
    for arm in report.arms:
        totals = [total for total in report.totals if total.metric == metric and total.arm == arm.name]
        _draw_arm_level(figure, report, sorted(totals, key=lambda total: total.day), where)
    _mark_start(figure, report, where)
    unit = formatting.in_figure(formatting.describe(report, metric).unit, 34)
    figure.update_yaxes(title_text=unit, zeroline=False, row=where.row, col=where.column)


def _draw_arm_level(figure: go.Figure, report: Report, totals: Sequence[DayTotal], where: PanelPosition) -> None:
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
        legendgroup=interval_marks.arm_group(report, arm),
        showlegend=False,
        meta=arm,
        name=what,
    )


def _hover(total: DayTotal, value: Number, what: str) -> str:
    return f"{formatting.in_figure(total.arm)}, day {total.day}<br>{what}: {formatting.number(value)}"


def _mark_start(figure: go.Figure, report: Report, where: PanelPosition) -> None:
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
    interval_marks.add_legend(figure, report, [arm.name for arm in report.arms], [])
    lines = [("solid", "in this bucket"), *([("dot", "truth: all users under the arm")] if with_truth else [])]
    for dash, meaning in lines:
        line = {"dash": dash, "color": QUIET, "width": 2}
        figure.add_scatter(x=[None], y=[None], mode="lines", line=line, name=meaning)
