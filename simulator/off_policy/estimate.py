"""Estimates with their standard errors, clustered by user.

Axes: `rows` views or slates.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int
from scipy.stats import t

_LEVEL: Final = 0.95


@final
@dataclass(frozen=True)
class Estimate:
    """A value and how well it is known.

    Attributes:
        value: Estimate; NaN without rows.
        se: Standard error, with users as the independent units; NaN of fewer than two users.
        low: Lower end of the 95% interval.
        high: Its upper end.
        effective: Effective sample size, in rows.
        influence: Each user's part of the error, in order of the ids that occur; they add up to 0.
    """

    value: float
    se: float
    low: float
    high: float
    effective: float
    influence: Float64[np.ndarray, " users"]

    def error_of_difference(self, other: "Estimate") -> float:
        """Standard error of the difference from an estimate on the same users; NaN of fewer than two."""
        return _error(self.influence - other.influence)


def no_estimate(n_users: int) -> Estimate:
    """What is said where no logged slate could have been the evaluated policy's: nothing."""
    return Estimate(np.nan, np.nan, np.nan, np.nan, 0.0, np.full(n_users, np.nan))


def effective_sample_size(weight: Float64[np.ndarray, " rows"]) -> float:
    r"""$(\sum w)^2 / \sum w^2$: so many equally weighted rows are as much worth (Kish, Survey Sampling, 1965).

    >>> effective_sample_size(np.array([2.0, 2.0, 0.0, 0.0]))
    2.0
    """
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def per_user(values: Float64[np.ndarray, " rows"], user_id: Int[np.ndarray, " rows"]) -> Float64[np.ndarray, " users"]:
    """Sums per user, in order of the ids that occur."""
    return np.bincount(np.unique(user_id, return_inverse=True)[1], weights=values).astype(np.float64)


def clustered_mean(
    terms: Float64[np.ndarray, " rows"],
    user_id: Int[np.ndarray, " rows"],
    weight: Float64[np.ndarray, " rows"],
    per: Float64[np.ndarray, " rows"] | None = None,
) -> Estimate:
    r"""Ratio of two sums over rows with a standard error clustered by user.

    With $N_u$ and $D_u$ a user's sums of `terms` and `per`, $V = \sum N_u / \sum D_u$; the error is that of
    $\sum (N_u - V D_u) / \sum D_u$ over U users, with $U / (U - 1)$ (delta method: Deng, Knoblich and Lu, KDD 2018,
    https://arxiv.org/abs/1803.06336). The interval takes Student's t with U - 1 degrees of freedom.

    Args:
        terms: What is added up.
        user_id: Whose row it is.
        weight: Of each row, for the effective sample size.
        per: What it is divided by; rows by default, so that the estimate is a mean.

    Raises:
        ValueError: Numbers that are not finite.
    """
    divisor = np.ones(len(terms)) if per is None else per
    if not (np.isfinite(terms).all() and np.isfinite(divisor).all()):
        raise ValueError("terms that are not finite given, want numbers; look for propensities of 0 in the log")
    numerator, denominator = per_user(terms, user_id), per_user(divisor, user_id)
    total = float(denominator.sum())
    if total == 0:
        return no_estimate(len(numerator))
    value = float(numerator.sum()) / total
    influence = (numerator - value * denominator) / total
    se = _error(influence)
    half = float(t.ppf((1 + _LEVEL) / 2, max(len(influence) - 1, 1))) * se
    return Estimate(value, se, value - half, value + half, effective_sample_size(weight), influence)


def _error(influence: Float64[np.ndarray, " users"]) -> float:
    """Standard error of a sum of independent parts with sum 0."""
    n = len(influence)
    return float(np.sqrt((influence**2).sum() * n / (n - 1))) if n > 1 else np.nan
