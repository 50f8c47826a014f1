"""Generators: kinds of user and of video with their shares, and normal latents around the mean of each kind.

Posterior means vary less than the effects they estimate, so the mean posterior variance is added back:
Var(effect) = Var(posterior mean) + E(posterior variance).

Axes: `items` users or videos; `kinds` profiles or tags; `columns` public columns; `n` latents.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64, Int32, Int64

from user_models.fit.generators.latents import Latents
from user_models.world.tables import ACTIONS, N_LENGTHS, USER_LATENTS, VIDEO_LATENTS, PublicColumn

UNKNOWN: Final = "unknown"
"""Level of a public column of users where a cell says nothing."""
FEWEST_USERS: Final = 5
"""Combinations with fewer users are left out."""
FEWEST_VIDEOS: Final = 40
"""Topics with fewer videos are merged into one."""
_JITTER: Final = 1e-6
_PRIOR_VIDEOS: Final = 20.0
"""Videos of any topic that the lengths of each topic's are mixed with."""


@final
@dataclass(frozen=True)
class Kinds:
    """Kinds of item.

    Attributes:
        kind: Kind of each item, -1 for those left out.
        share: Of each kind among the items kept; sums to 1.
    """

    kind: Int64[np.ndarray, " items"]
    share: Float64[np.ndarray, " kinds"]


@final
@dataclass(frozen=True)
class Uncertain:
    """Estimated latents of all items, and the mean posterior variance."""

    latents: Float64[np.ndarray, "items n"]
    added: Float64[np.ndarray, " n"]


@final
@dataclass(frozen=True)
class NormalMixture:
    """Normal latents within kinds.

    Attributes:
        mean: Of each kind.
        root: Lower Cholesky root of the covariance that all kinds share.
    """

    mean: Float64[np.ndarray, "kinds n"]
    root: Float64[np.ndarray, "n n"]


@final
@dataclass(frozen=True)
class Profiles:
    """Kinds of user, and the public codes of each."""

    kinds: Kinds
    columns: tuple[PublicColumn, ...]
    code: Int32[np.ndarray, "kinds columns"]


def profiles(users: pd.DataFrame, columns: tuple[str, ...]) -> Profiles:
    """Combinations of the public columns, as far as enough users share them."""
    coded = [pd.factorize(users[name].fillna(UNKNOWN).astype(str), sort=True) for name in columns]
    codes = np.stack([code for code, _ in coded], axis=1)
    found, kind, counts = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    kept = counts >= min(FEWEST_USERS, int(counts.max()))
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    public = tuple(
        PublicColumn(name, tuple(str(level) for level in levels))
        for name, (_, levels) in zip(columns, coded, strict=True)
    )
    kinds = Kinds(number[kind.ravel()], counts[kept] / counts[kept].sum())
    return Profiles(kinds, public, found[kept].astype(np.int32))


def topics(tag: "pd.Series[str]", kept: np.ndarray) -> Kinds:
    """Group videos by first tag, rare ones merged; -1 for videos left out."""
    counts = tag[kept].value_counts()
    common = tag.where(tag.isin(counts.index[counts >= FEWEST_VIDEOS]), "rare")
    kind, levels = pd.factorize(common.where(kept), sort=True)
    n = np.bincount(kind[kind >= 0], minlength=len(levels))
    return Kinds(kind.astype(np.int64), n / n.sum())


def mixture(items: Uncertain, kinds: Kinds) -> NormalMixture:
    """Fit the means per kind and the covariance within kinds, with the posterior variance added to its diagonal."""
    inside = kinds.kind >= 0
    x, kind = items.latents[inside], kinds.kind[inside]
    counts = np.bincount(kind, minlength=len(kinds.share))
    mean = np.stack([np.bincount(kind, weights=column, minlength=len(counts)) / counts for column in x.T], axis=1)
    within = x - mean[kind]
    covariance = within.T @ within / len(x) + np.diag(items.added + _JITTER)
    return NormalMixture(mean, np.linalg.cholesky(covariance))


def length_shares(
    log_duration: Float64[np.ndarray, " videos"], kinds: Kinds, nodes: Float32[np.ndarray, " nodes"]
) -> Float64[np.ndarray, "kinds lengths"]:
    """Shares of lengths by kind, in bins that cut the range of the nodes evenly."""
    inside = kinds.kind >= 0
    position = (np.clip(log_duration[inside], nodes[0], nodes[-1]) - nodes[0]) / (nodes[-1] - nodes[0]) * N_LENGTHS
    flat = kinds.kind[inside] * N_LENGTHS + np.minimum(position.astype(np.int64), N_LENGTHS - 1)
    counts = np.bincount(flat, minlength=len(kinds.share) * N_LENGTHS).reshape(-1, N_LENGTHS)
    counts = counts + _PRIOR_VIDEOS * counts.sum(axis=0) / counts.sum()
    return counts / counts.sum(axis=1, keepdims=True)


def user_latents(users: Latents, action_spread: Float64[np.ndarray, " actions"]) -> Uncertain:
    """Latents of all users in the order of a world's, those of activity still 0.

    Args:
        users: From the fit.
        action_spread: Standard deviation that each action's effect has in all.
    """
    n = len(users.appeal)
    activity = np.zeros((n, len(USER_LATENTS) - 1 - len(ACTIONS)))
    latents = np.concatenate([users.appeal[:, None], users.action, activity, users.taste], axis=1)
    added = np.zeros(latents.shape[1])
    added[0] = users.appeal_variance
    added[1 : 1 + len(ACTIONS)] = np.maximum(0, action_spread**2 - users.action.var(axis=0))
    return Uncertain(latents, added)


def video_latents(
    videos: Latents,
    log_duration: Float64[np.ndarray, " videos"],
    quality: Float64[np.ndarray, " videos"],
    bait: Float64[np.ndarray, " videos"],
) -> Uncertain:
    """Latents of all videos in the order of a world's."""
    first = [log_duration[:, None], videos.appeal[:, None], quality[:, None], bait[:, None]]
    latents = np.concatenate([*first, videos.action, videos.taste], axis=1)
    added = np.zeros(latents.shape[1])
    added[VIDEO_LATENTS.index("appeal")] = videos.appeal_variance
    if not quality.any():
        added[VIDEO_LATENTS.index("quality")] = 1.0  # nothing tells it, but videos do differ in it
    return Uncertain(latents, added)
