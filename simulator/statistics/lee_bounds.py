"""Bounds of an effect on answers if the treatment changes who answers (Lee, Review of Economic Studies 2009).

If the treatment changes answering in one direction only, the arm that answers more has additional answers of an unknown
kind. Removing that many of its best, or of its worst, answers gives the smallest and the largest mean of those who
answer under either arm (https://doi.org/10.1111/j.1467-937X.2009.00536.x, section 3). Answers here are
`satisfied` or not, so both ends have a closed form; errors are the delta method's over users, and the interval covers
the effect, not the bounds (Imbens and Manski, Econometrica 2004, https://doi.org/10.1111/j.1468-0262.2004.00555.x).
"""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64
from scipy.optimize import root_scalar
from scipy.stats import norm

from simulator.statistics.delta_method import ratio_gradient, variance
from simulator.statistics.moments import Moments


@final
@dataclass(frozen=True)
class LeeEstimate:
    """Bounds of an effect on a share among those who answer under either arm.

    Attributes:
        trimmed: Share of answers removed from the arm that answers more.
        lower: Lower bound of the effect.
        upper: Upper bound of the effect.
        low: Lower end of a 95% interval of the effect, for any effect within the bounds.
        high: Upper end of that interval.
    """

    trimmed: float
    lower: float
    upper: float
    low: float
    high: float


@final
@dataclass(frozen=True)
class _End:
    """One bound, with its slopes in each arm's mean asked, answered and satisfied."""

    value: float
    of_fewer: Float64[np.ndarray, " 3"]
    of_more: Float64[np.ndarray, " 3"]

    def error(self, fewer: Moments, more: Moments) -> float:
        """Standard error of the bound over users."""
        return math.sqrt((variance(self.of_fewer, fewer) or 0.0) + (variance(self.of_more, more) or 0.0))


def lee_bounds(control: Moments, treatment: Moments) -> LeeEstimate | None:
    """Bounds of the effect on the satisfied share of answers.

    Args:
        control: Moments of each user's questionnaires asked, answered and answered `satisfied`.
        treatment: The same moments of treatment.

    Returns:
        None if an arm has no answers.
    """
    if min(control.n, treatment.n) < 2 or min(control.total[1], treatment.total[1]) <= 0:
        return None
    rates = [float(spread.total[1] / spread.total[0]) for spread in (control, treatment)]
    more_in_treatment = rates[1] >= rates[0]
    fewer, more = (control, treatment) if more_in_treatment else (treatment, control)
    worst, best = _bounds(fewer, more)
    errors = worst.error(fewer, more), best.error(fewer, more)
    low, high = _interval((worst.value, best.value), errors)
    ends = (worst.value, best.value, low, high) if more_in_treatment else (-best.value, -worst.value, -high, -low)
    return LeeEstimate(1 - min(rates) / max(rates), *ends)


def _bounds(fewer: Moments, more: Moments) -> tuple[_End, _End]:
    """Smallest and largest mean of the arm that answers more, less the mean of the other arm.

    With q the answer rate and s the satisfied per asked, the additional answers of the arm with more of them are
    q1 - q0; without as many satisfied ones its mean is (s1 - q1 + q0) / q0, without as many others s1 / q0.
    """
    (asked0, q0, s0), (asked1, q1, s1) = ((float(m[0]), m[1] / m[0], m[2] / m[0]) for m in map(_means, (fewer, more)))
    slope_q0, slope_s0 = _rate_slopes(asked0, float(q0), float(s0))
    slope_q1, slope_s1 = _rate_slopes(asked1, float(q1), float(s1))
    fewer_share = float(s0 / q0)
    fewer_slope = slope_s0 / q0 - fewer_share / q0 * slope_q0
    no_slope = np.zeros(3)
    worst, best = float((s1 - q1 + q0) / q0), float(s1 / q0)
    at_worst = _End(worst - fewer_share, slope_q0 * (1 - worst) / q0 - fewer_slope, (slope_s1 - slope_q1) / q0)
    at_best = _End(best - fewer_share, -slope_q0 * best / q0 - fewer_slope, slope_s1 / q0)
    if worst < 0:
        at_worst = _End(-fewer_share, -fewer_slope, no_slope)
    if best > 1:
        at_best = _End(1 - fewer_share, -fewer_slope, no_slope)
    return at_worst, at_best


def _means(spread: Moments) -> Float64[np.ndarray, " 3"]:
    """Means per user: asked, answered, satisfied."""
    return spread.total / spread.n


def _rate_slopes(asked: float, q: float, s: float) -> tuple[Float64[np.ndarray, " 3"], Float64[np.ndarray, " 3"]]:
    """Slopes of answered per asked and of satisfied per asked in the three means."""
    (of_answered, of_asked_q), (of_satisfied, of_asked_s) = ratio_gradient(q, asked), ratio_gradient(s, asked)
    return np.array([of_asked_q, of_answered, 0]), np.array([of_asked_s, 0, of_satisfied])


def _interval(bounds: tuple[float, float], errors: tuple[float, float]) -> tuple[float, float]:
    """95% interval of a value anywhere within the bounds."""
    width, error = max(0.0, bounds[1] - bounds[0]), max(errors)
    if error == 0:
        return bounds

    def excess(c: float) -> float:
        return float(norm.cdf(c + width / error) - norm.cdf(-c)) - 0.95

    c = float(root_scalar(excess, bracket=(1.0, 3.0)).root)
    return bounds[0] - c * errors[0], bounds[1] + c * errors[1]
