"""Ranking metrics of the left-out video: hit rate, NDCG and MRR.

Axes: `users` kept users.
"""

import numpy as np
from jaxtyping import Float64, Int64
from scipy import stats


def by_user(rank: Int64[np.ndarray, " users"], metric: str) -> Float64[np.ndarray, " users"]:
    """Compute each user's contribution to a metric. There is one right video, so the best DCG is 1.

    >>> by_user(np.array([1, 3, 11]), "ndcg@10")
    array([1. , 0.5, 0. ])
    >>> by_user(np.array([1, 3, 11]), "hr@5")
    array([1., 1., 0.])
    """
    name, _, k = metric.partition("@")
    gain = {"hr": np.ones(len(rank)), "ndcg": 1 / np.log2(1 + rank), "mrr": 1 / rank}[name]
    return np.where(rank <= int(k), gain, 0.0) if k else gain


def standard_error(values: Float64[np.ndarray, " seeds"]) -> float | None:
    """Return the standard error of the mean over seeds; None for a single seed."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None


def paired_p(first: Float64[np.ndarray, " users"], second: Float64[np.ndarray, " users"]) -> float | None:
    """Two-sided p-value of a paired t-test over users; None if no user differs."""
    if len(first) < 2 or np.ptp(first - second) == 0:
        return None
    return float(stats.ttest_rel(first, second).pvalue)
