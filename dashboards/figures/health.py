"""Whether the split can be trusted: bucket sizes, active users day by day, and differences before the test."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import plotly.graph_objects as go

from dashboards.figures import interval_marks
from dashboards.figures.theme import CLEAR, QUIET, TRUTH, arm_colour, frame, remark
from dashboards.text import formatting
from simulator.reports.report import Number, Report
from simulator.reports.sections import split_alarm


def bucket_sizes(report: Report) -> go.Figure:
    """Users planned and users seen in each arm, side by side."""
    arms = [arm.name for arm in report.arms]
    colours = [arm_colour(report, arm) for arm in arms]
    figure = go.Figure()
    hollow = go.bar.Marker(color=CLEAR, line={"color": colours, "width": 1.6})
    _add_bars(figure, arms, [report.health.users_planned.get(arm) for arm in arms], hollow)
    _add_bars(figure, arms, [report.health.users_seen.get(arm) for arm in arms], go.bar.Marker(color=colours))
    _explain_bars(figure)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(title_text="Users", rangemode="tozero")
    return frame(figure, 56 * len(arms) + 130).update_layout(margin_r=80)


def _add_bars(figure: go.Figure, arms: Sequence[str], users: Sequence[Number], marker: go.bar.Marker) -> None:
    """One bar per arm with its number at the end."""
    figure.add_bar(
        x=list(users),
        y=[formatting.in_figure(arm, 24) for arm in arms],
        orientation="h",
        marker=marker,
        text=[f" {formatting.count(value)}" for value in users],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )


def _explain_bars(figure: go.Figure) -> None:
    """Hollow is planned, solid is seen."""
    for name, colour in (("planned", CLEAR), ("seen", QUIET)):
        sign = {"symbol": "square", "size": 11, "color": colour, "line": {"color": QUIET, "width": 1.6}}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=sign, name=name)


def split_over_time(report: Report) -> go.Figure:
    """The p-value of active users per arm, day by day, with the line that alarms."""
    checks = [check for check in report.health.split_by_day if check.p_value is not None]
    if not checks:
        return remark("This report has no split by day.")
    figure = go.Figure()
    figure.add_scatter(
        x=[check.day for check in checks],
        y=[max(check.p_value or 0.0, 1e-12) for check in checks],
        mode="lines+markers",
        line={"color": QUIET, "width": 1.6},
        marker={"size": 8, "color": QUIET},
        hovertext=[formatting.in_figure(f"{c.within}: p = {formatting.p_value(c.p_value)}") for c in checks],
        hoverinfo="text",
        name="p-value of the day's active users",
        meta="split",
    )
    alarm = split_alarm(checks)
    figure.add_hline(y=alarm, line_dash="dash", line_color=TRUTH, line_width=1.5)
    sign = go.scatter.Line(color=TRUTH, dash="dash", width=1.5)
    figure.add_scatter(x=[None], y=[None], mode="lines", line=sign, name=f"alarm below {alarm:.2g}")
    lowest = min(alarm, *(max(check.p_value or 0.0, 1e-12) for check in checks))
    figure.update_yaxes(type="log", title_text="p-value (log scale)", dtick=1, tickformat=".0e")
    figure.update_yaxes(range=[math.log10(lowest) - 0.4, 0.2])
    figure.update_xaxes(title_text="Day of the test", dtick=_day_step(len(checks)))
    return frame(figure, 300)


def _day_step(days: int) -> int:
    """Every day is named, or every so many."""
    return max(1, days // 10)


@final
@dataclass(frozen=True)
class Placebo:
    """One comparison made before the test, when nothing differed yet."""

    arm: str
    metric: str
    p_value: Number


def placebos(report: Report) -> list[Placebo]:
    """The pre-period comparisons, in the report's order."""
    parts = [(key.rpartition("/"), p) for key, p in report.health.pre_period.items()]
    return [Placebo(arm, metric, p) for (arm, _, metric), p in parts]


def pre_period(report: Report) -> go.Figure:
    """The p-value of each treatment's difference before the test; the shaded part is below .05."""
    checks = placebos(report)
    if not checks:
        return remark("This report has no pre-period checks.")
    lanes = list(dict.fromkeys(check.metric for check in checks))
    figure = go.Figure()
    for arm in interval_marks.treatments(report):
        _draw_arm(figure, report, [check for check in checks if check.arm == arm], lanes)
    figure.add_vrect(x0=0, x1=0.05, fillcolor=QUIET, opacity=0.2, line_width=0, layer="below")
    figure.update_xaxes(title_text="p-value of the difference before the test", range=[-0.02, 1.02], zeroline=False)
    names = [formatting.in_figure(lane, 24) for lane in lanes]
    figure.update_yaxes(tickvals=list(range(len(lanes))), ticktext=names, range=[len(lanes) - 0.4, -0.6])
    interval_marks.add_legend(figure, report, interval_marks.treatments(report), [])
    return frame(figure.update_yaxes(zeroline=False), 34 * len(lanes) + 140)


def _draw_arm(figure: go.Figure, report: Report, checks: Sequence[Placebo], lanes: Sequence[str]) -> None:
    """One treatment's dots, and a word in the lane of a p-value that is null."""
    if not checks:
        return
    arm = checks[0].arm
    figure.add_scatter(
        x=[check.p_value for check in checks],
        y=[lanes.index(check.metric) + interval_marks.offset(report, arm) for check in checks],
        mode="markers",
        marker=interval_marks.marker("circle", arm_colour(report, arm)),
        hovertext=[_hover(check) for check in checks],
        hoverinfo="text",
        legendgroup=interval_marks.arm_group(report, arm),
        showlegend=False,
        meta=arm,
    )
    for check in (check for check in checks if check.p_value is None):
        at = lanes.index(check.metric) + interval_marks.offset(report, arm)
        interval_marks.write(figure, f"{arm}: {formatting.MISSING}", at)


def _hover(check: Placebo) -> str:
    return formatting.in_figure(f"{check.arm}, {check.metric}: p = {formatting.p_value(check.p_value)}")
