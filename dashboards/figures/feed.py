"""One user's day, view by view: how long each was watched, and what the user did."""

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go

from dashboards.figures.theme import QUIET, TREATMENTS, TRUTH, frame, remark
from dashboards.text import formatting
from simulator.reports.trace import TracedView

HEADINGS: Final = ("View", "Hour", "Request", "Video", "Watched, s", "Did", "Questionnaire")
TRUE_HEADINGS: Final = ("True satisfaction", "True appeal")
_SIGNS: Final = (
    ("like", "star-diamond", TREATMENTS[1]),
    ("hate", "x", TREATMENTS[4]),
    ("asked", "circle-open", TREATMENTS[2]),
    ("answered", "circle", TREATMENTS[2]),
)


def timeline(views: Sequence[TracedView], *, truth: bool) -> go.Figure:
    """Seconds watched of every view in order, signs above for what was done; `truth` adds satisfaction below."""
    if not views:
        return remark("This user did not come on that day.")
    figure = go.Figure()
    numbers = list(range(1, len(views) + 1))
    figure.add_bar(
        x=numbers,
        y=[view.watch_s for view in views],
        marker={"color": [QUIET if "skip" in view.acts else TREATMENTS[0] for view in views]},
        hovertext=[_hover(number, view) for number, view in enumerate(views, start=1)],
        hoverinfo="text",
        showlegend=False,
        name="watched",
    )
    for name, colour in (("watched", TREATMENTS[0]), ("skipped", QUIET)):
        square = {"symbol": "square", "size": 11, "color": colour}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=square, name=name)
    for row, (name, symbol, colour) in enumerate(_SIGNS):
        _signs(figure, views, name, {"symbol": symbol, "size": 9, "color": colour}, -0.35 * row)
    figure.update_xaxes(title_text="View of the day, in order", zeroline=False, range=[0.3, len(views) + 0.7])
    figure.update_yaxes(title_text="Watched (s)", rangemode="tozero", domain=[0.0, 0.72])
    figure.update_layout(yaxis2={"domain": [0.76, 1.0], "visible": False, "range": [-1.4, 0.35]})
    if truth:
        _truth(figure, views, numbers)
    return frame(figure, 460 if truth else 360)


def lines(views: Sequence[TracedView], *, truth: bool) -> list[tuple[str, ...]]:
    """One line per view; the latents only with `truth`."""
    return [
        (*_line(number, view), *((f"{view.true_satisfaction:.2f}", f"{view.true_appeal:.2f}") if truth else ()))
        for number, view in enumerate(views, start=1)
    ]


def _line(number: int, view: TracedView) -> tuple[str, ...]:
    asked = (view.answer or "asked, no answer") + (" (asked strongly)" if view.asked_strongly else "")
    cells = (str(number), str(view.hour), str(view.request + 1), str(view.video_id), f"{view.watch_s:.1f}")
    return (*cells, ", ".join(view.acts), asked if view.asked else "")


def _hover(number: int, view: TracedView) -> str:
    did = ", ".join(view.acts) or "watched"
    lines = [f"view {number}: video {view.video_id}, hour {view.hour}", f"{view.watch_s:.1f} s; {did}"]
    return "<br>".join(formatting.in_figure(line) for line in lines)


def _signs(figure: go.Figure, views: Sequence[TracedView], name: str, marker: dict[str, object], at: float) -> None:
    """One row of signs above the bars; a sign that nothing has still stands in the legend."""
    signed = [(number, view) for number, view in enumerate(views, start=1) if name in _signs_of(view)]
    x = [number for number, _ in signed]
    figure.add_scatter(
        x=x or [None],
        y=[at] * max(1, len(x)),
        yaxis="y2",
        mode="markers",
        marker=marker,
        name=name,
        hovertext=[view.answer or name for _, view in signed] if name == "answered" else name,
        hoverinfo="text",
    )


def _signs_of(view: TracedView) -> set[str]:
    """Acts, and what came of a questionnaire."""
    return {*view.acts, *(["asked"] if view.asked else []), *(["answered"] if view.answer else [])}


def _truth(figure: go.Figure, views: Sequence[TracedView], numbers: Sequence[int]) -> None:
    """Latent satisfaction, on an axis of its own below the seconds."""
    figure.update_layout(
        xaxis={"anchor": "y3"},
        yaxis={"domain": [0.36, 0.74]},
        yaxis3={"domain": [0.0, 0.28], "title": {"text": "True satisfaction"}, "anchor": "x"},
    )
    figure.add_scatter(
        x=list(numbers),
        y=[view.true_satisfaction for view in views],
        yaxis="y3",
        mode="markers",
        marker={"symbol": "star", "size": 8, "color": TRUTH},
        name="true satisfaction",
    )
