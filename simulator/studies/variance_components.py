r"""Variance of a user's mean over days: the part between users, which more days do not reduce, and the part within.

A ratio metric $R = \sum n / \sum d$ is linearised per user and day (the delta method: Deng, Knoblich and Lu, KDD 2018,
https://arxiv.org/abs/1803.06336): $y_{it} = (n_{it} - R\,d_{it}) / (\bar d\,R)$, so that the lift's variance is that of
$\bar y_i$ over the two buckets. With effects of users $b_i$ and of days $w_{it}$,
$\operatorname{Var}(\bar y_i) = \sigma_b^2 + \sigma_w^2 / D$ after $D$ days (one-way random effects, estimated by the
analysis of variance).

Axes: `users`, `days`.
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64

from simulator.metrics import PRE, Metric
from simulator.statistics.delta_method import influence as influence_of
from simulator.studies.potential_outcomes import PotentialOutcomes


@final
@dataclass(frozen=True)
class Components:
    """Variance relative to the metric squared, per user.

    Attributes:
        between: Variance of users' levels.
        within: Variance of a day around its user's level.
        measured: Variance of the mean over the first 1, 2, ... days.
        relative_error: Standard error of the variance over all measured days, over that variance; by the fourth moment.
    """

    between: float
    within: float
    measured: Float64[np.ndarray, " days"]
    relative_error: float = 0.0

    def after(self, days: int) -> float:
        """Variance of the mean over `days` days: measured within the pilot's days, beyond them from the components."""
        if days <= len(self.measured):
            return float(self.measured[days - 1])
        return self.fitted(days)

    def fitted(self, days: int) -> float:
        """Compute the variance over `days` days from the components alone.

        >>> Components(1.0, 3.0, np.array([4.0])).fitted(3)
        2.0
        """
        return self.between + self.within / days


def components(daily: Float64[np.ndarray, "users days"]) -> Components:
    """Analysis of variance of users and days; with a single day, all variance counts as between.

    A negative estimate of `between` is set to 0.
    """
    n_days = daily.shape[1]
    running = np.cumsum(daily, axis=1) / np.arange(1, n_days + 1)
    measured = running.var(axis=0, ddof=1)
    error = _relative_error(running[:, -1])
    if n_days == 1:
        return Components(float(measured[0]), 0.0, measured, error)
    within = float(daily.var(axis=1, ddof=1).mean())
    return Components(max(0.0, float(measured[-1]) - within / n_days), within, measured, error)


def _relative_error(values: Float64[np.ndarray, " users"]) -> float:
    """Standard error of a sample variance over that variance, sqrt((kurtosis - 1) / n).

    >>> values = np.random.default_rng(0).normal(size=200_000)
    >>> round(_relative_error(values) * math.sqrt(200_000 / 2), 2)
    1.0
    """
    distances = values - values.mean()
    square = float((distances * distances).mean())
    return math.sqrt(max(float((distances**4).mean()) / square**2 - 1, 0.0) / len(values)) if square > 0 else 0.0


def influence(metric: Metric, outcomes: PotentialOutcomes) -> Float64[np.ndarray, "users days"] | None:
    """Compute each user's contribution to the relative metric per day; None where the metric is 0 or undefined."""
    sides = [metric.ratio(look) for look in outcomes.looks]
    numerators, denominators = (
        np.stack([getattr(side, name) for side in sides], axis=1) for name in ("numerator", "denominator")
    )
    value = sides[-1].value
    if not value:
        return None
    if metric.denominator is None:
        denominators = np.cumsum(np.ones_like(numerators), axis=1)  # one per user for the whole test, as its days come
        value = float(numerators[:, -1].sum() / denominators[:, -1].sum())
    numerator_gains, denominator_gains = (np.diff(side, axis=1, prepend=0.0) for side in (numerators, denominators))
    return (numerator_gains - value * denominator_gains) / (denominator_gains.mean() * value)


def adjusted(
    daily: Float64[np.ndarray, "users days"], metric: Metric, outcomes: PotentialOutcomes
) -> Float64[np.ndarray, "users days"] | None:
    """Apply CUPED to daily contributions; None without pre-period data."""
    if any(PRE + column not in outcomes.users.columns for column in metric.columns):
        return None
    ratio_before = metric.ratio(outcomes.users, PRE)
    value = ratio_before.value
    if not value:
        return None
    influence_before = influence_of(ratio_before, value, value)
    spread = float(influence_before.var(ddof=1))
    if spread <= 0:
        return None
    slope = float(np.cov(daily.mean(axis=1), influence_before)[0, 1]) / spread
    return daily - slope * influence_before[:, None]
