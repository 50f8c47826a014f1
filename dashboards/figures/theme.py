"""One look for everything drawn: fonts, colours that colour-blind people can tell apart, light and dark.

Colours are those of Okabe and Ito, "Color Universal Design" (2008), https://jfly.uni-koeln.de/color/. All but two
read on both backgrounds (`LIGHTER`); ink and grid live in the template.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any, Final, cast, final

import plotly.graph_objects as go

from simulator.reports.report import Report

FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
CONTROL: Final = "#8a8f98"
TREATMENTS: Final = ("#0072B2", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
"""Blue, bluish green, reddish purple, sky blue, orange; a sixth treatment begins anew."""
TRUTH: Final = "#D55E00"
"""Vermilion: stars, and nothing else."""
MISSED: Final = "#E0404A"
"""Red: the ring around a true effect that its interval missed."""
LIGHTER: Final = {TREATMENTS[0]: "#2A8CD6", MISSED: "#EE5A63"}
"""What takes the place of the two that are too dark on a dark background: all reach 4.5 to 1 there."""
QUIET: Final = "#8a8f98"
"""Lines and remarks that stay in the background, light or dark."""
_NARROW_PX: Final = 640
CLEAR: Final = "rgba(0,0,0,0)"


@final
@dataclass(frozen=True)
class Look:
    """Colours that depend on the background.

    Attributes:
        paper: Background.
        ink: Text.
        grid: Lines of a grid and borders.
        zero: The line at no change.
        quiet: Text that explains.
        wash: Background of a box.
        better: Of what is good for a metric.
        worse: Of what is bad for it.
        mixed: Of what needs a look.
        estimate: Of an interval that is not clear.
        truth: Of the true effect and its text.
    """

    paper: str
    ink: str
    grid: str
    zero: str
    quiet: str
    wash: str
    better: str
    worse: str
    mixed: str
    estimate: str
    truth: str


LIGHT: Final = Look(
    paper="#ffffff",
    ink="#24292f",
    grid="#e6e8eb",
    zero="#9aa1ab",
    quiet="#57606a",
    wash="#f6f7f9",
    better="#1a7f37",
    worse="#b42318",
    mixed="#855600",
    estimate="#0064a0",
    truth="#b04a00",
)
DARK: Final = Look(
    paper="#171614",
    ink="#e8e6e3",
    grid="#34322f",
    zero="#77736d",
    quiet="#b0aca6",
    wash="#22211f",
    better="#5cc98d",
    worse="#ff938a",
    mixed="#e3b341",
    estimate="#6db8ea",
    truth="#ff9a5c",
)


def template(look: Look) -> go.layout.Template:
    """The Plotly template of a look; the background stays transparent, so the page shows through."""
    axis = {
        "gridcolor": look.grid,
        "linecolor": look.grid,
        "zerolinecolor": look.zero,
        "zerolinewidth": 1.5,
        "automargin": True,
        "ticklabelstandoff": 4,
        "title": {"standoff": 8, "font": {"size": 12}},
    }
    hover = {"bgcolor": look.paper, "bordercolor": look.zero, "font": {"color": look.ink}, "align": "left"}
    layout = {
        "font": {"family": FONT, "size": 13, "color": look.ink},
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "xaxis": axis,
        "yaxis": axis,
        "hoverlabel": hover,
    }
    return go.layout.Template(layout=layout)


def in_look(figure: go.Figure, look: Look) -> go.Figure:
    """Make a copy of a figure, which is in the light look, in another one."""
    if look is not DARK:
        return go.Figure(figure).update_layout(template=template(look))
    return go.Figure(_lightened(figure.to_plotly_json())).update_layout(template=template(look))


def _lightened(part: Any) -> Any:  # noqa: ANN401 (any JSON)
    """Replace colours that are too dark wherever they stand as a whole value."""
    if isinstance(part, dict):
        return {key: _lightened(value) for key, value in cast("dict[str, Any]", part).items()}
    if isinstance(part, (list, tuple)):
        return [_lightened(value) for value in cast("list[Any]", part)]
    return LIGHTER.get(part, part) if isinstance(part, str) else part


def frame(figure: go.Figure, height: int) -> go.Figure:
    """Give a finished figure its height in pixels (without the legend), a legend above and room around; returns it."""
    above = 24 * legend_rows(figure, _NARROW_PX)
    legend = {
        "orientation": "h",
        "x": 0,
        "xref": "container",
        "y": 1,
        "yref": "container",
        "yanchor": "top",
        "font": {"size": 12},
    }
    margin = {"l": 10, "r": 14, "t": 34 + above, "b": 48}
    return figure.update_layout(
        template=template(LIGHT), height=height + above, legend=legend, margin=margin, bargap=0.35, dragmode=False
    )


def legend_rows(figure: go.Figure, width: int) -> int:
    """Rows that the legend takes in a figure of `width` pixels: it must not cover what it explains."""
    traces = cast("tuple[go.Scatter, ...]", figure.data)
    entries = [44 + 7 * len(str(trace.name or "")) for trace in traces if trace.showlegend is not False]
    if sum(entries) <= width:
        return 1
    return ceil(len(entries) / max(1, width // max(entries)))  # beyond one row all columns are of one width


def remark(message: str) -> go.Figure:
    """A figure that says why there is nothing to draw."""
    figure = go.Figure().update_xaxes(visible=False).update_yaxes(visible=False)
    figure.add_annotation(text=message, showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper")
    return frame(figure, 140)


def arm_colour(report: Report, arm: str) -> str:
    """Grey for the control, which is the first arm; one colour per treatment in the order of the arms."""
    index = [summary.name for summary in report.arms].index(arm)
    return CONTROL if index == 0 else TREATMENTS[(index - 1) % len(TREATMENTS)]
