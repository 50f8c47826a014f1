"""From the fitted model to the world's terms: one appeal, six action effects and a taste per user; the like per video.

The fit has effects on single segments of the thresholds, which a world has not. What of them moves the whole watch up
to a long view is added to appeal (in proportion to its effect on the log-chance of getting there); their remaining
mean, by duration, goes into the pass logits; the rest is left out.

Axes: `items` users or videos; `segments` and `thresholds` of watch time; `nodes` durations; `actions`; `d` taste
dimensions.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from user_models.dynamics.watch_thresholds import LONG_VIEW_THRESHOLD, N_SEGMENTS, SEGMENT
from user_models.fit.rows.batches import Batch, log_nodes
from user_models.fit.watch_model.effects import EffectTable
from user_models.fit.watch_model.model import WatchModel
from user_models.world.tables import ACTIONS

_CHUNK: Final = 20_000
_N_ACTIONS: Final = len(ACTIONS)


@final
@dataclass(frozen=True)
class Latents:
    """Latents of all users, or of all videos, around 0.

    Attributes:
        appeal: Posterior means.
        appeal_variance: Mean posterior variance of appeal.
        action: Point estimates.
        taste: Coordinates; those of users have unit covariance, and the match of random pairs has variance 1.
    """

    appeal: Float64[np.ndarray, " items"]
    appeal_variance: float
    action: Float64[np.ndarray, "items actions"]
    taste: Float64[np.ndarray, "items d"]


@final
@dataclass(frozen=True)
class Terms:
    """The fit in the world's terms.

    Attributes:
        users: Latents of every user.
        videos: Latents of every video.
        stage: Pass logits on the main feed for average users and videos.
        slope: Pull of appeal per segment; its mean up to a long view is 1, which sets the unit of appeal.
        action_base: Logit of each action for average users and videos.
        match_spread: Standard deviation of the match over random pairs, in units of appeal.
        unit: Units of appeal in one of the fit's.
    """

    users: Latents
    videos: Latents
    stage: Float64[np.ndarray, "nodes thresholds"]
    slope: Float64[np.ndarray, " segments"]
    action_base: Float64[np.ndarray, " actions"]
    match_spread: float
    unit: float


@torch.no_grad()
def world_terms(model: WatchModel, rows: Batch, log_duration: Float64[np.ndarray, " videos"]) -> Terms:
    """Translate a fitted model.

    Args:
        model: Fitted.
        rows: The views it was fitted on; they say how hard each threshold is.
        log_duration: Of every video; NaN where not known.
    """
    fitted = model.slope().double().numpy()
    pull = _segment_pull(model, rows)
    unit = float(pull @ fitted / pull.sum())
    slope = fitted / unit
    user, video = _raw(model.users, pull, unit, slope), _raw(model.videos, pull, unit, slope)
    watching = model.watcher_actions(model.users.effects(model.users.all_items(), None)).double().numpy()
    match_action = model.action_match.double().numpy() / unit
    t_mean, o_mean = user.taste.mean(axis=0), video.taste.mean(axis=0)
    t_main, o_main = user.taste @ o_mean, video.taste @ t_mean
    user_appeal, video_appeal = user.appeal + t_main, video.appeal + o_main
    user_action = user.action + watching + t_main[:, None] * match_action
    video_action = video.action + o_main[:, None] * match_action
    constant = user_appeal.mean() + video_appeal.mean() - t_mean @ o_mean
    rest = user.residual.mean(axis=0) + _by_node(video.residual, log_duration)
    base = model.action_base.double().numpy() + user_action.mean(axis=0) + video_action.mean(axis=0)
    taste, topic, spread = _unit_match(user.taste - t_mean, video.taste - o_mean)
    return Terms(
        users=Latents(user_appeal - user_appeal.mean(), user.variance, user_action - user_action.mean(axis=0), taste),
        videos=Latents(
            video_appeal - video_appeal.mean(), video.variance, video_action - video_action.mean(axis=0), topic
        ),
        stage=model.stage.double().numpy() + (rest + slope * constant)[:, SEGMENT],
        slope=slope,
        action_base=base - match_action * (t_mean @ o_mean),
        match_spread=spread,
        unit=unit,
    )


@final
@dataclass(frozen=True)
class _Raw:
    """Effects of all items, before centring."""

    appeal: Float64[np.ndarray, " items"]
    variance: float
    residual: Float64[np.ndarray, "items segments"]
    action: Float64[np.ndarray, "items actions"]
    taste: Float64[np.ndarray, "items d"]


def _raw(
    table: EffectTable,
    pull: Float64[np.ndarray, " segments"],
    unit: float,
    slope: Float64[np.ndarray, " segments"],
) -> _Raw:
    """Fold each item's segment effects into its appeal, in units of the mean slope; return the residual too."""
    items = table.all_items()
    effects = table.effects(items, None).double().numpy()
    variance = table.posterior_variance().double().numpy()
    weight = pull / (pull @ slope)
    stray = effects[:, -N_SEGMENTS:]
    folded = stray @ weight
    return _Raw(
        appeal=unit * effects[:, 0] + folded,
        variance=float((unit**2 * variance[:, 0] + variance[:, -N_SEGMENTS:] @ weight**2).mean()),
        residual=stray - folded[:, None] * slope,
        action=effects[:, 1 : 1 + _N_ACTIONS],
        taste=np.sqrt(unit) * table.taste(items).double().numpy(),
    )


def _segment_pull(model: WatchModel, rows: Batch) -> Float64[np.ndarray, " segments"]:
    """Gain in the log-chance of a long view per unit on each segment: mean failures of its thresholds up to 18 s."""
    feed = rows.take(torch.nonzero(rows.tab == 0).flatten())
    failing = torch.cat([_failing(model, feed.take(part)) for part in torch.arange(len(feed)).split(_CHUNK)])
    mean = failing.double().mean(dim=0).numpy()
    up_to = np.arange(len(mean)) <= LONG_VIEW_THRESHOLD
    return np.bincount(SEGMENT, weights=mean * up_to, minlength=N_SEGMENTS)


def _failing(model: WatchModel, batch: Batch) -> Tensor:
    """Compute the chance to fail at each existing threshold."""
    return torch.where(batch.exists, torch.sigmoid(-model.log_odds(batch)[0]), 0.0)


def _by_node(
    residual: Float64[np.ndarray, "items segments"], log_duration: Float64[np.ndarray, " items"]
) -> Float64[np.ndarray, "nodes segments"]:
    """Fit the residuals' trend along duration at the nodes: quadratic, or lower with few distinct lengths.

    Held constant beyond the middle 98% of the lengths.
    """
    has_length = np.isfinite(log_duration)
    x = log_duration[has_length]
    low, high = np.quantile(x, [0.01, 0.99])
    at = np.clip(log_nodes().astype(np.float64), low, high)
    degree = min(2, len(np.unique(x)) - 1)
    return np.stack([np.polyval(np.polyfit(x, column[has_length], degree), at) for column in residual.T], axis=1)


def _unit_match(
    taste: Float64[np.ndarray, "users d"], topic: Float64[np.ndarray, "videos d"]
) -> tuple[Float64[np.ndarray, "users d"], Float64[np.ndarray, "videos d"], float]:
    """Rescale tastes and topics: tastes get unit covariance, the match variance 1. The third value is the scale."""
    values, vectors = np.linalg.eigh(np.cov(taste.T))
    root = np.sqrt(np.maximum(values, 1e-12))
    even = taste @ vectors / root
    turned = topic @ vectors * root
    spread = float(np.sqrt(np.trace(np.atleast_2d(np.cov(turned.T)))))
    return even, turned / spread, spread
