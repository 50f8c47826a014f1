"""The smallest effect a test can see, against users and against days, and where the spec stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures.small_multiples import PanelPosition, upright_line
from dashboards.figures.theme import QUIET, TREATMENTS, TRUTH, frame
from dashboards.text import formatting
from simulator.reports.power import DetectableRow, PowerPlan

_DAYS_SHOWN: Final = (1, 7, 28)
_DASH: Final = {"plain": "dot", "cuped": "solid"}


@final
@dataclass(frozen=True)
class Here:
    """The size of a run beside the plan."""

    users: int
    days: int


def smallest_effect(plan: PowerPlan, here: Here | None = None) -> go.Figure:
    """Lift against users, one line per number of days and method; the cross is the spec, the level the wanted lift."""
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        subplot_titles=["Against users", f"Against days, {plan.users:,} users"],
        horizontal_spacing=0.06,
    )
    figure.update_annotations(font_size=13)
    lengths = sorted({*_DAYS_SHOWN, plan.days})
    for index, days in enumerate(lengths):
        for method in _DASH:
            rows = [row for row in plan.grid if (row.days, row.method) == (days, method)]
            if rows:
                line = _line([row.users for row in rows], rows, TREATMENTS[index % len(TREATMENTS)])
                figure.add_trace(line.update(name=f"{days} {'day' if days == 1 else 'days'}, {method}"), row=1, col=1)
    for method in _DASH:
        rows = [row for row in plan.grid if (row.users, row.method) == (plan.users, method)]
        if rows:
            line = _line([row.days for row in rows], rows, QUIET)
            figure.add_trace(line.update(name=f"by days, {method}", mode="lines+markers"), row=1, col=2)
    elsewhere = here is not None and here != Here(plan.users, plan.days)
    _mark(figure, plan, "the plan's spec" if elsewhere else "you are here")
    if here is not None and elsewhere:
        _mark_run(figure, here)
    figure.update_xaxes(type="log", zeroline=False)
    figure.update_xaxes(title_text="Users, all arms", row=1, col=1)
    of_days = sorted({row.days for row in plan.grid})
    figure.update_xaxes(title_text="Days", tickvals=of_days, ticktext=[str(days) for days in of_days], row=1, col=2)
    figure.update_yaxes(type="log", tickformat=".2~%", zeroline=False)
    figure.update_yaxes(title_text=f"Smallest lift of {formatting.in_figure(plan.metric)}", col=1)
    return frame(figure, 440)


def _line(at: Sequence[int], rows: Sequence[DetectableRow], colour: str) -> go.Scatter:
    lifts = [row.relative_effect for row in rows]
    style = {"color": colour, "width": 2, "dash": _DASH[rows[0].method]}
    return go.Scatter(x=list(at), y=lifts, mode="lines", line=style, marker={"color": colour, "size": 6})


def _mark(figure: go.Figure, plan: PowerPlan, cross_name: str) -> None:
    """You are here, and what is wanted."""
    for column, at in ((1, plan.users), (2, plan.days)):
        upright_line(figure, at, PanelPosition(1, column), "dash")
        best = [r for r in plan.here if r.metric == plan.metric][-1]
        cross = {"symbol": "x", "size": 11, "color": TRUTH}
        spot = go.Scatter(x=[at], y=[best.relative_effect], mode="markers", marker=cross, name=cross_name)
        figure.add_trace(spot.update(showlegend=column == 1), row=1, col=column)
        line = {"color": TRUTH, "width": 1.5, "dash": "dot"}
        figure.add_shape(
            type="line",
            x0=0,
            x1=1,
            xref="x domain",
            y0=abs(plan.effect),
            y1=abs(plan.effect),
            line=line,
            row=1,
            col=column,
        )


def _mark_run(figure: go.Figure, here: Here) -> None:
    """The size of the run chosen, where it is not the plan's own."""
    for column, at in ((1, here.users), (2, here.days)):
        upright_line(figure, at, PanelPosition(1, column), "dot")
    line = {"color": QUIET, "width": 1.5, "dash": "dot"}
    name = f"you are here: {here.users:,} users, {here.days} days"
    figure.add_scatter(x=[None], y=[None], mode="lines", line=line, name=name, row=1, col=1)
