"""Figures of the sections beyond the scorecard: splits over time, answering, P2N by side, and the distribution."""

import math
from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go

from dashboards.figures import interval_marks
from dashboards.figures.theme import QUIET, TRUTH, arm_colour, frame, remark
from dashboards.tables.sections import ESTIMATORS, points
from dashboards.text import formatting
from simulator.reports.report import Report
from simulator.reports.sections import QuantileEffect

_BOUNDS: Final = "bounds (Lee)"


def split_over_time(report: Report) -> go.Figure:
    """The p-value of active users per arm, day by day, with the line that alarms."""
    checks = [check for check in report.health.split_by_day if check.p_value is not None]
    if not checks:
        return remark("This report has no split by day.")
    figure = go.Figure()
    figure.add_scatter(
        x=[int(check.within.removeprefix("day ")) for check in checks],
        y=[max(check.p_value or 0.0, 1e-12) for check in checks],
        mode="lines+markers",
        line={"color": QUIET, "width": 1.6},
        marker={"size": 8, "color": QUIET},
        hovertext=[formatting.in_figure(f"{c.within}: p = {formatting.p_value(c.p_value)}") for c in checks],
        hoverinfo="text",
        name="p-value of the day's active users",
        meta="split",
    )
    alarm = 0.001 / len(checks)
    figure.add_hline(y=alarm, line_dash="dash", line_color=TRUTH, line_width=1.5)
    sign = go.scatter.Line(color=TRUTH, dash="dash", width=1.5)
    figure.add_scatter(x=[None], y=[None], mode="lines", line=sign, name=f"alarm below {alarm:.2g}")
    lowest = min(alarm, *(max(check.p_value or 0.0, 1e-12) for check in checks))
    figure.update_yaxes(type="log", title_text="p-value (log scale)", dtick=1, tickformat=".0e")
    figure.update_yaxes(range=[math.log10(lowest) - 0.4, 0.2])
    figure.update_xaxes(title_text="Day of the test", dtick=_day_step(len(checks)))
    return frame(figure, 300)


def quantile_effects(report: Report) -> go.Figure:
    """The difference of each quantile of daily watch seconds, with its interval and the truth."""
    if not report.distribution:
        return remark("This report has no distribution.")
    figure = go.Figure()
    for arm in interval_marks.treatments(report):
        rows = [row for row in report.distribution if row.arm == arm]
        _draw_quantiles(figure, report, arm, rows)
    figure.add_hline(y=0, line_width=1.2, line_color=QUIET)
    figure.update_xaxes(title_text="Users, from those who watch least to most (%)", ticksuffix="", dtick=10)
    control = formatting.in_figure(report.arms[0].name, 24)
    figure.update_yaxes(title_text=f"Lift of daily watch time over {control} (%)", tickformat=".3~%")
    interval_marks.add_legend(figure, report, interval_marks.treatments(report), [])
    line = go.scatter.Line(color=TRUTH, dash="dot", width=2)
    figure.add_scatter(x=[None], y=[None], mode="lines", line=line, name="true effect")
    return frame(figure, 340)


def _draw_quantiles(figure: go.Figure, report: Report, arm: str, rows: Sequence[QuantileEffect]) -> None:
    """One treatment's estimates, intervals and truth."""
    colour, group = arm_colour(report, arm), interval_marks.arm_group(report, arm)
    x = [100 * row.quantile for row in rows]
    figure.add_scatter(
        x=x,
        y=[row.lift for row in rows],
        mode="markers",
        marker=interval_marks.marker("circle", colour),
        hovertext=[_quantile_hover(row) for row in rows],
        hoverinfo="text",
        legendgroup=group,
        showlegend=False,
        meta=arm,
        name="circle",
    )
    placed = [(x[i], row) for i, row in enumerate(rows) if row.lift_low is not None and row.lift_high is not None]
    line = interval_marks.interval_line(1.6, colour)
    line.update(
        x=[place for at, _ in placed for place in (at, at, None)],
        y=[end for _, row in placed for end in (row.lift_low, row.lift_high, None)],
    )
    figure.add_trace(line.update(legendgroup=group, showlegend=False, meta=arm))
    figure.add_scatter(
        x=x,
        y=[row.true_lift for row in rows],
        mode="lines",
        line={"color": TRUTH, "dash": "dot", "width": 2},
        hoverinfo="skip",
        legendgroup=group,
        showlegend=False,
        meta=arm,
        name="star",
    )


