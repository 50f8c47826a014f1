"""Effect against the value of an assumed parameter: one panel per metric, estimate and truth side by side."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float64
from plotly.subplots import make_subplots

from dashboards.figures import interval_marks
from dashboards.figures.interval_marks import Mark, Symbol
from dashboards.figures.small_multiples import PanelPosition, upright_line
from dashboards.figures.theme import QUIET, TREATMENTS, TRUTH, frame, remark
from dashboards.text import formatting
from dashboards.text.sweep import METRICS, metrics_of, rows_of
from simulator.reports.report import MetricRow
from simulator.reports.sweep import Sweep

_Rows = Sequence[tuple[float, MetricRow]]
_Draw = Callable[[Sweep, _Rows], list[go.Scatter]]
_COLUMNS: Final = 2
_PANEL_PX: Final = 330
_MOST_TICKS: Final = 8
_NOTHING: Final = (-0.001, 0.001)
"""Axis of lifts that are all 0."""
_LARGE_FACTOR: Final = 30
"""Between the least and the greatest value, from which on the axis is logarithmic."""


def effect_against_value(sweep: Sweep) -> go.Figure:
    """Lift with its 95% interval, and the true lift, at every finished value."""
    rows = [row for point in sweep.points for row in point.metrics if row.metric in METRICS]
    symbols = interval_marks.symbols_in(rows, hollow=any(row.method == "plain" for row in rows))
    return _panels(sweep, _effects, "Lift over {control} (%), 95% interval", symbols)


def truth_against_value(sweep: Sweep) -> go.Figure:
    """The true lift alone, on a scale of its own, with two standard errors to either side."""
    return _panels(sweep, _truths, "True lift over {control} (%), ± 2 standard errors", [("star", "true effect")])


def has_truth(sweep: Sweep) -> bool:
    """True where every user was run under every arm."""
    return any(row.true_relative_effect is not None for point in sweep.points for row in point.metrics)


def _panels(sweep: Sweep, draw: _Draw, title: str, symbols: Sequence[tuple[Symbol, str]]) -> go.Figure:
    """One panel per metric with each treatment's traces in it."""
    metrics = metrics_of(sweep)
    if not metrics:
        return remark("This sweep has no headline metrics.")
    figure = _grid(sweep, metrics)
    figure.update_yaxes(title_text=title.format(control=formatting.in_legend(_control(sweep))), col=1)
    for index, metric in enumerate(metrics):
        where = _cell(index)
        _mark_assumed(figure, sweep, where)
        moved = False
        for arm in sweep.treatments:
            rows = rows_of(sweep, metric, arm)
            for trace in draw(sweep, rows) if rows else []:
                trace.update(legendgroup=_group(sweep, arm), showlegend=False, meta=arm)
                figure.add_trace(trace, row=where.row, col=where.column)
                moved |= bool(np.any(np.nan_to_num(np.array(trace.y, np.float64))))
        if not moved:
            figure.update_yaxes(range=_NOTHING, row=where.row, col=where.column)
    _add_legend(figure, sweep, symbols)
    return frame(figure, _PANEL_PX * _cell(len(metrics) - 1).row + 60)


