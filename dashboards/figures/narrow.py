"""Figures for a narrow window: panels below each other, room for the legend, wrapped names; the data stay as they are.

A figure whose panels stand side by side cannot be read below about 700 pixels: its titles and ticks print over each
other. Every figure of this package can be laid out anew, as only its layout is looked at.
"""

import html
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, cast, final

import plotly.graph_objects as go

from dashboards.figures.theme import legend_rows
from dashboards.text import formatting

NARROW_PX: Final = 700
"""Windows of at most this width get the narrow layout."""
_FIGURE_PX: Final = 330
"""What is left for a figure on a phone."""
_BESIDE_LEGEND: Final = 34
_BELOW: Final = 48
"""Pixels above and below the panels, as `theme.frame` sets them."""
_BETWEEN: Final = 48
"""Pixels between two panels, without titles: ticks of an axis, and room before the next panel's title."""
_LINE: Final = 17
_LEGEND_ROW: Final = 29
_MOST_TICKS: Final = 5
_NAME_WIDTH: Final = 18
_TITLE_WIDTH: Final = 30
_CLOSE: Final = 1e-6
_KEPT: Final = ("tickvals", "ticktext", "range", "type", "tickformat")
"""Of an axis that a panel shares with the first one of its row."""


@final
@dataclass(frozen=True)
class _Cell:
    """A panel: its axes by their keys in the layout, and where it stands in the figure, from 0 to 1."""

    x_axis: str
    y_axis: str
    left: float
    right: float
    bottom: float
    top: float


def narrow_form(figure: go.Figure) -> go.Figure:
    """Make a copy of a figure for windows of at most `NARROW_PX`: one panel per row, in reading order."""
    data = figure.to_plotly_json()
    return go.Figure(data={"data": data["data"], "layout": narrow_layout(figure)}, skip_invalid=False)


def narrow_layout(figure: go.Figure) -> dict[str, Any]:
    """Make the layout of `narrow_form` alone."""
    layout = cast("dict[str, Any]", go.Figure(layout=figure.layout).to_plotly_json()["layout"])
    above = _BESIDE_LEGEND + _LEGEND_ROW * legend_rows(figure, _FIGURE_PX)
    margin = layout.setdefault("margin", {})
    plot_px = layout["height"] - margin.get("t", above) - margin.get("b", _BELOW)
    _wrap_words(layout)
    cells = _cells(layout)
    if len({cell.left for cell in cells}) > 1:
        plot_px = _stack(layout, cells, plot_px)
    margin["t"] = above
    layout["height"] = round(above + plot_px + _BELOW)
    return layout


def _cells(layout: dict[str, Any]) -> list[_Cell]:
    """Find all panels, row by row from the top."""
    found: list[_Cell] = []
    for key, axis in layout.items():
        y_key = "yaxis" + str(axis.get("anchor") or "y")[1:] if key.startswith("xaxis") else ""
        if y_key in layout and "domain" in axis and "domain" in layout[y_key]:
            found.append(_Cell(key, y_key, *axis["domain"], *layout[y_key]["domain"]))
    return sorted(found, key=lambda cell: (-cell.top, cell.left))


def _stack(layout: dict[str, Any], cells: list[_Cell], plot_px: float) -> float:
    """Put panels below each other, each as high as it was; returns the height of all."""
    titles = {cell: _titles(layout, cell) for cell in cells}
    rooms = {
        cell: _BETWEEN
        + _LINE * (max(map(_lines, titles[cell]), default=0) + _lines(layout[before.x_axis].get("title", {})))
        for before, cell in pairwise(cells)
    }
    total = sum((cell.top - cell.bottom) * plot_px for cell in cells) + sum(rooms.values())
    for cell in cells:
        _unshare(layout, cell, next(each for each in cells if abs(each.top - cell.top) < _CLOSE))
    top = total
    for cell in cells:
        top -= rooms.get(cell, 0)
        bottom = top - (cell.top - cell.bottom) * plot_px
        layout[cell.x_axis]["domain"] = [0.0, 1.0]
        layout[cell.y_axis]["domain"] = [max(0.0, bottom / total), min(1.0, top / total)]
        for title in titles[cell]:
            title.update(x=0.5, y=layout[cell.y_axis]["domain"][1])
        top = bottom
    return total


def _titles(layout: dict[str, Any], cell: _Cell) -> list[dict[str, Any]]:
    """Find the words above a panel."""
    middle = (cell.left + cell.right) / 2
    return [
        note
        for note in layout.get("annotations", [])
        if note.get("xref") == note.get("yref") == "paper"
        and abs(note["x"] - middle) < _CLOSE
        and abs(note["y"] - cell.top) < _CLOSE
    ]


def _lines(title: Mapping[str, Any]) -> int:
    return str(title.get("text") or "").count("<br>") + 1


def _unshare(layout: dict[str, Any], cell: _Cell, first: _Cell) -> None:
    """Give a panel the names and title of the y axis that it shared with the first one of its row."""
    axis, lead = layout[cell.y_axis], layout[first.y_axis]
    if not axis.get("title", {}).get("text"):
        axis["title"] = lead.get("title", {})
    if "matches" in axis:
        axis.update({key: lead[key] for key in _KEPT if key in lead})
        axis["showticklabels"] = True


def _wrap_words(layout: dict[str, Any]) -> None:
    """Wrap titles of axes and names of lanes that would leave no room for the panel; few and upright ticks."""
    for key, axis in layout.items():
        if not key.startswith(("xaxis", "yaxis")):
            continue
        title = axis.get("title", {})
        if key.startswith("xaxis") and title.get("text"):
            title["text"] = _wrapped(title["text"], _TITLE_WIDTH)
        if key.startswith("xaxis") and not {"dtick", "tickvals", "tickangle"} & axis.keys():
            axis.update(nticks=_MOST_TICKS, tickangle=0)
        if key.startswith("yaxis") and axis.get("ticktext") is not None:
            axis["ticktext"] = [_wrapped(str(name), _NAME_WIDTH) for name in axis["ticktext"]]


def _wrapped(text: str, width: int) -> str:
    """Wrap at blanks; the text is escaped already, so lines with tags other than breaks stay as they are."""
    plain = text.replace("<br>", " ")
    return text if "<" in plain else formatting.in_figure(html.unescape(plain), width)
