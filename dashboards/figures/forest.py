"""Forests: one lane per metric or segment, the treatments of a lane side by side, lift along the x axis."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboards.figures import interval_marks
from dashboards.figures.interval_marks import Mark, Symbol
from dashboards.figures.small_multiples import PanelPosition
from dashboards.figures.theme import arm_colour, frame, remark
from dashboards.text import formatting
from dashboards.text.decision import truth_in_interval, valid_rows
from simulator.reports.report import MetricRow, Report

EVERYBODY = "all users"
USUAL_FEATURE = "user_active_degree"
LIFT_TITLE = "Lift over {control} (%), with 95% interval"


@final
@dataclass(frozen=True)
class Forest:
    """A forest's lanes and what is drawn in them.

    Attributes:
        lanes: Names from top to bottom.
        rows: What is drawn.
        lane_of: The lane of a row.
        cell: Its panel in the figure.
    """

    lanes: list[str]
    rows: list[MetricRow]
    lane_of: Callable[[MetricRow], str]
    cell: PanelPosition


def scorecard(report: Report) -> go.Figure:
    """Lift of every metric: AUT and AVT, then P2N, then the others, each block on its own scale."""
    keys = formatting.metric_keys(report)
    if not keys:
        return remark("This report has no metrics.")
    groups = _groups(keys)
    heights = [len(group) + 0.6 for group in groups]
    figure = make_subplots(
        rows=len(groups), cols=1, row_heights=heights, vertical_spacing=76 / _height(report, heights)
    )
    for block, group in enumerate(groups, start=1):
        rows = [row for row in valid_rows(report) if row.metric in group]
        _draw(figure, report, Forest(group, rows, lambda row: row.metric, PanelPosition(block, 1)))
        names = [formatting.in_figure(formatting.describe(report, key).label, 34) for key in group]
        _name_lanes(figure, names, PanelPosition(block, 1))
    _label_lifts(figure, report)
    interval_marks.add_legend(
        figure, report, interval_marks.treatments(report), interval_marks.symbols_in(report.metrics, hollow=True)
    )
    _explain_misses(figure)
    return frame(figure, _height(report, heights))


def segments(report: Report, metrics: Sequence[str]) -> go.Figure:
    """Lift within each segment of users, one forest per metric, all users on top for comparison."""
    names = list(dict.fromkeys(segment_name(row) for row in report.segments))
    keys = [key for key in metrics if any(row.metric == key for row in report.segments)]
    if not keys:
        return remark("This report has no segments.")
    titles = [formatting.in_figure(formatting.describe(report, key).label, 30) for key in keys]
    figure = make_subplots(rows=1, cols=len(keys), shared_yaxes=True, subplot_titles=titles, horizontal_spacing=0.05)
    figure.update_annotations(font_size=13)
    lanes = [EVERYBODY, *names]
    for column, key in enumerate(keys, start=1):
        rows = [row for row in (*valid_rows(report), *report.segments) if row.metric == key]
        _draw(figure, report, Forest(lanes, rows, segment_name, PanelPosition(1, column)))
    _name_lanes(figure, [formatting.in_figure(name, 24) for name in lanes], PanelPosition(1, 1))
    _label_lifts(figure, report)
    interval_marks.add_legend(
        figure, report, interval_marks.treatments(report), interval_marks.symbols_in(report.segments, hollow=True)
    )
    _explain_misses(figure)
    return frame(figure, _height(report, [len(lanes) + 1.0]))


def _explain_misses(figure: go.Figure) -> None:
    """Say what a ring is, where there is one."""
    if any(trace.name == "missed" for trace in interval_marks.traces_of(figure)):
        figure.add_trace(interval_marks.missed_legend())


def segment_name(row: MetricRow) -> str:
    """The level alone of the usual feature, feature and level of any other."""
    if row.segment is None:
        return EVERYBODY
    is_usual = row.feature in (None, USUAL_FEATURE)
    return formatting.segment_words(row.segment if is_usual else f"{row.feature} {row.segment}")


def _groups(keys: Sequence[str]) -> list[list[str]]:
    """Metrics that share a scale: times, the volatile ratio by itself, all others; empty groups left out."""
    times = [key for key in keys if key in ("AUT", "AVT")]
    ratio = [key for key in keys if key == "P2N"]
    others = [key for key in keys if key not in formatting.HEADLINE]
    return [group for group in (times, ratio, others) if group]


def _height(report: Report, heights: Sequence[float]) -> int:
    """Pixels: a lane grows with its treatments; each forest has an axis below."""
    lane = 34 + 20 * (len(interval_marks.treatments(report)) - 1)
    return int(lane * sum(heights) + 76 * (len(heights) - 1) + 130)


def _draw(figure: go.Figure, report: Report, forest: Forest) -> None:
    """Every treatment's intervals, points and stars, and a word where an estimate is missing."""
    for arm in interval_marks.treatments(report):
        rows = [row for row in forest.rows if row.arm == arm]
        shift = interval_marks.offset(report, arm)
        at = [forest.lanes.index(forest.lane_of(row)) + shift for row in rows]
        _draw_arm(figure, report, arm, list(zip(rows, at, strict=True)), forest)


