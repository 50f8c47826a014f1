"""The questionnaire: its funnel, the satisfied share and the effect on it by each estimator, and who answers."""

from collections.abc import Callable, Sequence
from typing import Final

import plotly.graph_objects as go

from dashboards.figures import interval_marks, lanes
from dashboards.figures.interval_marks import Symbol
from dashboards.figures.theme import QUIET, TRUTH, arm_colour, frame, remark
from dashboards.tables.sections import BOUNDS, ESTIMATORS, points
from dashboards.text import formatting
from simulator.reports.report import Number, QuestionnaireRow, Report

_BOUNDS: Final = "bounds (Lee)"
STAGES: Final = (
    "views that may be asked about",
    "asked",
    "answered",
    "answered: satisfied",
    "answered: uncertain",
    "answered: dissatisfied",
)
SHARES: Final[tuple[tuple[Symbol, str, Callable[[QuestionnaireRow], Number]], ...]] = (
    ("circle-open", "naive: of the answers", lambda row: row.naive),
    ("circle", "weighted by chance of answering", lambda row: row.weighted),
    ("diamond", "doubly robust", lambda row: row.doubly_robust),
    ("star", "true: what all asked would say", lambda row: row.true_asked),
    ("star-open", "another quantity: truly satisfied, of all that may be asked", lambda row: row.true),
)


def counts(row: QuestionnaireRow) -> tuple[int, ...]:
    """The funnel of one arm, in the order of `STAGES`."""
    return (row.eligible, row.exposed, row.answered, row.satisfied, row.uncertain, row.dissatisfied)


def funnel(report: Report) -> go.Figure:
    """Counts of each stage on a log axis, where equal distances are equal rates."""
    arms = [row.arm for row in report.questionnaire]
    if not arms:
        return remark("This report has no questionnaire.")
    figure = go.Figure()
    for index, row in enumerate(report.questionnaire):
        _draw_funnel(figure, report, row, (index - (len(arms) - 1) / 2) * 0.7 / len(arms))
    title = "Views or answers (count; each grid line is ten times the last)"
    figure.update_xaxes(type="log", title_text=title, dtick=1, tickformat=",", zeroline=False)
    _name_lanes(figure, STAGES)
    interval_marks.add_legend(figure, report, arms, [])
    return frame(figure, (24 + 14 * len(arms)) * len(STAGES) + 120).update_layout(margin_r=90)


def _draw_funnel(figure: go.Figure, report: Report, row: QuestionnaireRow, shift: float) -> None:
    """One arm's counts with their numbers; zero has no place on a log axis and is written at the left."""
    stages = counts(row)
    figure.add_scatter(
        x=[count or None for count in stages],
        y=[lane + shift for lane in range(len(stages))],
        mode="markers+text",
        marker=interval_marks.marker("circle", arm_colour(report, row.arm)),
        text=[f"  {count:,}" for count in stages],
        textposition="middle right",
        textfont={"size": 11},
        cliponaxis=False,
        hoverinfo="skip",
        legendgroup=interval_marks.arm_group(report, row.arm),
        showlegend=False,
        meta=row.arm,
    )
    for lane in (lane for lane, count in enumerate(stages) if count == 0):
        interval_marks.write(figure, f"{row.arm}: 0", lane + shift)


def satisfied_shares(report: Report) -> go.Figure:
    """Per arm, the satisfied share by each estimator and in truth."""
    rows = report.questionnaire
    if not rows:
        return remark("This report has no questionnaire.")
    figure = go.Figure()
    for symbol, meaning, share_of in SHARES:
        _draw_estimator(figure, report, symbol, share_of)
        figure.add_scatter(
            x=[None], y=[None], mode="markers", marker=interval_marks.marker(symbol, QUIET), name=meaning
        )
    figure.update_xaxes(title_text="Satisfied share (%)", tickformat=".3~%", zeroline=False)
    _name_lanes(figure, [row.arm for row in rows])
    return frame(figure, 56 * len(rows) + 140)


