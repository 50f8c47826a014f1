"""How watch time is spread over users: one outline per bucket, and its figures in a table."""

from collections.abc import Sequence
from typing import Final

import plotly.graph_objects as go

from dashboards.figures.theme import arm_colour, frame, remark
from dashboards.text import formatting
from simulator.reports.report import Report
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
    found = {spread.arm: spread for spread in spreads}
    return [found[arm.name] for arm in report.arms if arm.name in found]
