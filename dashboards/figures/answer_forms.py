"""The satisfied share by each estimator, and what becomes of it when the satisfied are likelier to answer."""

from typing import Final

import plotly.graph_objects as go

from dashboards.figures import interval_marks, lanes
from dashboards.figures.theme import QUIET, TRUTH, arm_colour, frame, remark
from dashboards.tables.sections import BOUNDS, ESTIMATORS, points
from dashboards.text import formatting
from simulator.reports.answer_forms import AnswerForms, EffectAtRatio, SignChange
from simulator.reports.report import Report

_OLD: Final = "This report is older than this figure: `askew report` writes it anew."
_NO_ARMS: Final = "This report compares nothing."


def shares_by_estimator(report: Report) -> go.Figure:
    """One lane per estimator, arms beside each other, each estimate with its interval and the truth of its bucket."""
    forms = _forms(report)
    if forms is None:
        return remark(_OLD)
    figure, arms = go.Figure(), [arm.name for arm in report.arms]
    names = [ESTIMATORS[each] for each in dict.fromkeys(row.estimator for row in forms.shares)] + [BOUNDS]
    shift = {arm: (place - (len(arms) - 1) / 2) * 0.7 / len(arms) for place, arm in enumerate(arms)}
    for row in forms.shares:
        at = names.index(ESTIMATORS[row.estimator]) + shift[row.arm]
        lanes.draw_interval(figure, report, row.arm, at, (row.low, row.high))
        lanes.draw_point(figure, report, row.arm, at, row.share, f"{row.arm}: {formatting.share(row.share)}")
        lanes.draw_truth(figure, at, row.true, f"{row.arm}, true: {formatting.share(row.true)}", (row.low, row.high))
    for row in (each for each in forms.bounds if each.baseline is None):
        at = names.index(BOUNDS) + shift[row.arm]
        lanes.draw_interval(figure, report, row.arm, at, (row.low, row.high))
        lanes.draw_interval(figure, report, row.arm, at, (row.lower, row.upper), width=9)
        lanes.draw_truth(figure, at, row.true, f"{row.arm}, true: {formatting.share(row.true)}", (row.low, row.high))
    title = "Share that would say satisfied, of all asked (%), with 95% interval"
    figure.update_xaxes(title_text=title, tickformat=".3~%", zeroline=False)
    return lanes.finish_lanes(figure, report, names, [*arms])


def share_over_ratio(report: Report) -> go.Figure:
    """Per arm, the share over how many times as likely to answer the satisfied are; the true place as a star."""
    forms = _forms(report)
    if forms is None:
        return remark(_OLD)
    figure = go.Figure()
    for arm in (each.name for each in report.arms):
        mine = [row for row in forms.curve if row.arm == arm and row.share is not None]
        figure.add_scatter(
            x=[row.ratio for row in mine],
            y=[row.share for row in mine],
            mode="lines",
            line={"color": arm_colour(report, arm), "width": 2},
            name=formatting.in_legend(arm),
            hoverinfo="x+y",
            meta=arm,
        )
    known = [row for row in forms.ratios if row.ratio is not None and row.true is not None]
    _stars(figure, [row.ratio or 0.0 for row in known], [row.true or 0.0 for row in known], [row.arm for row in known])
    _ratio_axis(figure, "Chance of answering of the satisfied over that of the others (1: as likely)")
    figure.update_yaxes(title_text="Share that would say satisfied, of all asked (%)", tickformat=".3~%")
    return frame(figure, 340)


def effect_over_ratio(report: Report) -> go.Figure:
    """Per treatment, the range of the effect as each arm's ratio may lie further from 1; where its sign turns."""
    forms = _forms(report)
    if forms is None:
        return remark(_OLD)
    if not forms.ranges:
        return remark(_NO_ARMS)
    figure = go.Figure()
    for sign in forms.signs:
        mine = [row for row in forms.ranges if row.arm == sign.arm]
        colour = arm_colour(report, sign.arm)
        for ends, dash in (((_least, _most), "solid"), ((_low, _high), "dot")):
            for place, end in enumerate(ends):
                figure.add_scatter(
                    x=[row.ratio for row in mine],
                    y=[end(row) for row in mine],
                    mode="lines",
                    line={"color": colour, "width": 2 if dash == "solid" else 1, "dash": dash},
                    name=formatting.in_legend(sign.arm + (", with 95% interval" if dash == "dot" else "")),
                    showlegend=place == 0,
                    hoverinfo="x+y",
                    meta=sign.arm,
                )
        _turn(figure, sign, colour, named=sign is forms.signs[0])
    figure.add_hline(y=0, line={"color": QUIET, "width": 1})
    _ratio_axis(figure, "Ratio g: in each arm the satisfied are between 1/g and g times as likely to answer")
    figure.update_yaxes(title_text="Difference of shares (percentage points)", tickformat=".3~%")
    return frame(figure, 340)


def _turn(figure: go.Figure, sign: SignChange, colour: str, *, named: bool) -> None:
    """Mark where the estimated effect may be 0."""
    if sign.ratio is not None:
        figure.add_scatter(
            x=[sign.ratio],
            y=[0.0],
            mode="markers",
            marker=interval_marks.marker("diamond", colour),
            hovertext=formatting.in_figure(f"{sign.arm}: sign open from g = {sign.ratio:.2f}"),
            hoverinfo="text",
            showlegend=False,
            meta=sign.arm,
            name="diamond",
        )
    if sign.true_effect is not None:
        _stars(figure, [1.0], [sign.true_effect], [f"{sign.arm}: {points(sign.true_effect)}"], named=named)


def _stars(figure: go.Figure, x: list[float], y: list[float], labels: list[str], *, named: bool = True) -> None:
    """The truth."""
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker=interval_marks.marker("star", TRUTH),
        hovertext=[formatting.in_figure(f"true, {label}") for label in labels],
        hoverinfo="text",
        name="true",
        showlegend=named,
        meta="truth",
    )


def _ratio_axis(figure: go.Figure, title: str) -> None:
    """Ratios on a log axis, where a ratio and its inverse are equally far from 1."""
    ticks = [0.25, 0.5, 1, 1.5, 2, 3, 4]
    figure.update_xaxes(type="log", title_text=title, tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])


def _forms(report: Report) -> AnswerForms | None:
    """What the report says of it, if it is not older."""
    return report.answering.forms if report.answering else None


def _least(row: EffectAtRatio) -> float | None:
    return row.lower


def _most(row: EffectAtRatio) -> float | None:
    return row.upper


def _low(row: EffectAtRatio) -> float | None:
    return row.low


def _high(row: EffectAtRatio) -> float | None:
    return row.high
