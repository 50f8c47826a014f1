"""Small multiples: one panel per metric, days along the x axis, at most three side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.theme import QUIET
from dashboards.text import formatting
from simulator.reports.report import Report

_WEEK: Final = 7
COLUMNS: Final = 3
"""Most panels side by side."""


@final
@dataclass(frozen=True)
class PanelPosition:
    """Where a panel stands, counted from 1."""

    row: int
    column: int


def cell(index: int) -> PanelPosition:
    """The cell of the panel at this place, counted from 0."""
    return PanelPosition(index // COLUMNS + 1, index % COLUMNS + 1)


def height(n_panels: int) -> int:
    """Pixels for a grid of so many panels."""
    return 310 * cell(n_panels - 1).row + 50


def name_lanes(figure: go.Figure, names: Sequence[str]) -> None:
    """Give every name a lane of its own, the first on top."""
    labels = [formatting.in_figure(name, 28) for name in names]
    figure.update_yaxes(tickvals=list(range(len(labels))), ticktext=labels, range=[len(labels) - 0.4, -0.6])
    figure.update_yaxes(showgrid=False, zeroline=False)


def day_grid(report: Report, metrics: Sequence[str], n_days: int) -> go.Figure:
    """One empty panel per metric, titled with its label; a tick a day, or a week beyond two."""
    rows = cell(len(metrics) - 1).row
    figure = make_subplots(
        rows=rows,
        cols=min(len(metrics), COLUMNS),
        subplot_titles=[formatting.in_figure(formatting.describe(report, key).label, 32) for key in metrics],
        horizontal_spacing=0.12,
        vertical_spacing=0.3 / rows,
    )
    figure.update_xaxes(title_text="Day of the test", tickformat="d", tickangle=0)
    step = -(-n_days // 8) if n_days <= 2 * _WEEK else _WEEK * -(-n_days // (8 * _WEEK))
    figure.update_xaxes(dtick=max(1, step), tick0=0)
    figure.update_xaxes(zeroline=False, showgrid=False)
    return figure.update_annotations(font_size=13)


def upright_line(figure: go.Figure, x: float, where: PanelPosition, dash: str = "solid") -> None:
    """A quiet line over the whole height of a panel, behind everything."""
    line = {"color": QUIET, "width": 1.5, "dash": dash}
    figure.add_shape(
        type="line", x0=x, x1=x, y0=0, y1=1, yref="y domain", line=line, layer="below", row=where.row, col=where.column
    )
