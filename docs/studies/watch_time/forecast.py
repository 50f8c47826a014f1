"""What a formulation says of views it has not seen, set against what happened, view by view.

Everything is read off one function, the CDF, so that discrete and continuous formulations meet on equal terms.

Axes: `rows` views; `nodes` seconds between which a CDF is taken as a line; `points` seconds common to all views.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64
from network import WatchNet
from torch import Tensor
from views import Views

CLICK_S: Final = 7.0
"""KuaiRand's `is_click` on autoplay pages: played past this or to the end."""
LONG_S: Final = 18.0
"""KuaiRand's `long_view`: played this long or to the end."""
FINEST: Final = 1e-6
"""A cell's chance is taken to be at least this; how often that was needed is reported."""
POINTS_S: Final = np.concatenate([[0.0], np.geomspace(0.25, 800, 90)])
"""Seconds at which the forecast distribution of a class of lengths is compared with what was watched."""
_FIRST_S: Final = 0.25
_RATIO: Final = 1.1
_LAST_LENGTHS: Final = 4.0
_CUT_LENGTHS: Final = 8.0
_NEAR_END: Final = (
    0.85,
    0.9,
    0.95,
    0.98,
    1.0,
    1.005,
    1.01,
    1.015,
    1.02,
    1.03,
    1.05,
    1.1,
    1.25,
    1.5,
    2.0,
    3.0,
    4.0,
    6.0,
    8.0,
)
_CHUNK: Final = 6000
_Cdf: TypeAlias = Callable[[Tensor], Tensor]
"""Of seconds, rows by points."""


@final
@dataclass(frozen=True)
class Forecast:
    """Per view, how the forecast fared.

    Attributes:
        cell: Chance of the cell of the common grid in which the view ended.
        crps_s: Continuous ranked probability score, in seconds.
        crps_log: The same over log(1 + seconds).
        pit: Chance of a shorter watch, ties broken at random.
        mean_s: Mean of watch seconds, cut at eight lengths.
        click: Chance of KuaiRand's click.
        long_view: Chance of KuaiRand's long view.
        below: P(watch <= point) at `POINTS_S`.
    """

    cell: Float64[np.ndarray, " rows"]
    crps_s: Float64[np.ndarray, " rows"]
    crps_log: Float64[np.ndarray, " rows"]
    pit: Float64[np.ndarray, " rows"]
    mean_s: Float64[np.ndarray, " rows"]
    click: Float64[np.ndarray, " rows"]
    long_view: Float64[np.ndarray, " rows"]
    below: Float32[np.ndarray, "rows points"]


@torch.no_grad()
def forecast(
    net: WatchNet, views: Views, grid: Bool[np.ndarray, " rows"], ties: Float64[np.ndarray, " rows"]
) -> Forecast:
    """Forecasts of views.

    Args:
        net: A fitted network.
        views: What happened.
        grid: True where a click means that anything was played.
        ties: Even draws in [0, 1), one per view, the same for every formulation.
    """
    parts = torch.arange(len(views)).split(_CHUNK)
    done = [
        _forecast(net, views.take(part), torch.from_numpy(grid)[part], torch.from_numpy(ties)[part]) for part in parts
    ]
    columns = [torch.cat(column).numpy() for column in zip(*done, strict=True)]
    return Forecast(*columns)


def crps(
    nodes: Float[Tensor, "rows nodes"], below: Float[Tensor, "rows nodes"], at: Float[Tensor, " rows"]
) -> Float[Tensor, " rows"]:
    """Integral of (F(x) - [x >= at])^2 over the nodes, with F a line between two of them.

    Matheson and Winkler, Manage. Sci. 22, 1976, https://doi.org/10.1287/mnsc.22.10.1087. Between nodes a apart with
    heights p and q of |F - [x >= at]| the integral is a (p^2 + p q + q^2) / 3, exactly.

    Args:
        nodes: Increasing along a row; `at` is among them.
        below: The CDF there.
        at: What happened.
    """
    over = (nodes >= at[:, None])[:, :-1]
    left = torch.where(over, 1 - below[:, :-1], below[:, :-1])
    right = torch.where(over, 1 - below[:, 1:], below[:, 1:])
    return (nodes.diff(dim=1) * (left.square() + left * right + right.square()) / 3).sum(dim=1)


