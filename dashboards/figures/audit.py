"""How often each way of reading a test was wrong: rates with their bands, and quantiles of A/A p-values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.small_multiples import PanelPosition, upright_line
from dashboards.figures.theme import QUIET, TREATMENTS, frame, remark
from dashboards.text import formatting
from simulator.reports.audit import Audit, AuditRow
from simulator.reports.report import Number

RIGHT: Final = TREATMENTS[0]
WRONG: Final = TREATMENTS[4]
_LANE_PX: Final = 24


@final
@dataclass(frozen=True)
class Rate:
    """A rate that is drawn, and what it should be.

    Attributes:
        field: Of `AuditRow`; its band ends in `band` with `_low` and `_high`.
        band: Start of the names of the band.
        title: Above the panel.
        target: Where the line stands, None for no line.
    """

    field: str
    band: str
    title: str
    target: float | None


RATES: Final = (
    Rate("false_positive_rate", "false_positive", "False positives,<br>want 5%", 0.05),
    Rate("coverage", "coverage", "Coverage,<br>want 95%", 0.95),
    Rate("power", "power", "Power", None),
)


def rates(rows: Sequence[AuditRow]) -> go.Figure:
    """One lane per metric and method, one panel per rate, bands of 95%; wrong methods in another colour."""
    if not rows:
        return remark("Nothing was audited.")
    figure = make_subplots(
        rows=1,
        cols=len(RATES),
        shared_yaxes=True,
        subplot_titles=[rate.title for rate in RATES],
        horizontal_spacing=0.05,
    )
    figure.update_annotations(font_size=12)  # two lines of it fit below the legend
    for column, rate in enumerate(RATES, start=1):
        for colour, wrong in ((RIGHT, False), (WRONG, True)):
            some = [(lane, row) for lane, row in enumerate(rows) if (row.wrong is not None) == wrong]
            name = "wrong on purpose" if wrong else "meant to be right"
            trace = _points(some, rate).update(name=name, showlegend=column == 1, legendgroup=name)
            figure.add_trace(trace.update(marker_color=colour, error_x_color=colour), row=1, col=column)
        if rate.target is not None:
            upright_line(figure, rate.target, PanelPosition(1, column), "dash")
    names = [formatting.in_figure(f"{row.metric}, {row.method.replace('_', ' ')}") for row in rows]
    figure.update_yaxes(tickvals=list(range(len(rows))), ticktext=names, range=[len(rows) - 0.4, -0.6], zeroline=False)
    figure.update_yaxes(showgrid=False)
    figure.update_xaxes(tickformat=".0%", zeroline=False)
    return frame(figure, _LANE_PX * len(rows) + 130)


def quantiles(rows: Sequence[AuditRow]) -> go.Figure:
    """Quantiles of A/A p-values against those of the uniform distribution; on the diagonal is right."""
    tests = [row for row in rows if row.p_quantiles]
    if not tests:
        return remark("No A/A test was read.")
    figure = go.Figure()
    line = {"color": QUIET, "dash": "dash", "width": 1.5}
    figure.add_trace(go.Scatter(x=[0, 1], y=[0, 1], mode="lines", line=line, name="as it should be", hoverinfo="skip"))
    for index, row in enumerate(tests):
        n = len(row.p_quantiles) + 1
        colour = TREATMENTS[index % len(TREATMENTS)]
        figure.add_trace(
            go.Scatter(
                x=[k / n for k in range(1, n)],
                y=row.p_quantiles,
                mode="lines",
                line={"color": colour, "width": 2, "dash": "dot" if row.wrong else "solid"},
                name=formatting.in_legend(f"{row.metric}, {row.method.replace('_', ' ')}"),
            )
        )
    figure.update_xaxes(title_text="Quantile of the uniform distribution", range=[0, 1], zeroline=False)
    figure.update_yaxes(title_text="Quantile of the A/A p-values", range=[0, 1], zeroline=False)
    return frame(figure, 460)


def shown_rows(audit: Audit, source: str, arm: str) -> list[AuditRow]:
    """One source and treatment: the headline metrics, and every wrong method."""
    keys = (*formatting.HEADLINE, "satisfied_share")
    mine = [row for row in audit.rows if (row.source, row.arm) == (source, arm)]
    return [row for row in mine if row.metric in keys or row.wrong]


def _points(rows: Sequence[tuple[int, AuditRow]], rate: Rate) -> go.Scatter:
    """Values with their bands."""
    measured = [(lane, row) for lane, row in rows if _number(row, rate.field) is not None]
    values = [_number(row, rate.field) or 0.0 for _, row in measured]
    high = [(_number(row, f"{rate.band}_high") or 0.0) - v for v, (_, row) in zip(values, measured, strict=True)]
    low = [v - (_number(row, f"{rate.band}_low") or 0.0) for v, (_, row) in zip(values, measured, strict=True)]
    hover = [
        f"{formatting.in_figure(row.metric)}, {formatting.in_figure(row.method)}<br>{formatting.share(value)}"
        for value, (_, row) in zip(values, measured, strict=True)
    ]
    return go.Scatter(
        x=values,
        y=[lane for lane, _ in measured],
        mode="markers",
        marker={"size": 9},
        error_x={"type": "data", "array": high, "arrayminus": low, "thickness": 2, "width": 0},
        hovertext=hover,
        hoverinfo="text",
    )


def _number(row: AuditRow, field: str) -> Number:
    return row.model_dump(include={field})[field]