def _quantile_hover(row: QuantileEffect) -> str:
    ends = f"{formatting.number(row.control)} to {formatting.number(row.treatment)} s"
    said = f"{row.quantile:.0%} of users watch less: {ends}"
    return formatting.in_figure(said)


def p2n_sides(report: Report) -> go.Figure:
    """Lift of positives and of negatives, each by itself."""
    if not report.p2n:
        return remark("This report has no P2N by side.")
    lanes = list(dict.fromkeys(row.side for row in report.p2n))
    figure = go.Figure()
    for row in report.p2n:
        at = lanes.index(row.side) + interval_marks.offset(report, row.arm)
        _interval(figure, report, row.arm, at, (row.low, row.high))
        _point(figure, report, row.arm, at, row.lift, f"{row.side}, {row.arm}: {formatting.lift(row.lift)}")
        _star(figure, at, row.true_lift, f"true: {formatting.lift(row.true_lift)}")
    title = f"Lift over {formatting.in_figure(report.arms[0].name, 24)} (%), with 95% interval"
    figure.update_xaxes(title_text=title, tickformat=".3~%", rangemode="tozero")
    return _lanes(figure, report, lanes)


def answer_effects(report: Report) -> go.Figure:
    """Effect on the satisfied share by each estimator, and Lee's bounds, beside the truth."""
    if report.answering is None or not report.answering.effects:
        return remark("This report has no effects on the satisfied share.")
    lanes = [*ESTIMATORS.values(), _BOUNDS]
    figure = go.Figure()
    true: dict[str, float | None] = {}
    for row in report.answering.effects:
        at = lanes.index(ESTIMATORS[row.estimator]) + interval_marks.offset(report, row.arm)
        _interval(figure, report, row.arm, at, (row.low, row.high))
        _point(figure, report, row.arm, at, row.effect, f"{row.arm}: {points(row.effect)}")
        _star(figure, at, row.true_effect, f"true: {points(row.true_effect)}")
        true[row.arm] = row.true_effect
    for row in report.answering.bounds:
        at = lanes.index(_BOUNDS) + interval_marks.offset(report, row.arm)
        _interval(figure, report, row.arm, at, (row.low, row.high))
        _interval(figure, report, row.arm, at, (row.lower, row.upper), width=9)
        _star(figure, at, true.get(row.arm), f"true: {points(true.get(row.arm))}")
    title = "Difference of satisfied shares (percentage points), with 95% interval"
    figure.update_xaxes(title_text=title, tickformat=".3~%", ticksuffix="", rangemode="tozero")
    return _lanes(figure, report, lanes)


def answered_by_feeling(report: Report) -> go.Figure:
    """Answer rate by tenth of true satisfaction, one line per arm."""
    rows = report.answering.by_feeling if report.answering else []
    if not rows:
        return remark("This report does not say who answers.")
    figure = go.Figure()
    known = [arm.name for arm in report.arms]
    for arm in dict.fromkeys(row.arm for row in rows):
        mine = [row for row in rows if row.arm == arm]
        colour = arm_colour(report, arm) if arm in known else QUIET
        figure.add_scatter(
            x=[row.decile for row in mine],
            y=[row.rate for row in mine],
            mode="lines+markers",
            line={"color": colour, "width": 2},
            marker={"size": 8, "color": colour},
            hovertext=[formatting.in_figure(f"{arm}: {row.rate:.1%} of {row.asked:,}") for row in mine],
            hoverinfo="text",
            name=formatting.in_legend(arm),
            meta=arm,
        )
    figure.update_xaxes(title_text="Tenth of asked views, from the least to the most truly satisfying", dtick=1)
    figure.update_yaxes(title_text="Answered (%)", tickformat=".3~%", rangemode="tozero")
    return frame(figure, 320)


