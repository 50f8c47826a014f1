"""Accuracy of predicted chances: AUC and log-loss.

Axes: `rows` views.
"""

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.stats import rankdata

_LEAST = 1e-7


def auc(truth: Bool[np.ndarray, " rows"], score: Float[np.ndarray, " rows"]) -> float:
    """Return the area under the ROC curve, ties counted half (Hanley and McNeil 1982); NaN for a single class."""
    n_true, n_false = int(truth.sum()), int((~truth).sum())
    if n_true == 0 or n_false == 0:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[truth].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false))


def log_loss(truth: Bool[np.ndarray, " rows"], chance: Float[np.ndarray, " rows"]) -> float:
    """Return the mean negative log-likelihood in nats; chances are clipped to [1e-7, 1 - 1e-7]."""
    p = np.clip(chance.astype(np.float64), _LEAST, 1 - _LEAST)
    return float(-np.where(truth, np.log(p), np.log1p(-p)).mean())


def spearman(one: Float64[np.ndarray, " rows"], other: Float[np.ndarray, " rows"]) -> float:
    """Rank correlation, ties at their mean rank; NaN where either never varies."""
    ranks = rankdata(one), rankdata(other)
    if min(np.ptp(ranks[0]), np.ptp(ranks[1])) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])