def _draw_estimator(
    figure: go.Figure, report: Report, symbol: Symbol, share_of: Callable[[QuestionnaireRow], Number]
) -> None:
    """One symbol in every arm's lane, a little apart from the others; an arm without the number has none."""
    shift = 0.16 * ([each for each, _, _ in SHARES].index(symbol) % 3 - 1)
    for lane, row in enumerate(report.questionnaire):
        figure.add_scatter(
            x=[share_of(row)],
            y=[lane + shift],
            mode="markers",
            marker=interval_marks.marker(symbol, arm_colour(report, row.arm)),
            hovertext=formatting.in_figure(f"{row.arm}: {formatting.share(share_of(row))}"),
            hoverinfo="text",
            showlegend=False,
            name=symbol,
            meta=row.arm,
        )


def _name_lanes(figure: go.Figure, names: Sequence[str]) -> None:
    ticks = [formatting.in_figure(name, 32) for name in names]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=ticks, range=[len(names) - 0.5, -0.5])
    figure.update_yaxes(showgrid=False, zeroline=False)


def answer_effects(report: Report) -> go.Figure:
    """Effect on the satisfied share by each estimator, and Lee's bounds, beside the truth."""
    if report.answering is None or not report.answering.effects:
        return remark("This report has no effects on the satisfied share.")
    estimators = dict.fromkeys(row.estimator for row in report.answering.effects)
    names = [*(ESTIMATORS[each] for each in estimators), _BOUNDS, *([BOUNDS] if report.answering.forms else [])]
    figure = go.Figure()
    true_effects: dict[str, float | None] = {}
    for row in report.answering.effects:
        at = names.index(ESTIMATORS[row.estimator]) + interval_marks.offset(report, row.arm)
        lanes.draw_interval(figure, report, row.arm, at, (row.low, row.high))
        lanes.draw_point(figure, report, row.arm, at, row.effect, f"{row.arm}: {points(row.effect)}")
        lanes.draw_truth(figure, at, row.true_effect, f"true: {points(row.true_effect)}", (row.low, row.high))
        true_effects[row.arm] = row.true_effect
    for row in report.answering.bounds:
        at = names.index(_BOUNDS) + interval_marks.offset(report, row.arm)
        lanes.draw_interval(figure, report, row.arm, at, (row.low, row.high))
        lanes.draw_interval(figure, report, row.arm, at, (row.lower, row.upper), width=9)
        lanes.draw_truth(
            figure, at, true_effects.get(row.arm), f"true: {points(true_effects.get(row.arm))}", (row.low, row.high)
        )
    for row in report.answering.forms.bounds if report.answering.forms else []:
        if row.baseline is not None:
            at = names.index(BOUNDS) + interval_marks.offset(report, row.arm)
            lanes.draw_interval(figure, report, row.arm, at, (row.low, row.high))
            lanes.draw_interval(figure, report, row.arm, at, (row.lower, row.upper), width=9)
            lanes.draw_truth(figure, at, row.true, f"true: {points(row.true)}", (row.low, row.high))
    title = "Difference of satisfied shares (percentage points), with 95% interval"
    figure.update_xaxes(title_text=title, tickformat=".3~%", ticksuffix="", rangemode="tozero")
    return lanes.finish_lanes(figure, report, names)


def answered_by_feeling(report: Report) -> go.Figure:
    """Answer rate by tenth of true satisfaction, one line per arm."""
    rows = report.answering.by_feeling if report.answering else []
    if not rows:
        return remark("This report does not say who answers.")
    figure = go.Figure()
    arms = [arm.name for arm in report.arms]
    for arm in dict.fromkeys(row.arm for row in rows):
        mine = [row for row in rows if row.arm == arm]
        colour = arm_colour(report, arm) if arm in arms else QUIET
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