def _cell(index: int) -> PanelPosition:
    """The cell of the panel at this place, counted from 0."""
    return PanelPosition(index // _COLUMNS + 1, index % _COLUMNS + 1)


def _grid(sweep: Sweep, metrics: Sequence[str]) -> go.Figure:
    """One empty panel per metric; all share the axis of values, none that of lifts."""
    rows = _cell(len(metrics) - 1).row
    labels = {row.metric: row.label for point in sweep.points for row in point.metrics}
    figure = make_subplots(
        rows=rows,
        cols=min(len(metrics), _COLUMNS),
        subplot_titles=[formatting.in_figure(labels[key], 40) for key in metrics],
        horizontal_spacing=0.1,
        vertical_spacing=0.36 / rows,
    )
    parameter = sweep.parameter
    unit = formatting.in_figure(parameter.meaning, 52)
    title = f"{formatting.in_figure(parameter.name)}<br><span style='font-size:11px'>{unit}</span>"
    scale = "log" if _by_factors(sweep) else "linear"
    ends = _on_axis(sweep, np.array(_span(sweep))).tolist()
    figure.update_xaxes(title_text=title, type=scale, range=ends, zeroline=False, showgrid=False, tickangle=0)
    if len(sweep.values) <= _MOST_TICKS:
        figure.update_xaxes(tickvals=sweep.values, ticktext=[f"{value:g}" for value in sweep.values])
    figure.update_yaxes(tickformat=".3~%", rangemode="tozero")
    return figure.update_annotations(font_size=13)


def _control(sweep: Sweep) -> str:
    return next(row.baseline for point in sweep.points for row in point.metrics)


def _by_factors(sweep: Sweep) -> bool:
    """Whether the axis of values is logarithmic: they differ by large factors, and none is 0 or less."""
    values = [*sweep.values, sweep.parameter.value]
    return min(values) > 0 and max(values) >= _LARGE_FACTOR * min(values)


def _on_axis(sweep: Sweep, values: Float64[np.ndarray, " values"]) -> Float64[np.ndarray, " values"]:
    """Values as distances along the axis."""
    return np.log10(values) if _by_factors(sweep) else values


def _off_axis(sweep: Sweep, along: Float64[np.ndarray, " values"]) -> Float64[np.ndarray, " values"]:
    """Distances along the axis as values."""
    return 10.0**along if _by_factors(sweep) else along


def _span(sweep: Sweep) -> tuple[float, float]:
    """Ends of the axis of values: all that were asked for and the one assumed, with room at both ends."""
    along = _on_axis(sweep, np.array([*sweep.values, sweep.parameter.value]))
    room = 0.08 * np.ptp(along)
    low, high = _off_axis(sweep, np.array([along.min() - room, along.max() + room])).tolist()
    return low, high


def _effects(sweep: Sweep, rows: _Rows) -> list[go.Scatter]:
    """One treatment of one metric: intervals, points (hollow where not adjusted), then the truth."""
    at, colour = _places(sweep, rows), _colour(sweep, rows)
    estimates = [interval_marks.main_mark(row, x) for x, (_, row) in zip(at, rows, strict=True)]
    symbols = ["circle" if row.method != "plain" else "circle-open" for _, row in rows]
    ends = interval_marks.spans(estimates)
    line = interval_marks.interval_line(2.0, colour).update(x=ends.at, y=ends.value)
    dots = _points(sweep, rows, estimates).update(marker=interval_marks.marker("circle", colour).update(symbol=symbols))
    return [line, dots, _stars(sweep, rows)]


def _truths(sweep: Sweep, rows: _Rows) -> list[go.Scatter]:
    errors = [2 * (row.true_relative_effect_se or 0.0) for _, row in rows]
    bars = {"type": "data", "array": errors, "color": _colour(sweep, rows), "thickness": 2, "width": 0}
    return [_stars(sweep, rows).update(error_y=bars)]


def _stars(sweep: Sweep, rows: _Rows) -> go.Scatter:
    truth = [interval_marks.true_mark(row, x) for x, (_, row) in zip(_places(sweep, rows), rows, strict=True)]
    line = {"dash": "dot", "width": 1.5, "color": _colour(sweep, rows)}
    return _points(sweep, rows, truth).update(
        mode="lines+markers", marker=interval_marks.marker("star", TRUTH), line=line
    )


def _points(sweep: Sweep, rows: _Rows, drawn: Sequence[Mark]) -> go.Scatter:
    """Marks at their values; pointing at one says which value it is."""
    name = formatting.in_figure(sweep.parameter.name)
    hover = [f"{name} = {value:g}<br>{mark.hover}" for (value, _), mark in zip(rows, drawn, strict=True)]
    x, y = [mark.at for mark in drawn], [mark.value for mark in drawn]
    return go.Scatter(x=x, y=y, mode="markers", hovertext=hover, hoverinfo="text")


def _colour(sweep: Sweep, rows: _Rows) -> str:
    return _arm_colour(sweep, rows[0][1].arm)


def _arm_colour(sweep: Sweep, arm: str) -> str:
    return TREATMENTS[sweep.treatments.index(arm) % len(TREATMENTS)]


def _group(sweep: Sweep, arm: str) -> str:
    """Traces of one arm hide and show together when its name is clicked."""
    return f"arm {sweep.treatments.index(arm)}"


def _places(sweep: Sweep, rows: _Rows) -> list[float]:
    """Where rows stand: at their values, moved a little so that several treatments stand side by side."""
    arms = sweep.treatments
    apart = np.diff(_on_axis(sweep, np.array(sweep.values)))
    nearest = float(apart.min()) if len(apart) else 1.0
    shift = 0.12 * nearest * (arms.index(rows[0][1].arm) - (len(arms) - 1) / 2)
    return _off_axis(sweep, _on_axis(sweep, np.array([value for value, _ in rows])) + shift).tolist()


def _mark_assumed(figure: go.Figure, sweep: Sweep, where: PanelPosition) -> None:
    """Shade the plausible range, and draw a line at what is assumed without a sweep."""
    low, high = _span(sweep)
    parameter = sweep.parameter
    left = low if parameter.low is None else max(low, parameter.low)
    right = high if parameter.high is None else min(high, parameter.high)
    if left < right:
        shade = {"fillcolor": QUIET, "opacity": 0.1, "line_width": 0, "layer": "below"}
        figure.add_shape(x0=left, x1=right, y0=0, y1=1, yref="y domain", **shade, row=where.row, col=where.column)
    upright_line(figure, parameter.value, where, "dash")


def _add_legend(figure: go.Figure, sweep: Sweep, symbols: Sequence[tuple[Symbol, str]]) -> None:
    """Name the arms by colour, the symbols by shape, and the line and the shade."""
    for arm in sweep.treatments:
        sign = go.scatter.Marker(symbol="square", size=11, color=_arm_colour(sweep, arm))
        figure.add_trace(_entry(formatting.in_legend(arm), sign).update(legendgroup=_group(sweep, arm)))
    for symbol, meaning in symbols:
        figure.add_trace(_entry(meaning, interval_marks.marker(symbol, QUIET)))
    dash = {"color": QUIET, "dash": "dash", "width": 1.5}
    figure.add_trace(go.Scatter(x=[None], y=[None], mode="lines", line=dash, name="assumed without a sweep"))
    shade = go.scatter.Marker(symbol="square", size=13, color=QUIET, opacity=0.25)
    figure.add_trace(_entry("plausible range", shade))


def _entry(name: str, marker: go.scatter.Marker) -> go.Scatter:
    """A legend entry without a point to see."""
    return go.Scatter(x=[None], y=[None], mode="markers", marker=marker, name=name)