def cell_bounds(
    watch_s: Float[Tensor, " rows"], duration_s: Float[Tensor, " rows"]
) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"]]:
    """The cell of the common grid in which each positive watch time lies.

    Cells are a tenth wide on a log scale, from 0.25 s up to the end and from the end up to four lengths; the first
    begins at 0, the last has no end. No formulation's own cells are among them but for the end of the video.
    """
    at_end = watch_s >= duration_s
    unit = torch.where(at_end, duration_s, _FIRST_S)
    rank = ((watch_s / unit).log() / np.log(_RATIO) + 1e-9).floor()
    low, high = unit * _RATIO**rank, unit * _RATIO ** (rank + 1)
    low = torch.where(~at_end & (rank < 0), 0.0, low)
    high = torch.where(~at_end & (rank < 0), _FIRST_S, high)
    last_s = _LAST_LENGTHS * duration_s
    high = torch.minimum(high, torch.where(at_end, last_s, duration_s))
    last = watch_s >= last_s
    return torch.where(last, last_s, low), torch.where(last, torch.inf, high)


def _forecast(net: WatchNet, views: Views, grid: Tensor, ties: Tensor) -> tuple[Tensor, ...]:
    """The columns of `Forecast`, for a part of the views."""
    outputs, d, w = net(views).double(), views.duration_s.double(), views.watch_s.double()

    def cdf(seconds: Tensor) -> Tensor:
        return net.form.cdf(outputs, seconds, d)

    nodes = _nodes(w, d)
    below = cdf(nodes)
    at_watch = cdf(w[:, None])[:, 0]
    pit = torch.where(w > 0, at_watch, ties * at_watch)
    cut = nodes.clamp(max=_CUT_LENGTHS * d[:, None])
    mean_s = (cut.diff(dim=1) * (1 - (below[:, 1:] + below[:, :-1]) / 2)).sum(dim=1)
    nothing = below[:, 0]
    click = torch.where(grid, 1 - nothing, 1 - _before(cdf, CLICK_S, d))
    long_view = 1 - _before(cdf, LONG_S, d)
    points = cdf(torch.from_numpy(POINTS_S).expand(len(w), -1))
    scores = crps(nodes, below, w), crps(nodes.log1p(), below, w.log1p())
    return _cell(cdf, w, d, nothing), *scores, pit, mean_s, click, long_view, points.float()


def _cell(cdf: _Cdf, w: Tensor, d: Tensor, nothing: Tensor) -> Tensor:
    """Chance of the cell in which each view ended; nothing watched is a cell of its own."""
    low, high = cell_bounds(w.clamp(min=1e-3), d)
    ends = cdf(torch.stack([low, high.clamp(max=1e9)], dim=1))
    above = torch.where(high.isinf(), 1.0, ends[:, 1])
    return torch.where(w > 0, above - ends[:, 0], nothing)


def _before(cdf: _Cdf, seconds: float, d: Tensor) -> Tensor:
    """Chance to end before `seconds` and before the end."""
    # A hair below the threshold, so that a mass at the end counts as having reached it.
    return cdf((1 - 1e-9) * d.clamp(max=seconds)[:, None])[:, 0]


def _nodes(watch_s: Float[Tensor, " rows"], duration_s: Float[Tensor, " rows"]) -> Float[Tensor, "rows nodes"]:
    """Seconds between which a CDF is close to a line: log-spaced to the end, dense about it, and the watch itself."""
    d = duration_s[:, None]
    spaced = torch.minimum(torch.from_numpy(np.concatenate([[0.0], np.geomspace(0.25, 1200, 60)])), d)
    near = d * torch.tensor(_NEAR_END, dtype=d.dtype)
    return torch.cat([spaced, near, watch_s[:, None]], dim=1).sort(dim=1).values
