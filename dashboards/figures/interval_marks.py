"""Points with intervals, as every figure draws them: hollow is plain, solid is adjusted, a star is the truth.

Stars are hollow, so that they hide neither an interval nor its end; a ring is around those that their interval missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, cast, final

import plotly.graph_objects as go

from dashboards.figures.theme import MISSED, QUIET, TRUTH, arm_colour
from dashboards.text import formatting
from simulator.reports.report import Estimate, MetricRow, Number, Report

Symbol = Literal["circle", "circle-open", "diamond", "star", "star-open"]
SYMBOLS: Final[tuple[tuple[Symbol, str], ...]] = (
    ("circle", "adjusted by the pre-period"),
    ("circle-open", "plain"),
    ("star", "true effect"),
)


@final
@dataclass(frozen=True)
class Mark:
    """One value and where it stands.

    Attributes:
        at: Place on the axis that does not measure: a lane of a forest, a day of a curve.
        value: What is measured; None is not drawn.
        low: Lower end of the interval, None without.
        high: Upper end.
        hover: Shown when pointed at.
    """

    at: float
    value: Number
    low: Number
    high: Number
    hover: str


@final
@dataclass(frozen=True)
class Spans:
    """Intervals as one broken line: two ends, a gap, two ends."""

    at: list[Number]
    value: list[Number]


def spans(marks: Sequence[Mark]) -> Spans:
    """The intervals of the marks that have both ends."""
    whole = [mark for mark in marks if mark.low is not None and mark.high is not None]
    at: list[Number] = [x for mark in whole for x in (mark.at, mark.at, None)]
    return Spans(at, [end for mark in whole for end in (mark.low, mark.high, None)])


def interval_line(width: float, colour: str) -> go.Scatter:
    """The style of intervals; the tiny markers keep their ends off the edge of the panel."""
    line, marker = {"width": width, "color": colour}, {"size": 1, "color": colour}
    return go.Scatter(mode="lines+markers", line=line, marker=marker, hoverinfo="skip", name="interval")


def offset(report: Report, arm: str) -> float:
    """How far a treatment is moved off its lane so that several stand side by side, in lanes."""
    names = treatments(report)
    return (names.index(arm) - (len(names) - 1) / 2) * lane_step(report)


def lane_step(report: Report) -> float:
    """Distance between two treatments of a lane."""
    return 0.7 / len(treatments(report))


def treatments(report: Report) -> list[str]:
    """All arms but the control, which is the first."""
    return [arm.name for arm in report.arms[1:]]


def hover(row: MetricRow, estimate: Estimate | MetricRow, title: str) -> str:
    """What an estimate's point says when pointed at."""
    lines = [
        (
            f"{formatting.in_figure(row.arm)} against {formatting.in_figure(row.baseline)}: "
            f"{formatting.in_figure(row.label)}"
        ),
        f"{title}: {formatting.lift(estimate.relative_effect)}",
        f"95% interval: {formatting.interval(estimate.ci_low, estimate.ci_high)}",
        f"p: {formatting.p_value(estimate.p_value)}",
        f"true effect: {formatting.lift(row.true_relative_effect)}",
    ]
    return "<br>".join(lines)


def main_mark(row: MetricRow, at: float) -> Mark:
    """The estimate the report goes by."""
    title = "adjusted" if row.method != "plain" else "not adjusted"
    return Mark(at, row.relative_effect, row.ci_low, row.ci_high, hover(row, row, title))


def plain_mark(row: MetricRow, at: float) -> Mark:
    """The estimate that is not adjusted."""
    plain = row.plain
    return Mark(at, plain.relative_effect, plain.ci_low, plain.ci_high, hover(row, plain, "not adjusted"))


def true_mark(row: MetricRow, at: float) -> Mark:
    """The true effect, without an interval."""
    return Mark(at, row.true_relative_effect, None, None, hover(row, row, "estimate"))


def marker(symbol: Symbol, colour: str) -> go.scatter.Marker:
    """Stars are larger and in the colour of truth; circles take the arm's."""
    if symbol == "star":
        return go.scatter.Marker(symbol="star-open", size=12, color=TRUTH, line={"width": 1.8, "color": TRUTH})
    if symbol == "star-open":
        return go.scatter.Marker(symbol="hexagram-open", size=13, color=TRUTH, line={"width": 1.2, "color": TRUTH})
    line = {"width": 1.6, "color": colour}
    return go.scatter.Marker(symbol=symbol, size=9, color=colour, line=line)


def is_missed(value: Number, low: Number, high: Number) -> bool:
    """Whether an interval that is known leaves out a truth that is known."""
    return value is not None and low is not None and high is not None and not low <= value <= high


def missed_ring(x: Sequence[Number], y: Sequence[Number], *, in_words: bool = True) -> go.Scatter:
    """Rings around true effects that their intervals missed, with the word beside them where there is room."""
    return go.Scatter(
        x=list(x),
        y=list(y),
        mode="markers+text" if in_words else "markers",
        text=["missed"] * len(x) if in_words else None,
        textposition="top center",
        textfont={"size": 11},
        marker={"symbol": "circle-open", "size": 19, "color": MISSED, "line": {"width": 2, "color": MISSED}},
        hoverinfo="skip",
        name="missed",
        showlegend=False,
        cliponaxis=False,
    )


def traces_of(figure: go.Figure) -> tuple[go.Scatter, ...]:
    """What is drawn in a figure."""
    return cast("tuple[go.Scatter, ...]", figure.data)


def missed_legend() -> go.Scatter:
    """What a ring means."""
    ring = {"symbol": "circle-open", "size": 13, "color": MISSED, "line": {"width": 2, "color": MISSED}}
    return go.Scatter(x=[None], y=[None], mode="markers", marker=ring, name="true effect missed by the interval")


def add_legend(figure: go.Figure, report: Report, arms: Sequence[str], symbols: Sequence[tuple[Symbol, str]]) -> None:
    """Name the arms by colour and the symbols by shape."""
    for arm in arms:
        sign = go.scatter.Marker(symbol="square", size=11, color=arm_colour(report, arm))
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker=sign,
            name=formatting.in_legend(arm),
            legendgroup=arm_group(report, arm),
        )
    for symbol, meaning in symbols:
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=marker(symbol, QUIET), name=meaning)


def symbols_in(rows: Sequence[MetricRow], *, hollow: bool) -> list[tuple[Symbol, str]]:
    """The symbols that drawn rows use, with their meaning; `hollow` says whether plain estimates are drawn."""
    used = {
        "circle": any(row.method != "plain" for row in rows),
        "circle-open": hollow,
        "star": any(row.true_relative_effect is not None for row in rows),
    }
    return [pair for pair in SYMBOLS if used[pair[0]]]


def write(figure: go.Figure, text: str, at: float) -> None:
    """Write a remark at the left end of a lane, in place of a point that cannot be drawn."""
    figure.add_annotation(
        text=f"<i>{formatting.in_figure(text, 48)}</i>",
        x=0.01,
        xref="paper",
        xanchor="left",
        y=at,
        showarrow=False,
        font={"size": 11},
    )


def arm_group(report: Report, arm: str) -> str:
    """Traces of one arm hide and show together when its name is clicked."""
    return f"arm {[summary.name for summary in report.arms].index(arm)}"