def propensity_calibration(report: Report) -> go.Figure:
    """Estimated against true chance of an answer; on the line they agree."""
    rows = report.answering.calibration if report.answering else []
    if not rows:
        return remark("This report does not say how well answering is foretold.")
    low = 0.9 * min(min(row.estimated, row.true) for row in rows)
    high = 1.1 * max(max(row.estimated, row.true) for row in rows)
    figure = go.Figure()
    dash = {"color": QUIET, "dash": "dash", "width": 1.5}
    figure.add_scatter(x=[low, high], y=[low, high], mode="lines", line=dash, hoverinfo="skip", name="as estimated")
    figure.add_scatter(
        x=[row.estimated for row in rows],
        y=[row.true for row in rows],
        mode="lines+markers",
        line={"color": TRUTH, "width": 2},
        marker=interval_marks.marker("star", TRUTH),
        hovertext=[f"{row.asked:,} asked, {row.answered:.1%} answered" for row in rows],
        hoverinfo="text",
        name="true chance",
        meta="calibration",
    )
    figure.update_xaxes(title_text="Estimated chance of an answer (%)", tickformat=".3~%")
    figure.update_yaxes(title_text="True chance (%)", tickformat=".3~%")
    return frame(figure, 320)


def _interval(
    figure: go.Figure, report: Report, arm: str, at: float, ends: tuple[float | None, float | None], width: float = 3.0
) -> None:
    """A bar from end to end; nothing where one is missing."""
    if ends[0] is not None and ends[1] is not None:
        line = interval_marks.interval_line(width, arm_colour(report, arm))
        figure.add_trace(line.update(x=list(ends), y=[at, at], showlegend=False, meta=arm))


def _point(figure: go.Figure, report: Report, arm: str, at: float, value: float | None, said: str) -> None:
    """An estimate, or a word in its lane."""
    if value is None:
        interval_marks.write(figure, f"{arm}: {formatting.MISSING}", at)
        return
    marker = interval_marks.marker("circle", arm_colour(report, arm))
    figure.add_scatter(
        x=[value],
        y=[at],
        mode="markers",
        marker=marker,
        hovertext=formatting.in_figure(said),
        hoverinfo="text",
        showlegend=False,
        meta=arm,
        name="circle",
    )


def _star(figure: go.Figure, at: float, value: float | None, said: str) -> None:
    """A true effect, where it is known."""
    if value is not None:
        marker = interval_marks.marker("star", TRUTH)
        figure.add_scatter(
            x=[value],
            y=[at],
            mode="markers",
            marker=marker,
            hovertext=formatting.in_figure(said),
            hoverinfo="text",
            showlegend=False,
            meta="truth",
            name="star",
        )


def _lanes(figure: go.Figure, report: Report, lanes: Sequence[str]) -> go.Figure:
    """Name the lanes and the marks, and give the figure its height."""
    figure.update_yaxes(tickvals=list(range(len(lanes))), ticktext=list(lanes), range=[len(lanes) - 0.4, -0.6])
    figure.update_yaxes(showgrid=False, zeroline=False)
    interval_marks.add_legend(
        figure, report, interval_marks.treatments(report), [("circle", "estimate"), ("star", "true effect")]
    )
    return frame(figure, (36 + 16 * (len(report.arms) - 2)) * len(lanes) + 150)


def _day_step(days: int) -> int:
    """Every day is named, or every so many."""
    return max(1, days // 10)
