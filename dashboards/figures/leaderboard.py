"""Rankers against `base`: estimated and true lifts, one panel per metric."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.interval_marks import marker
from dashboards.figures.small_multiples import name_lanes
from dashboards.figures.theme import QUIET, TREATMENTS, frame, remark
from simulator.reports.leaderboard import HEADLINE, Leaderboard


def effects(board: Leaderboard) -> go.Figure:
    """Points with intervals, and stars; best policy on top."""
    metrics = [metric for metric in HEADLINE if any(metric in entry.effects for entry in board.entries)]
    if not metrics:
        return remark("No ranker was tested.")
    figure = make_subplots(
        rows=1, cols=len(metrics), shared_yaxes=True, subplot_titles=metrics, horizontal_spacing=0.04
    )
    figure.update_annotations(font_size=13)
    for column, metric in enumerate(metrics, start=1):
        for trace in (_points(board, metric), _stars(board, metric)):
            trace.showlegend = column == 1
            figure.add_trace(trace, row=1, col=column)
    names = [entry.policy for entry in board.entries]
    name_lanes(figure, names)
    figure.update_xaxes(tickformat="+.3~%", nticks=4, tickangle=0)
    return frame(figure, 40 * len(names) + 130)


def _points(board: Leaderboard, metric: str) -> go.Scatter:
    """Estimates."""
    rows = [(at, entry.effects[metric]) for at, entry in enumerate(board.entries) if metric in entry.effects]
    whole = [row for row in rows if None not in (row[1].lift, row[1].ci_low, row[1].ci_high)]
    lifts = [each.lift or 0 for _, each in whole]
    above = [(each.ci_high or 0) - lift for (_, each), lift in zip(whole, lifts, strict=True)]
    below = [lift - (each.ci_low or 0) for (_, each), lift in zip(whole, lifts, strict=True)]
    return go.Scatter(
        x=lifts,
        y=[at for at, _ in whole],
        mode="markers",
        marker=marker("circle", TREATMENTS[0]),
        error_x={"array": above, "arrayminus": below, "color": QUIET},
        name="estimated lift",
        hovertemplate="%{x:+.2%}<extra></extra>",
    )


def _stars(board: Leaderboard, metric: str) -> go.Scatter:
    """True lifts."""
    rows = [(at, entry.effects[metric].true_lift) for at, entry in enumerate(board.entries) if metric in entry.effects]
    return go.Scatter(
        x=[lift for _, lift in rows],
        y=[at for at, _ in rows],
        mode="markers",
        marker=marker("star", TREATMENTS[0]),
        name="true lift",
        hovertemplate="%{x:+.2%}<extra></extra>",
    )
