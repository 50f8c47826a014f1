"""Dispersion of a rare action's rate over users or videos: the marginal likelihood of their counts.

Axes: `items` users or videos; `kinds` of action.
"""

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp

from user_models.fit.rows.log_rows import LogRows

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(60)


def rate_spread(counts: Int64[np.ndarray, " items"], views: Int64[np.ndarray, " items"]) -> float:
    """Standard deviation over items of the log rate, from counts that are Poisson given the rate.

    Count ~ Poisson(views * exp(m + s z)), z standard normal (the Poisson-lognormal model: Aitchison and Ho,
    Biometrika 1989); m and s maximise the likelihood, z integrated out by Gauss-Hermite quadrature. 0.05 at least.
    Counts without an event say nothing: then it is 1.

    Args:
        counts: Events of each item.
        views: Views of each item, at least 1.
    """
    if counts.sum() == 0:
        return 1.0
    pairs, times = np.unique(np.stack([counts, views], axis=1), axis=0, return_counts=True)
    start = np.array([np.log(counts.sum() / views.sum()) - 0.5, np.log(1.0)])

    def surprise(at: Float64[np.ndarray, " 2"]) -> float:
        return -float(times @ _log_likelihood(pairs, at[0], np.exp(at[1])))

    optimum = minimize(surprise, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-3})
    return float(np.clip(np.exp(optimum.x[1]), 0.05, 4.0))


def action_spreads(rows: LogRows, items: Int64[np.ndarray, " rows"]) -> Float64[np.ndarray, " kinds"]:
    """`rate_spread` of each action over the items that `items` names for every row."""
    views = np.bincount(items)
    has_views = views > 0
    counts = [np.bincount(items, weights=rows.acted[:, kind]) for kind in range(rows.acted.shape[1])]
    return np.array([rate_spread(count[has_views].astype(np.int64), views[has_views]) for count in counts])


def _log_likelihood(pairs: Int64[np.ndarray, "items 2"], level: float, spread: float) -> Float64[np.ndarray, " items"]:
    """Log-probability of each (count, views)."""
    log_mean = np.log(pairs[:, 1, None]) + level + spread * _NODES
    terms = pairs[:, 0, None] * log_mean - np.exp(np.minimum(log_mean, 50)) - gammaln(pairs[:, 0, None] + 1)
    return np.asarray(logsumexp(terms, axis=1, b=_WEIGHTS / _WEIGHTS.sum()))
