"""The true effect: every user is simulated in both worlds under the same noise, so the difference is paired.

The lift is a ratio of ratios of sums, L = R1 / R0 - 1 with R = sum n / sum d in each world. Its standard error over
users is the delta method's (Deng, Knoblich and Lu, KDD 2018, https://arxiv.org/abs/1803.06336) with both worlds of a
user in one influence: (n1 - R1 d1) / (mean d1 R0) - (1 + L) (n0 - R0 d0) / (mean d0 R0). What the worlds share
cancels, so worlds that are the same give exactly 0 with a standard error of exactly 0.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from simulator.metrics import Ratio
from simulator.statistics.delta_method import influence, variance
from simulator.statistics.moments import Moments


@final
@dataclass(frozen=True)
class PairedEffect:
    """Value of a metric in both worlds.

    Attributes:
        control: Value with every user under control; None if the denominator is 0.
        treatment: Value with every user under treatment; None if the denominator is 0.
        relative_effect: Lift; None if `reason` says why.
        standard_error: Standard error of the lift, over users.
        reason: Reason why there is no lift; empty otherwise.
    """

    control: float | None
    treatment: float | None
    relative_effect: float | None
    standard_error: float | None
    reason: str = ""


def paired_spread(control: Ratio, treatment: Ratio) -> Moments:
    """Moments of a metric's sides under control, and of each user's gain under treatment."""
    gains = (treatment.numerator - control.numerator, treatment.denominator - control.denominator)
    return Moments.of((control.numerator, control.denominator, *gains))


def paired_effect(spread: Moments) -> PairedEffect:
    """Compute the true effect from moments.

    A user's influence is linear in n0, d0, n1 - n0 and d1 - d0, so its variance is a quadratic form in their
    covariances. If both worlds are the same, every weight or covariance is exactly 0.

    Args:
        spread: A `paired_spread`, or the sum of several.
    """
    n0, d0, more_n, more_d = (float(total) for total in spread.total)
    n1, d1 = n0 + more_n, d0 + more_d

    def squared_error(r0: float, r1: float) -> float | None:
        gain, loss = 1 / (d1 / spread.n * r0), r1 / r0 * (1 / (d0 / spread.n * r0))
        return variance(np.array([gain - loss, r0 * loss - r1 * gain, gain, -r1 * gain]), spread)

    return _effect(n0 / d0 if d0 else None, n1 / d1 if d1 else None, squared_error)


def true_effect(control: Ratio, treatment: Ratio) -> PairedEffect:
    """Compute the true effect from users; row i of both worlds is the same user.

    It equals `paired_effect` to 12 digits, but sums in another order. Stored audits depend on that order.
    """
    n = len(control.numerator)

    def squared_error(r0: float, r1: float) -> float | None:
        if n < 2:
            return None
        influences = influence(treatment, r1, r0) - r1 / r0 * influence(control, r0, r0)
        return float((influences * influences).sum()) / (n - 1) / n

    return _effect(control.value, treatment.value, squared_error)


def lift_of(r0: float, r1: float) -> float:
    """Lift of `r1` over the size of `r0`, which is not 0."""
    return math.copysign(1.0, r0) * (r1 / r0 - 1)


def _effect(r0: float | None, r1: float | None, squared_error: Callable[[float, float], float | None]) -> PairedEffect:
    """Make the effect from the metric in both worlds and the squared error of its lift."""
    if r0 is None or r1 is None:
        return PairedEffect(r0, r1, None, None, "the denominator is 0 with every user under one arm")
    if r0 == 0:
        return PairedEffect(r0, r1, None, None, "the true control value is 0")
    squared = squared_error(r0, r1)
    if squared is None:
        return PairedEffect(r0, r1, lift_of(r0, r1), None, "one user has no standard error")
    return PairedEffect(r0, r1, lift_of(r0, r1), math.sqrt(squared))
