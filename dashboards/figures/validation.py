"""Figures of a validation: simulated beside real, pure functions of what was measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, final

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.small_multiples import PanelPosition, upright_line
from dashboards.figures.theme import CONTROL, QUIET, TREATMENTS, TRUTH, frame, remark
from dashboards.text import formatting
from simulator.reports.validation import Compared, Grouping, GroupRow, Regime, Validation, WatchTime

SIMULATED: Final = TREATMENTS[0]
REAL: Final = CONTROL
RATE_NAMES: Final = {
    "click": "click",
    "long_view": "long view",
    "complete": "complete play",
    "like": "like",
    "follow": "follow",
    "comment": "comment",
    "forward": "forward",
    "hate": "hate",
    "profile_enter": "profile visit",
    "watch_s": "seconds per view",
}
REGIME_NAMES: Final[dict[Regime, str]] = {"random": "random videos", "base": "the ranker `base`"}
_COLOUR: Final = {"click": TREATMENTS[0], "long_view": TREATMENTS[1], "complete": TREATMENTS[2]}
_AXES: Final[dict[Grouping, str]] = {
    "duration": "Length of the video",
    "activity": "Activity degree of the user",
    "hour": "Hour of day",
}
_BANDS: Final = ((0.1, 0.10), (0.05, 0.16))
_ESTIMATORS: Final = {
    "naive": "share of the answers",
    "ips_views": "weighted by watch and acts",
    "ips": "weighted, earlier answers too",
    "dr": "doubly robust",
    "ips_oracle": "weighted by the true chances",
}
Symbol = Literal["circle", "circle-open"]


@final
@dataclass(frozen=True)
class PointSeries:
    """What a line of points is about.

    Attributes:
        name: In the legend.
        colour: Of line and points.
        symbol: Full for simulated, hollow for real.
        unit: Format of the values when pointed at.
    """

    name: str
    colour: str
    symbol: Symbol
    unit: str = ".2%"


def ratios(validation: Validation) -> go.Figure:
    """Simulated over real for every rate, one panel per regime, with bands of 5% and 10%."""
    regimes = list(validation.regimes)
    titles = [formatting.in_figure(f"Under {REGIME_NAMES[regime]}", 40) for regime in regimes]
    figure = make_subplots(rows=1, cols=len(regimes), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.06)
    figure.update_annotations(font_size=13)
    for column, regime in enumerate(regimes, start=1):
        rates = validation.regimes[regime]
        _shade(figure, PanelPosition(1, column))
        figure.add_trace(_ratio_points(rates), row=1, col=column)
    names = [formatting.in_figure(RATE_NAMES.get(rate, rate)) for rate in next(iter(validation.regimes.values()))]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.4, -0.6])
    figure.update_yaxes(showgrid=False, zeroline=False)
    ticks = _ratio_ticks(validation)
    figure.update_xaxes(type="log", title_text="Simulated over real (1 is right)", tickvals=ticks)
    figure.update_xaxes(
        ticktext=[f"{tick:g}" for tick in ticks], range=[np.log10(ticks[0]) - 0.03, np.log10(ticks[-1]) + 0.03]
    )
    return frame(figure, 30 * len(names) + 120)


def groups(validation: Validation, regime: Regime) -> go.Figure:
    """Rates by length, activity and hour under one regime."""
    groupings: list[Grouping] = [
        grouping for grouping, rows in validation.by_group.items() if any(row.regime == regime for row in rows)
    ]
    if not groupings:
        return remark("Nothing was published by group.")
    widths = [1.5 if grouping == "hour" else 1.0 for grouping in groupings]
    figure = make_subplots(rows=1, cols=len(groupings), column_widths=widths, horizontal_spacing=0.07)
    for column, grouping in enumerate(groupings, start=1):
        rows = [row for row in validation.by_group[grouping] if row.regime == regime]
        for rate in dict.fromkeys(row.rate for row in rows):
            _add_pair(figure, [row for row in rows if row.rate == rate], PanelPosition(1, column))
        figure.update_xaxes(title_text=_AXES[grouping], showgrid=False, type="category", row=1, col=column)
        figure.update_xaxes(tickangle=-40, row=1, col=column)
    if "hour" in groupings:
        figure.update_xaxes(dtick=3, tickangle=0, row=1, col=1 + groupings.index("hour"))
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", zeroline=False)
    figure.update_yaxes(title_text="Share of views", row=1, col=1)
    for rate, colour in _COLOUR.items():
        _legend(figure, RATE_NAMES[rate], colour, "square")
    _legend(figure, "simulated", QUIET, "circle")
    _legend(figure, "real", QUIET, "circle-open")
    return frame(figure, 400)


def watch_times(validation: Validation) -> go.Figure:
    """Cumulative watch time per bucket of durations."""
    buckets = [bucket for bucket in validation.watch_time if bucket.ks is not None]
    if not buckets:
        return remark("No bucket of durations has views on both sides.")
    titles = [f"{bucket.bucket}<br>distance {bucket.ks:.3f}" for bucket in buckets]
    n_rows = -(-len(buckets) // 4)
    figure = make_subplots(
        rows=n_rows, cols=min(4, len(buckets)), subplot_titles=titles, shared_yaxes=True, vertical_spacing=0.32 / n_rows
    )
    figure.update_annotations(font_size=12)
    for index, bucket in enumerate(buckets):
        where = PanelPosition(index // 4 + 1, index % 4 + 1)
        _add_curve(figure, bucket, bucket.real, PointSeries("real", REAL, "circle-open"), where)
        _add_curve(figure, bucket, bucket.simulated, PointSeries("simulated", SIMULATED, "circle"), where)
    figure.update_xaxes(type="log", title_text="Seconds watched", tickvals=[1, 10, 100, 1000], tickangle=0)
    figure.update_yaxes(tickformat=".0%", range=[0, 1.02])
    for row in range(1, n_rows + 1):
        figure.update_yaxes(title_text="Views that lasted no longer", row=row, col=1)
    _legend(figure, "simulated, under `base`", SIMULATED, "line-ew-open")
    _legend(figure, "real, standard log", REAL, "line-ew-open")
    return frame(figure, 270 * n_rows + 60)


def pit(validation: Validation) -> go.Figure:
    """Share of held-out rows in each tenth of the predicted distribution."""
    if validation.heldout is None or not validation.heldout.pit:
        return remark(f"Not measured: {formatting.in_figure(formatting.why(validation.reasons, 'heldout'), 90)}.")
    shares = validation.heldout.pit
    figure = go.Figure()
    tenths = [f"{at}–{at + 1}" for at in range(len(shares))]
    figure.add_bar(x=tenths, y=shares, marker_color=SIMULATED, hovertemplate="%{y:.2%}<extra></extra>", name="rows")
    figure.add_hrect(y0=0.09, y1=0.11, fillcolor=QUIET, opacity=0.2, line_width=0)
    figure.add_hline(y=0.1, line={"color": QUIET, "dash": "dash", "width": 1.5})
    figure.update_xaxes(title_text="Tenth of the predicted distribution of watch time", showgrid=False)
    figure.update_yaxes(title_text="Share of held-out rows", tickformat=".0%", rangemode="tozero")
    return frame(figure, 300).update_layout(showlegend=False)


def hates(validation: Validation) -> go.Figure:
    """Cumulative share of hates by share of haters, the most hateful first."""
    if not any(validation.hate_concentration):
        return remark("Nobody hated anything.")
    figure = go.Figure()
    x = np.linspace(0, 1, len(validation.hate_concentration)).tolist()
    hover = "the busiest %{x:.0%} of haters give %{y:.1%} of hates<extra></extra>"
    line = {"color": SIMULATED, "width": 2.5}
    figure.add_scatter(
        x=x, y=validation.hate_concentration, mode="lines+markers", line=line, name="simulated", hovertemplate=hover
    )
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", line={"color": QUIET, "dash": "dot"}, name="all hate alike")
    real = validation.per_user["hate_share_top_tenth"].real
    star = go.scatter.Marker(symbol="star", size=14, color=TRUTH, line={"width": 1, "color": "#ffffff"})
    figure.add_scatter(x=[0.1], y=[real], mode="markers", marker=star, name="real, published", hovertemplate=hover)
    figure.update_xaxes(title_text="Share of the users who hated at all, busiest first", tickformat=".0%")
    figure.update_yaxes(title_text="Share of all hates", tickformat=".0%", range=[0, 1.04])
    return frame(figure, 340)


def importances(validation: Validation) -> go.Figure:
    """By which columns the classifier tells simulated rows from real ones."""
    classifier = validation.two_sample
    if classifier is None:
        return remark(f"Not measured: {formatting.in_figure(formatting.why(validation.reasons, 'two_sample'), 90)}.")
    ranked = sorted(classifier.importances.items(), key=lambda pair: pair[1])
    figure = go.Figure()
    figure.add_bar(
        x=[share for _, share in ranked],
        y=[formatting.in_figure(name, 40) for name, _ in ranked],
        orientation="h",
        marker_color=SIMULATED,
        text=[f" {share:.1%}" for _, share in ranked],
        textposition="outside",
        cliponaxis=False,
        hoverinfo="skip",
    )
    figure.update_xaxes(title_text="Share of the classifier's gain", tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(showgrid=False)
    return frame(figure, 24 * len(ranked) + 110).update_layout(showlegend=False, margin_r=60)


def biases(validation: Validation) -> go.Figure:
    """Bias of each estimator of the satisfied share against the strength of selection."""
    if not validation.answering:
        return remark(f"Not measured: {formatting.in_figure(formatting.why(validation.reasons, 'answering'), 90)}.")
    figure = go.Figure()
    names = list(dict.fromkeys(name for row in validation.answering for name in row.estimates))
    for index, name in enumerate(names):
        rows = [(row.slope, row.estimates[name]) for row in validation.answering if name in row.estimates]
        figure.add_scatter(
            x=[slope + 0.008 * (index - len(names) / 2) for slope, _ in rows],
            y=[estimate.bias for _, estimate in rows],
            error_y={"type": "data", "array": [1.96 * (estimate.se or 0.0) for _, estimate in rows], "width": 3},
            mode="lines+markers",
            line={"color": TREATMENTS[index % len(TREATMENTS)], "width": 1.5},
            name=formatting.in_legend(_ESTIMATORS.get(name, name)),
            hovertemplate="slope %{x:.1f}: %{y:+.2%}<extra></extra>",
        )
    figure.add_hline(y=0, line={"color": QUIET, "width": 1.5})
    slopes = [row.slope for row in validation.answering]
    figure.update_xaxes(title_text="Logit of answering gained per unit of satisfaction", tickvals=slopes)
    figure.update_yaxes(title_text="Satisfied share: estimate less truth", tickformat="+.1%")
    return frame(figure, 340)


def _shade(figure: go.Figure, where: PanelPosition) -> None:
    """Bands of 10% and 5% around 1, and the line at 1."""
    for half, opacity in _BANDS:
        figure.add_shape(
            type="rect",
            x0=1 - half,
            x1=1 + half,
            y0=0,
            y1=1,
            yref="y domain",
            fillcolor=QUIET,
            opacity=opacity,
            line_width=0,
            layer="below",
            row=where.row,
            col=where.column,
        )
    upright_line(figure, 1, where)


def _ratio_points(rates: dict[str, Compared]) -> go.Scatter:
    """One point per rate that has a ratio, with its numbers beside it."""
    placed = [(at, name, c) for at, (name, c) in enumerate(rates.items()) if c.ratio is not None and c.ratio > 0]
    return go.Scatter(
        x=[c.ratio for _, _, c in placed],
        y=[at for at, _, _ in placed],
        mode="markers",
        marker={"size": 10, "color": SIMULATED},
        hovertext=[
            f"{RATE_NAMES.get(name, name)}: simulated {_value(name, c.simulated)}, real {_value(name, c.real)}"
            for _, name, c in placed
        ],
        hoverinfo="text",
        showlegend=False,
    )


def _value(rate: str, value: float | None) -> str:
    """A rate in percent, or seconds."""
    return f"{formatting.number(value)} s" if rate == "watch_s" else formatting.share(value)


def _ratio_ticks(validation: Validation) -> list[float]:
    """Ticks that hold every ratio; at least 0.8 to 1.25."""
    ratios = [c.ratio for rates in validation.regimes.values() for c in rates.values() if c.ratio]
    furthest = max([1.25, *(max(ratio, 1 / ratio) for ratio in ratios)])
    ticks = [1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 100.0, 1000.0]
    inside = [tick for tick in ticks if tick < furthest]
    above = [*inside, next((tick for tick in ticks if tick >= furthest), furthest)]
    above = [tick for tick in above if tick >= (2 if furthest > 2 else 1.25)]
    return [round(1 / tick, 3) for tick in reversed(above)] + [1.0, *above]


def _add_pair(figure: go.Figure, rows: Sequence[GroupRow], where: PanelPosition) -> None:
    """One rate over the groups: real hollow, simulated full."""
    rate = rows[0].rate
    colour, name = _COLOUR.get(rate, QUIET), RATE_NAMES.get(rate, rate)
    kinds: tuple[tuple[PointSeries, Callable[[Compared], float | None]], ...] = (
        (PointSeries(f"{name}, real", colour, "circle-open"), lambda c: c.real),
        (PointSeries(f"{name}, simulated", colour, "circle"), lambda c: c.simulated),
    )
    for line, value in kinds:
        values = [value(row.compared) for row in rows]
        style = {"color": line.colour, "width": 2 if line.symbol == "circle" else 1}
        style |= {} if line.symbol == "circle" else {"dash": "dot"}
        figure.add_trace(
            go.Scatter(
                x=[formatting.in_figure(row.group.replace("_", " ")) for row in rows],
                y=values,
                mode="lines+markers",
                line=style,
                marker={"symbol": line.symbol, "size": 7, "color": line.colour},
                hovertemplate=f"{line.name}: %{{y:{line.unit}}}<extra>%{{x}}</extra>",
                showlegend=False,
            ),
            row=where.row,
            col=where.column,
        )


def _add_curve(
    figure: go.Figure, bucket: WatchTime, shares: Sequence[float], line: PointSeries, where: PanelPosition
) -> None:
    """A cumulative share at the upper ends of the bins."""
    figure.add_trace(
        go.Scatter(
            x=bucket.edges_s[1:],
            y=np.cumsum(shares).tolist(),
            mode="lines",
            line={"color": line.colour, "width": 2},
            hovertemplate=f"{line.name}: %{{y:.1%}} within %{{x:.3g}} s<extra></extra>",
            showlegend=False,
        ),
        row=where.row,
        col=where.column,
    )


def _legend(figure: go.Figure, name: str, colour: str, symbol: str) -> None:
    """An entry of the legend without points."""
    sign = {"symbol": symbol, "size": 11, "color": colour, "line": {"color": colour, "width": 2}}
    figure.add_scatter(x=[None], y=[None], mode="markers", marker=sign, name=formatting.in_legend(name))
