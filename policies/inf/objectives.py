r"""Objectives of a view and their fusion into one score: the multi-objective half of the negative-feedback ranker.

Reconstruction (see `policies.inf.encoder`): the labels are those that others ascribe to Kuaishou's production. A skip
is a view of less than 3 s; an *effective* view (EVV) is longer than half of the other users' views of that video, a
*finished* one (FVV) longer than 60% of them. Ours: both thresholds are at least 3 s, and where a video has few views
they are drawn towards those of all videos of its length class; "other users" are all of the log, the viewer too.

Relation of objectives, as an option: outcomes are steps of one ladder, $p_{EVV} = (1 - p_{skip}) \sigma(z_{EVV})$ and
$p_{FVV} = p_{EVV} \sigma(z_{FVV})$, so that $p_{EVV} + p_{skip} \le 1$.

Axes: `b` samples, `n` candidates, `videos` the catalogue.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor
from torch.nn import functional

from policies.base import Event, Log

OBJECTIVES: Final = ("skip", "effective", "finished", "watch", "like", "hate")
"""In the order of the heads."""
FIRST_LOGIT: Final = (-0.3, 0.0, 0.0, 2.5, -4.0, -6.5)
"""Where the heads begin, about the usual rates: the watch head's is a log of seconds."""
SKIP_S: Final = 3.0
_MOST_LOG_S: Final = 6.5
_CLASSES: Final = 12
_PRIOR_VIEWS: Final = 20.0
_EFFECTIVE, _FINISHED = 0.5, 0.6


@final
@dataclass(frozen=True)
class ObjectiveFusion:
    r"""$E[w]^a \prod_k (1 + w_k p_k) (1 - p_{skip})^g (1 - p_{hate})^h$.

    Attributes:
        watch: a.
        skip: g; 0 leaves out what is known of skips.
        hate: h.
        effective: w of effective views.
        finished: w of finished views.
        like: w of likes.
    """

    watch: float = 1.0
    skip: float = 1.0
    hate: float = 5.0
    effective: float = 1.0
    finished: float = 1.0
    like: float = 5.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name}={value} given, want at least 0")


@final
@dataclass(frozen=True)
class Outcomes:
    """Predicted chances, and log of the expected seconds."""

    skip: Float32[Tensor, "*b"]
    effective: Float32[Tensor, "*b"]
    finished: Float32[Tensor, "*b"]
    log_watch: Float32[Tensor, "*b"]
    like: Float32[Tensor, "*b"]
    hate: Float32[Tensor, "*b"]


def outcomes(z: Float32[Tensor, "tasks *b"], *, ordinal: bool) -> Outcomes:
    """Chances out of the heads' numbers."""
    skip, effective, finished, like, hate = z[[0, 1, 2, 4, 5]].sigmoid()
    if ordinal:
        effective = (1 - skip) * effective
        finished = effective * finished
    return Outcomes(skip, effective, finished, z[3].clamp(-_MOST_LOG_S, _MOST_LOG_S), like, hate)


def fuse(found: Outcomes, fusion: ObjectiveFusion) -> Float32[Tensor, "*b"]:
    """Logarithm of the score."""
    rises = (
        (found.effective, fusion.effective),
        (found.finished, fusion.finished),
        (found.like, fusion.like),
    )
    score = fusion.watch * found.log_watch
    for chance, weight in rises:
        score = score + torch.log1p(weight * chance)
    falls = ((found.skip, fusion.skip), (found.hate, fusion.hate))
    for chance, power in falls:
        score = score + power * torch.log1p(-chance.clamp(max=1 - 1e-6))
    return score


@final
@dataclass(frozen=True)
class Thresholds:
    """Seconds above which a view of each video is effective, or finished."""

    effective_s: Float32[Tensor, " videos"]
    finished_s: Float32[Tensor, " videos"]


