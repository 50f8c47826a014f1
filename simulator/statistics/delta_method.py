"""The delta method for ratios of means: gradients, variances, and each user's influence.

A metric is R = mean n / mean d over users. To first order its error is that of the mean of (n - R d) / mean d, the
influence of a user, so its variance is a quadratic form of R's gradient in the covariances of n and d (Deng, Knoblich
and Lu, KDD 2018, https://arxiv.org/abs/1803.06336). For many splits at once, the same formulas are written out in
`simulator.statistics.resplits` and `simulator.analysis.aa_resplits`.
"""

import numpy as np
from jaxtyping import Float64

from simulator.metrics import Ratio
from simulator.statistics.moments import Moments


def ratio_gradient(value: float, denominator: float) -> Float64[np.ndarray, " 2"]:
    """Slopes of a ratio in its numerator and in its denominator.

    Args:
        value: The ratio.
        denominator: Its denominator, not 0: a mean over users for slopes in the means, a total for slopes in totals.

    >>> ratio_gradient(3.0, 2.0).tolist()
    [0.5, -1.5]
    """
    return np.array([1.0, -value]) / denominator


def variance(gradient: Float64[np.ndarray, " k"], moments: Moments) -> float | None:
    """Squared standard error of a function of the means over users.

    Args:
        gradient: Slopes of the function in the mean of each column.
        moments: Moments of the users.

    Returns:
        None for fewer than two users; exactly 0 if the variance is only rounding.
    """
    per_user = moments.variance_of(gradient)
    return None if per_user is None else per_user / moments.n


def influence(ratio: Ratio, value: float, per: float = 1.0) -> Float64[np.ndarray, " users"]:
    """Each user's influence on a ratio, (n - R d) / (mean d `per`); the mean over users is 0.

    Args:
        ratio: Both sides of the metric.
        value: The ratio of their sums.
        per: Unit of the ratio, such as `value` for influences on its logarithm.

    >>> influence(Ratio(np.array([1.0, 2.0, 3.0]), np.ones(3)), 2.0).tolist()
    [-1.0, 0.0, 1.0]
    """
    return (ratio.numerator - value * ratio.denominator) / (ratio.denominator.mean() * per)
