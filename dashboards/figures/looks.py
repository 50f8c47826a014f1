"""The lift after each look with its intervals, and the looks revealed one by one."""

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures import interval_marks
from dashboards.figures.small_multiples import PanelPosition, upright_line
from dashboards.figures.theme import QUIET, TRUTH, arm_colour, frame, remark
from dashboards.text import formatting
from simulator.reports.report import LookRow, Number, Report

_HALF_DAY: Final = 0.12
"""Half the width of a band of one look."""
BANDS = (
    ("always", "always-valid", 0.13),
    ("group", "group-sequential", 0.22),
    ("ci", "one look only (naive)", 0.34),
)
"""Fields of a look, what they are called, and how dark they are drawn; widest first."""


def look_curves(report: Report, metrics: Sequence[str]) -> go.Figure:
    """One panel per metric and treatment: cumulative lift, three bands, the truth dotted, crossings ringed."""
    rows = [] if report.looks is None else [row for row in report.looks.rows if row.metric in metrics]
    keys = [key for key in metrics if any(row.metric == key for row in rows)]
    if not keys:
        return remark("This report has no looks at these metrics.")
    arms = interval_marks.treatments(report)
    titles = [_title(report, key, arm) for arm in arms for key in keys]
    figure = make_subplots(
        rows=len(arms),
        cols=len(keys),
        subplot_titles=titles,
        horizontal_spacing=0.09,
        vertical_spacing=0.3 / len(arms),
    )
    figure.update_annotations(font_size=13)
    for line, arm in enumerate(arms, start=1):
        for column, key in enumerate(keys, start=1):
            _draw(
                figure,
                report,
                [row for row in rows if (row.arm, row.metric) == (arm, key)],
                PanelPosition(line, column),
            )
    figure.update_xaxes(
        title_text="Days of the test so far", tickformat="d", dtick=max(1, -(-report.days // 8)), tick0=0
    )
    figure.update_xaxes(showgrid=False, zeroline=False)
    figure.update_yaxes(tickformat=".3~%").update_yaxes(title_text="Cumulative lift (%)", col=1)
    _add_legend(figure, report, rows)
    return frame(figure, 310 * len(arms) + 50)


def _title(report: Report, metric: str, arm: str) -> str:
    """The metric, and the treatment where there are several."""
    label = formatting.in_figure(formatting.describe(report, metric).label, 32)
    return label if len(report.arms) == 2 else f"{label}<br>{formatting.in_legend(arm)}"


def _draw(figure: go.Figure, report: Report, rows: Sequence[LookRow], where: PanelPosition) -> None:
    """Bands, then the lift, then the truth."""
    if not rows:
        return
    colour = arm_colour(report, rows[0].arm)
    bands = [_band(rows, field, colour, dark) for field, _, dark in BANDS]
    for trace in (*bands, _truth(rows), _lift(report, rows, colour)):
        figure.add_trace(trace.update(showlegend=False, meta=rows[0].arm), row=where.row, col=where.column)
    figure.update_yaxes(range=_range(rows), row=where.row, col=where.column)
    if report.stopped is not None:
        upright_line(figure, report.stopped.days, where, dash="dash")


def _range(rows: Sequence[LookRow]) -> list[float]:
    """What the naive and always-valid bands take up, with 0: early group-sequential bounds may lie far outside."""
    ends = [0.0, *(end for row in rows for end in (row.ci_low, row.ci_high, row.always_low, row.always_high) if end)]
    room = 0.06 * (max(ends) - min(ends))
    return [min(ends) - room, max(ends) + room]


def _band(rows: Sequence[LookRow], field: str, colour: str, dark: float) -> go.Scatter:
    """One interval over the days; looks without it are left out, and a single one has some width."""
    ends: list[tuple[int, Number, Number]] = [(r.days, *_ends(r, field)) for r in rows]
    whole = [(day, low, high) for day, low, high in ends if low is not None and high is not None]
    aside = (-_HALF_DAY, _HALF_DAY) if len(whole) == 1 else (0,)
    placed = [(day + by, low, high) for day, low, high in whole for by in aside]
    return go.Scatter(
        x=[at for at, _, _ in placed] + [at for at, _, _ in reversed(placed)],
        y=[high for _, _, high in placed] + [low for _, low, _ in reversed(placed)],
        mode="lines",
        fill="toself",
        line={"width": 0},
        fillcolor=_pale(colour, dark),
        hoverinfo="skip",
        name=field,
    )


def _ends(row: LookRow, field: str) -> tuple[Number, Number]:
    if field == "ci":
        return row.ci_low, row.ci_high
    return (row.group_low, row.group_high) if field == "group" else (row.always_low, row.always_high)


def _pale(colour: str, dark: float) -> str:
    """A colour that lets the background through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{dark})"


def _lift(report: Report, rows: Sequence[LookRow], colour: str) -> go.Scatter:
    """The estimate; a look at which the method chosen crosses is drawn larger and ringed."""
    return go.Scatter(
        x=[row.days for row in rows],
        y=[row.relative_effect for row in rows],
        mode="lines+markers",
        line={"color": colour, "width": 2},
        marker={
            "size": [11 if row.crossed else 6 for row in rows],
            "symbol": ["circle-dot" if row.crossed else "circle" for row in rows],
            "color": colour,
        },
        hovertext=[_hover(report, row) for row in rows],
        hoverinfo="text",
        name="lift so far",
    )


def _hover(report: Report, row: LookRow) -> str:
    """Everything about a look."""
    lines = [f"{formatting.in_figure(row.arm)}, after {row.days} days: {formatting.lift(row.relative_effect)}"]
    lines += [f"{name}: {formatting.interval(*_ends(row, field))}" for field, name, _ in reversed(BANDS)]
    lines += [
        f"information: {formatting.share(row.information)}",
        f"true so far: {formatting.lift(row.true_relative_effect)}",
    ]
    method = "" if report.looks is None else report.looks.method
    return "<br>".join([*lines, f"crossed ({method})" if row.crossed else "not crossed"])


def _truth(rows: Sequence[LookRow]) -> go.Scatter:
    """The true lift over the same days."""
    return go.Scatter(
        x=[row.days for row in rows],
        y=[row.true_relative_effect for row in rows],
        mode="lines" if len(rows) > 1 else "markers",
        line={"dash": "dot", "width": 2, "color": TRUTH},
        marker={"symbol": "star-open", "size": 11, "color": TRUTH},
        hoverinfo="skip",
        name="true lift so far",
    )


def _add_legend(figure: go.Figure, report: Report, rows: Sequence[LookRow]) -> None:
    """Arms by colour, bands by depth, the truth."""
    interval_marks.add_legend(figure, report, interval_marks.treatments(report), [])
    for _, name, dark in reversed(BANDS):
        sign = {"symbol": "square", "size": 12, "color": _pale(QUIET, 2 * dark)}
        figure.add_scatter(x=[None], y=[None], mode="markers", marker=sign, name=f"interval, {name}")
    if any(row.true_relative_effect is not None for row in rows):
        line = {"dash": "dot", "width": 2, "color": TRUTH}
        figure.add_scatter(x=[None], y=[None], mode="lines", line=line, name="true lift so far")


HEADINGS: Final = ("Method", "Lift so far", "95% interval", "Verdict", "True lift so far", "Holds the truth")


def looks_of(report: Report, metric: str, arm: str) -> list[LookRow]:
    """The looks at one metric and treatment, in order."""
    rows = [] if report.looks is None else report.looks.rows
    return sorted((row for row in rows if (row.metric, row.arm) == (metric, arm)), key=lambda row: row.days)


def replay(report: Report, metric: str, arm: str, seen: int, *, stopped: bool) -> go.Figure:
    """The curve of the first `seen` looks; the truth appears once the viewer has stopped."""
    rows = looks_of(report, metric, arm)[:seen]
    if report.looks is None or not rows:
        return remark("This run kept no looks to play again.")
    visible = rows if stopped else [row.model_copy(update={"true_relative_effect": None}) for row in rows]
    arms = [each for each in report.arms if each.name in (report.arms[0].name, arm)]
    looks = report.looks.model_copy(update={"rows": visible})
    figure = look_curves(report.model_copy(update={"arms": arms, "looks": looks, "stopped": None}), [metric])
    return figure.update_xaxes(range=[0.5, max(row.days for row in looks_of(report, metric, arm)) + 0.5])


def method_lines(look: LookRow) -> list[tuple[str, ...]]:
    """What fixed, group-sequential and always-valid intervals say at one look, and whether they are right."""
    ways = (
        ("fixed 1.96 (wrong when peeking)", look.ci_low, look.ci_high),
        ("group-sequential", look.group_low, look.group_high),
        ("always-valid", look.always_low, look.always_high),
    )
    return [
        (
            name,
            formatting.lift(look.relative_effect),
            formatting.interval(low, high),
            _verdict(low, high),
            formatting.lift(look.true_relative_effect),
            _holds(low, high, look.true_relative_effect),
        )
        for name, low, high in ways
    ]


def _verdict(low: Number, high: Number) -> str:
    if low is None or high is None:
        return formatting.MISSING
    return "no clear change" if low <= 0 <= high else "higher" if low > 0 else "lower"


def _holds(low: Number, high: Number, truth: Number) -> str:
    if low is None or high is None or truth is None:
        return formatting.MISSING
    return "yes" if low <= truth <= high else "no"