def thresholds_of(log: Log) -> Thresholds:
    """The thresholds of a log's videos."""
    feedback, duration_s = log.feedback, log.videos.duration_s
    edges = np.unique(np.quantile(duration_s, np.linspace(0, 1, _CLASSES + 1)[1:-1]))
    kind = np.searchsorted(edges, duration_s, side="right")
    watch_s = feedback.watch_s.astype(np.float64)
    n_views = np.bincount(feedback.video_id, minlength=len(duration_s))
    own = n_views / (n_views + _PRIOR_VIEWS)
    thresholds: list[Float32[Tensor, " videos"]] = []
    for share in (_EFFECTIVE, _FINISHED):
        overall = float(np.quantile(watch_s, share))
        usual = _quantiles(watch_s, kind[feedback.video_id].astype(np.int64), len(edges) + 1, share)
        of_class = np.where(np.isnan(usual), overall, usual)[kind]
        of_video = _quantiles(watch_s, feedback.video_id.astype(np.int64), len(duration_s), share)
        mixed = own * np.where(np.isnan(of_video), of_class, of_video) + (1 - own) * of_class
        thresholds.append(torch.from_numpy(np.maximum(mixed, SKIP_S).astype(np.float32)))
    return Thresholds(thresholds[0], torch.maximum(*thresholds))


def loss(z: Float32[Tensor, "tasks b"], labels: "Labels", *, ordinal: bool) -> Float32[Tensor, ""]:
    """Sum of the objectives' mean losses.

    Chances are learned by cross-entropy; on the ladder, each step by the views that reached it. Seconds are learned by
    the likelihood of an exponential, which finds the mean whatever the distribution (McCullagh, Annals of Statistics
    1983, https://doi.org/10.1214/aos/1176346056).
    """
    everybody = torch.ones_like(labels.skip, dtype=torch.bool)
    reached = (~labels.skip.bool(), labels.effective.bool()) if ordinal else (everybody, everybody)
    chances = (
        (z[0], labels.skip, everybody),
        (z[1], labels.effective, reached[0]),
        (z[2], labels.finished, reached[1]),
        (z[4], labels.like, everybody),
        (z[5], labels.hate, everybody),
    )
    total = sum((_cross_entropy(*each) for each in chances), start=torch.zeros(()))
    log_s = z[3].clamp(-_MOST_LOG_S, _MOST_LOG_S)
    return total + (log_s + labels.watch_s * torch.exp(-log_s)).mean()


@final
@dataclass(frozen=True)
class Labels:
    """Labels of views: 1 or 0, and seconds."""

    skip: Float32[Tensor, " b"]
    effective: Float32[Tensor, " b"]
    finished: Float32[Tensor, " b"]
    watch_s: Float32[Tensor, " b"]
    like: Float32[Tensor, " b"]
    hate: Float32[Tensor, " b"]


def labels_of(
    thresholds: Thresholds, video_id: Int64[Tensor, " b"], events: Int64[Tensor, " b"], watch_s: Float32[Tensor, " b"]
) -> Labels:
    """Labels of some views; a view to the end of a very short video is no skip, and nothing else either."""
    skip = (events & int(Event.SKIP)) != 0
    effective = ~skip & (watch_s > thresholds.effective_s[video_id])
    return Labels(
        skip=skip.float(),
        effective=effective.float(),
        finished=(effective & (watch_s > thresholds.finished_s[video_id])).float(),
        watch_s=watch_s,
        like=((events & int(Event.LIKE)) != 0).float(),
        hate=((events & int(Event.HATE)) != 0).float(),
    )


def _cross_entropy(
    z: Float32[Tensor, " b"], label: Float32[Tensor, " b"], counted: Bool[Tensor, " b"]
) -> Float32[Tensor, ""]:
    """Mean over the views that count, of all views; 0 where none does."""
    each = functional.binary_cross_entropy_with_logits(z, label, reduction="none")
    return (each * counted).sum() / max(1, len(each))


def _quantiles(
    values: Float64[np.ndarray, " rows"], group: Int64[np.ndarray, " rows"], n: int, share: float
) -> Float64[np.ndarray, " groups"]:
    """The value in each group that `share` of the group do not exceed; NaN for groups without rows."""
    order = np.lexsort((values, group))
    count = np.bincount(group, minlength=n)
    first = np.cumsum(count) - count
    at = first + np.ceil(share * count).astype(np.int64) - 1
    quantile = values[order][at.clip(0, max(0, len(values) - 1))]
    return np.where(count > 0, quantile, np.nan)
