"""How watch time is spread over users, the effect along that distribution, and P2N by its two sides."""

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go

from dashboards.figures import interval_marks, lanes
from dashboards.figures.theme import QUIET, TRUTH, arm_colour, frame, remark
from dashboards.text import formatting
from simulator.reports.report import Report
from simulator.reports.sections import QuantileEffect
from simulator.reports.watch_time import WatchSpread

CAPTION: Final = (
    "Users of each bucket by the watch time of their average day of the test, days on which they stayed away included."
    " Each step is half a doubling wide, so equal steps are equal ratios. Users who watched nothing have no place on"
    " such an axis: their share stands beside the arm's name."
)
HEADINGS: Final = ("Arm", "Users", "Watched nothing", "Median, s/day", "Mean, s/day", "90% below, s/day")
_TICKS: Final = {0.01: "0.01 s", 0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h"}


def watch_spread(report: Report, spreads: Sequence[WatchSpread]) -> go.Figure:
    """Shares of each bucket's users by watch time per day."""
    if not any(spread.bins for spread in spreads):
        return remark("Nobody watched anything.")
    figure = go.Figure()
    for spread in _in_order(report, spreads):
        shares = [each.users / spread.users for each in spread.bins]
        edges = [each.low_s for each in spread.bins]
        last = [each.high_s for each in spread.bins[-1:]]
        idle = formatting.share(spread.idle / spread.users)
        figure.add_scatter(
            x=[*edges[:1], *edges, *last, *last],
            y=[0.0, *shares, *shares[-1:], 0.0] if shares else [],
            mode="lines",
            line={"color": arm_colour(report, spread.arm), "width": 2, "shape": "hv"},
            hoverinfo="skip",
            name=f"{formatting.in_legend(spread.arm)}: {idle} watched nothing",
            meta=spread.arm,
        )
    figure.update_xaxes(type="log", title_text="Watch time per day of the test (logarithmic)")
    figure.update_xaxes(tickvals=list(_TICKS), ticktext=list(_TICKS.values()))
    figure.update_yaxes(title_text="Users of the bucket (%)", tickformat=".3~%", rangemode="tozero")
    return frame(figure, 320)


def lines(report: Report, spreads: Sequence[WatchSpread]) -> list[tuple[str, ...]]:
    """The same in figures, one line per bucket."""
    return [
        (
            spread.arm,
            formatting.count(spread.users),
            formatting.share(spread.idle / spread.users),
            formatting.number(spread.median_s),
            formatting.number(spread.mean_s),
            formatting.number(spread.ninth_decile_s),
        )
        for spread in _in_order(report, spreads)
    ]


def _in_order(report: Report, spreads: Sequence[WatchSpread]) -> list[WatchSpread]:
    """The buckets that the report has, in its order."""
    spread_of = {spread.arm: spread for spread in spreads}
    return [spread_of[arm.name] for arm in report.arms if arm.name in spread_of]


def quantile_effects(report: Report) -> go.Figure:
    """The difference of each quantile of daily watch seconds, with its interval and the truth."""
    if not report.distribution:
        return remark("This report has no distribution.")
    figure = go.Figure()
    for arm in interval_marks.treatments(report):
        rows = [row for row in report.distribution if row.arm == arm]
        _draw_quantiles(figure, report, arm, rows)
    figure.add_hline(y=0, line_width=1.2, line_color=QUIET)
    figure.update_xaxes(title_text="Users, from those who watch least to most (%)", ticksuffix="", dtick=10)
    control = formatting.in_figure(report.arms[0].name, 24)
    figure.update_yaxes(title_text=f"Lift of daily watch time over {control} (%)", tickformat=".3~%")
    interval_marks.add_legend(figure, report, interval_marks.treatments(report), [])
    line = go.scatter.Line(color=TRUTH, dash="dot", width=2)
    figure.add_scatter(x=[None], y=[None], mode="lines", line=line, name="true effect")
    return frame(figure, 340)


def _draw_quantiles(figure: go.Figure, report: Report, arm: str, rows: Sequence[QuantileEffect]) -> None:
    """One treatment's estimates, intervals and truth."""
    colour, group = arm_colour(report, arm), interval_marks.arm_group(report, arm)
    x = [100 * row.quantile for row in rows]
    figure.add_scatter(
        x=x,
        y=[row.lift for row in rows],
        mode="markers",
        marker=interval_marks.marker("circle", colour),
        hovertext=[_quantile_hover(row) for row in rows],
        hoverinfo="text",
        legendgroup=group,
        showlegend=False,
        meta=arm,
        name="circle",
    )
    placed = [(x[i], row) for i, row in enumerate(rows) if row.lift_low is not None and row.lift_high is not None]
    line = interval_marks.interval_line(1.6, colour)
    line.update(
        x=[x_end for at, _ in placed for x_end in (at, at, None)],
        y=[end for _, row in placed for end in (row.lift_low, row.lift_high, None)],
    )
    figure.add_trace(line.update(legendgroup=group, showlegend=False, meta=arm))
    figure.add_scatter(
        x=x,
        y=[row.true_lift for row in rows],
        mode="lines",
        line={"color": TRUTH, "dash": "dot", "width": 2},
        hoverinfo="skip",
        legendgroup=group,
        showlegend=False,
        meta=arm,
        name="star",
    )


def _quantile_hover(row: QuantileEffect) -> str:
    ends = f"{formatting.number(row.control)} to {formatting.number(row.treatment)} s"
    text = f"{row.quantile:.0%} of users watch less: {ends}"
    return formatting.in_figure(text)


def p2n_sides(report: Report) -> go.Figure:
    """Lift of positives and of negatives, each by itself."""
    if not report.p2n:
        return remark("This report has no P2N by side.")
    names = list(dict.fromkeys(row.side for row in report.p2n))
    figure = go.Figure()
    for row in report.p2n:
        at = names.index(row.side) + interval_marks.offset(report, row.arm)
        lanes.draw_interval(figure, report, row.arm, at, (row.low, row.high))
        lanes.draw_point(figure, report, row.arm, at, row.lift, f"{row.side}, {row.arm}: {formatting.lift(row.lift)}")
        lanes.draw_truth(figure, at, row.true_lift, f"true: {formatting.lift(row.true_lift)}", (row.low, row.high))
    title = f"Lift over {formatting.in_figure(report.arms[0].name, 24)} (%), with 95% interval"
    figure.update_xaxes(title_text=title, tickformat=".3~%", rangemode="tozero")
    return lanes.finish_lanes(figure, report, names)
