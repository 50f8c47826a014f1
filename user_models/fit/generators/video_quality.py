"""Estimates of a video's quality and bait from app-wide statistics.

No public data say how satisfied viewers were. These two numbers are readings, not fits: *quality* is how often plays
end in a like, follow, share or collect, *bait* how often they end in "show me less like this", in a report, or in a
start without a finish; both beyond what appeal and length lead one to expect, and standardised.

Axes: `videos`; `rows` log rows; `f`, `k` explanatory numbers.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd
import statsmodels.api as sm
import torch
from jaxtyping import Float32, Float64

from user_models.fit.rows.batches import Batch
from user_models.fit.rows.features import log_rate
from user_models.fit.rows.log_rows import LogRows
from user_models.fit.watch_model.model import WatchModel
from user_models.world.tables import ACTIONS

SCALE: Final = 0.32
"""Variance of satisfaction that quality and bait hold together (assumed)."""
LEAST: Final = 0.05
"""No weight is less: a reading without any bearing would be a world without quality, or without bait."""
CLIP: Final = 0.05
"""Chances below this quantile of those who acted count as that quantile: few views shall not decide."""
FEWEST: Final = 50
"""With fewer hates, or fewer likes without one, nothing is read."""
_CHUNK: Final = 20_000
_ROUNDING: Final = 1e-6
"""A spread below this share of the numbers is one of rounding."""


def quality(
    statistics: pd.DataFrame, appeal: Float64[np.ndarray, " videos"], log_duration: Float64[np.ndarray, " videos"]
) -> Float64[np.ndarray, " videos"]:
    """Approval per play beyond appeal; mean 0, standard deviation 1."""
    counts = ("likes", "follows", "shares", "collects")
    return _beyond([log_rate(statistics, name) for name in counts if name in statistics], appeal, log_duration)


def bait(
    statistics: pd.DataFrame, appeal: Float64[np.ndarray, " videos"], log_duration: Float64[np.ndarray, " videos"]
) -> Float64[np.ndarray, " videos"]:
    """Regret per play beyond appeal; mean 0, standard deviation 1."""
    regret = [log_rate(statistics, name) for name in ("dislikes", "reports") if name in statistics]
    unfinished = log_rate(statistics, "valid_plays") - log_rate(statistics, "complete_plays")
    return _beyond([*regret, unfinished], appeal, log_duration)


def _beyond(
    signals: list[Float32[np.ndarray, " videos"]],
    appeal: Float64[np.ndarray, " videos"],
    log_duration: Float64[np.ndarray, " videos"],
) -> Float64[np.ndarray, " videos"]:
    """Mean of the standardised signals, less its regression on appeal and length, standardised; 0 without signals."""
    if not signals:
        return np.zeros_like(appeal)
    length = _standardised(np.nan_to_num(log_duration, nan=float(np.nanmean(log_duration))))
    regressors = np.stack([np.ones_like(appeal), appeal, length, length**2], axis=1)
    signal = np.mean([_standardised(each.astype(np.float64)) for each in signals], axis=0)
    coefficients = np.linalg.lstsq(regressors, signal, rcond=None)[0]
    return _standardised(signal - regressors @ coefficients)


def _standardised(x: Float64[np.ndarray, " videos"]) -> Float64[np.ndarray, " videos"]:
    """Mean 0, standard deviation 1; all 0 where nothing differs but by rounding."""
    spread = x.std()
    return (x - x.mean()) / spread if spread > _ROUNDING * np.abs(x).max() else np.zeros_like(x)


@final
@dataclass(frozen=True)
class SatisfactionWeights:
    """Weights of quality and bait in satisfaction.

    Attributes:
        quality: Per standard deviation of quality, at least `LEAST`.
        bait: Per standard deviation of bait, at least `LEAST`; it lowers satisfaction.
        errors: Their standard errors, in that order.
        likes: Views with a like and no hate that were read.
        hates: Views with a hate that were read.
    """

    quality: float
    bait: float
    errors: tuple[float, float]
    likes: int
    hates: int


@torch.no_grad()
def chance_to_judge(model: WatchModel, rows: Batch) -> Float64[np.ndarray, " rows"]:
    """Chance of each view to be liked or hated, how many thresholds it passed given."""
    parts = [rows.take(part) for part in torch.arange(len(rows)).split(_CHUNK)]
    judged = [ACTIONS.index("like"), ACTIONS.index("hate")]
    neither = [
        torch.sigmoid(-(model.log_odds(part)[1] + model.action_stage.T[part.passed])[:, judged]).prod(dim=1)
        for part in parts
    ]
    return 1 - torch.cat(neither).double().numpy()


def satisfaction_weights(
    rows: LogRows, known: Float64[np.ndarray, "rows k"], chance: Float64[np.ndarray, " rows"]
) -> SatisfactionWeights | None:
    """Weights of quality and bait from who was liked and who was hated, or None with too few hates or likes.

    SAQRec (Kuaishou, 2025) reads a like as satisfied and a hate as dissatisfied. People who like and hate are not
    everyone: each such view is weighted by the inverse of its chance to get either, clipped and self-normalised. A
    logistic regression of like against hate on quality, bait and controls then gives the ratio of the two weights;
    their common scale, which no data identify, is set so that together they hold the variance `SCALE`. Errors are
    sandwich errors (White, Econometrica 1980), on the same scale.

    Args:
        rows: The log.
        known: Per row quality, bait, then controls.
        chance: Per row the chance of a like or a hate.
    """
    liked, hated = (rows.acted[:, ACTIONS.index(name)] > 0 for name in ("like", "hate"))
    read = liked | hated
    if min(hated.sum(), (read & ~hated).sum()) < FEWEST:
        return None
    weight = 1 / np.maximum(chance[read], np.quantile(chance[read], CLIP))
    model = sm.GLM(
        (~hated[read]).astype(np.float64),
        sm.add_constant(known[read], has_constant="add"),
        family=sm.families.Binomial(),
        var_weights=weight / weight.mean(),
    )
    fit = model.fit(cov_type="HC0")
    slope, error = np.asarray(fit.params)[1:3] * (1, -1), np.asarray(fit.bse)[1:3]
    scale = np.sqrt(SCALE) / np.hypot(*np.maximum(slope, LEAST))
    quality, bait = np.maximum(scale * np.maximum(slope, 0), LEAST)
    return SatisfactionWeights(
        float(quality),
        float(bait),
        (float(scale * error[0]), float(scale * error[1])),
        int((read & ~hated).sum()),
        int(hated.sum()),
    )
