"""Lanes of estimates: one lane per side or estimator, the treatments beside each other, the truth as a star."""

from collections.abc import Sequence

import plotly.graph_objects as go

from dashboards.figures import interval_marks
from dashboards.figures.theme import TRUTH, arm_colour, frame
from dashboards.text import formatting
from simulator.reports.report import Report


def draw_interval(
    figure: go.Figure, report: Report, arm: str, at: float, ends: tuple[float | None, float | None], width: float = 3.0
) -> None:
    """Draw an interval as a bar; nothing where an end is missing."""
    if ends[0] is not None and ends[1] is not None:
        line = interval_marks.interval_line(width, arm_colour(report, arm))
        figure.add_trace(line.update(x=list(ends), y=[at, at], showlegend=False, meta=arm))


def draw_point(figure: go.Figure, report: Report, arm: str, at: float, value: float | None, hover: str) -> None:
    """Draw an estimate, or write in its lane that it is missing."""
    if value is None:
        interval_marks.write(figure, f"{arm}: {formatting.MISSING}", at)
        return
    marker = interval_marks.marker("circle", arm_colour(report, arm))
    figure.add_scatter(
        x=[value],
        y=[at],
        mode="markers",
        marker=marker,
        hovertext=formatting.in_figure(hover),
        hoverinfo="text",
        showlegend=False,
        meta=arm,
        name="circle",
    )


def draw_truth(
    figure: go.Figure, at: float, value: float | None, hover: str, ends: tuple[float | None, float | None]
) -> None:
    """Draw a true effect as a star, ringed where the interval misses it; nothing where it was not simulated."""
    if interval_marks.is_missed(value, *ends):
        figure.add_trace(interval_marks.missed_ring([value], [at], in_words=False))
    if value is not None:
        marker = interval_marks.marker("star", TRUTH)
        figure.add_scatter(
            x=[value],
            y=[at],
            mode="markers",
            marker=marker,
            hovertext=formatting.in_figure(hover),
            hoverinfo="text",
            showlegend=False,
            meta="truth",
            name="star",
        )


def finish_lanes(
    figure: go.Figure, report: Report, names: Sequence[str], arms: Sequence[str] | None = None
) -> go.Figure:
    """Name the lanes and the marks, and give the figure its height; effects are of treatments, shares of given arms."""
    shown, of = (interval_marks.treatments(report), "effect") if arms is None else (arms, "share")
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=[formatting.in_figure(name) for name in names],
        range=[len(names) - 0.4, -0.6],
    )
    figure.update_yaxes(showgrid=False, zeroline=False)
    interval_marks.add_legend(figure, report, shown, [("circle", "estimate"), ("star", f"true {of}")])
    if any(trace.name == "missed" for trace in interval_marks.traces_of(figure)):
        figure.add_trace(interval_marks.missed_legend())
    return frame(figure, (36 + 16 * (len(shown) - 1)) * len(names) + 150)