def _draw_arm(
    figure: go.Figure, report: Report, arm: str, placed: list[tuple[MetricRow, float]], forest: Forest
) -> None:
    """One treatment: truth under plain under adjusted."""
    below = 0.22 * interval_marks.lane_step(report)
    cuped = [interval_marks.main_mark(row, at) for row, at in placed if row.method != "plain"]
    plain = [interval_marks.plain_mark(row, at + below) for row, at in placed if row.method != "plain"]
    plain += [interval_marks.main_mark(row, at) for row, at in placed if row.method == "plain"]
    truth = [interval_marks.true_mark(row, at) for row, at in placed]
    colour, group = arm_colour(report, arm), interval_marks.arm_group(report, arm)
    missed = [(row.true_relative_effect, at) for row, at in placed if truth_in_interval(row) == "missed"]
    rings = [interval_marks.missed_ring([x for x, _ in missed], [y for _, y in missed])] if missed else []
    traces = [
        *rings,
        *_traces(truth, "star", colour, 0.0),
        *_traces(plain, "circle-open", colour, 1.0),
        *_traces(cuped, "circle", colour, 3.0),
    ]
    for trace in traces:
        trace.update(legendgroup=group, showlegend=False, meta=arm)
        figure.add_trace(trace, row=forest.cell.row, col=forest.cell.column)
    for row, at in placed:
        _admit_missing(figure, row, at, forest)


def _traces(points: Sequence[Mark], symbol: Symbol, colour: str, width: float) -> list[go.Scatter]:
    """The intervals as a line, then the points on it; nothing where there is nothing."""
    drawn = [mark for mark in points if mark.value is not None]
    ends = interval_marks.spans(points)
    line = interval_marks.interval_line(width, colour).update(x=ends.value, y=ends.at)
    dots = go.Scatter(
        x=[mark.value for mark in drawn],
        y=[mark.at for mark in drawn],
        mode="markers",
        marker=interval_marks.marker(symbol, colour),
        hovertext=[mark.hover for mark in drawn],
        hoverinfo="text",
        name=symbol,
    )
    return ([line] if ends.at else []) + ([dots] if drawn else [])


def _admit_missing(figure: go.Figure, row: MetricRow, at: float, forest: Forest) -> None:
    """Write the reason in the lane of an estimate that is null."""
    if row.relative_effect is not None:
        return
    reason = formatting.in_figure(f"{row.arm}: missing, {formatting.why(row.reasons, 'relative_effect')}", 44)
    figure.add_annotation(
        text=f"<i>{reason}</i>",
        x=0.02,
        xref="x domain",
        y=at,
        xanchor="left",
        showarrow=False,
        align="left",
        font={"size": 11},
        row=forest.cell.row,
        col=forest.cell.column,
    )


def _name_lanes(figure: go.Figure, names: Sequence[str], where: PanelPosition) -> None:
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=list(names), row=where.row, col=where.column)
    figure.update_yaxes(range=[len(names) - 0.4, -0.6], row=where.row, col=where.column)
    figure.update_yaxes(showgrid=False, zeroline=False)


def _label_lifts(figure: go.Figure, report: Report) -> None:
    control = formatting.in_figure(report.arms[0].name, 24)
    figure.update_xaxes(tickformat=".3~%", rangemode="tozero", nticks=7)
    figure.update_xaxes(title_text=LIFT_TITLE.format(control=control))
