"""What the questionnaire saw and what it hides: its funnel, and the ways to state the satisfied share."""

from collections.abc import Callable, Sequence
from typing import Final

import plotly.graph_objects as go

from dashboards.figures import interval_marks
from dashboards.figures.interval_marks import Symbol
from dashboards.figures.theme import QUIET, arm_colour, frame, remark
from dashboards.text import formatting
from simulator.reports.report import Number, QuestionnaireRow, Report

STAGES: Final = (
    "views that may be asked about",
    "asked",
    "answered",
    "answered: satisfied",
    "answered: uncertain",
    "answered: dissatisfied",
)
ESTIMATORS: Final[tuple[tuple[Symbol, str, Callable[[QuestionnaireRow], Number]], ...]] = (
    ("circle-open", "naive: of the answers", lambda row: row.naive),
    ("circle", "weighted by chance of answering", lambda row: row.weighted),
    ("diamond", "doubly robust", lambda row: row.doubly_robust),
    ("star-open", "true: what all asked would say", lambda row: row.true_asked),
    ("star", "true: of all views that may be asked about", lambda row: row.true),
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
    for place, row in enumerate(report.questionnaire):
        _draw_funnel(figure, report, row, (place - (len(arms) - 1) / 2) * 0.7 / len(arms))
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
    for symbol, meaning, share_of in ESTIMATORS:
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
    shift = 0.16 * ([each for each, _, _ in ESTIMATORS].index(symbol) % 3 - 1)
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
    """Lanes from top to bottom."""
    ticks = [formatting.in_figure(name, 32) for name in names]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=ticks, range=[len(names) - 0.5, -0.5])
    figure.update_yaxes(showgrid=False, zeroline=False)
