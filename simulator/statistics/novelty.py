"""Test of whether an effect fades: first days less last days per user, compared between arms.

For a mean per user this is Welch's test of each user's early mean less the late mean. For a ratio it is the delta
method, because some users have no ratio of their own (Deng, Knoblich and Lu, KDD 2018,
https://arxiv.org/abs/1803.06336). Novelty and primacy: Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments,
Cambridge University Press 2020, chapter 23.
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from scipy.stats import t

from simulator.metrics import Ratio
from simulator.statistics.delta_method import ratio_gradient, variance
from simulator.statistics.moments import Moments, ratio_of

FEWEST_DAYS: Final = 4
"""Days of a test below which there are no first and last days to compare."""


def end_days(days: int) -> int:
    """Number of first and of last days that are compared: half the test, without the middle day of an odd number.

    >>> [end_days(days) for days in (3, 4, 7, 14)]
    [0, 2, 3, 7]
    """
    return days // 2 if days >= FEWEST_DAYS else 0


def end_spread(early: Ratio, late: Ratio) -> Moments:
    """Moments of both sides of a metric on the first and the last days."""
    return Moments.of((early.numerator, early.denominator, late.numerator, late.denominator))


def contrast(control: Moments, treatment: Moments) -> tuple[float, float, float, float] | None:
    """Effect of the first days less that of the last ones, its 95% interval and its p-value.

    Args:
        control: `end_spread` of control.
        treatment: `end_spread` of treatment.

    Returns:
        None if a denominator is 0 or nothing varies.
    """
    control_change, treatment_change = _early_minus_late(control), _early_minus_late(treatment)
    if control_change is None or treatment_change is None:
        return None
    (value0, variance0, n0), (value1, variance1, n1) = control_change, treatment_change
    squared_error = variance0 + variance1
    if squared_error <= 0:
        return None
    freedom = 1 / ((variance0 / squared_error) ** 2 / (n0 - 1) + (variance1 / squared_error) ** 2 / (n1 - 1))
    difference, error = value1 - value0, math.sqrt(squared_error)
    half_width = float(t.ppf(0.975, freedom)) * error
    return (
        difference,
        difference - half_width,
        difference + half_width,
        float(2 * t.sf(abs(difference) / error, freedom)),
    )


def true_contrast(pairs: Mapping[int, Moments], days: int) -> float | None:
    """True contrast, with every user under both arms, from each day's `paired_spread`; None if it has no value."""
    n = end_days(days)
    ends = [
        sum((pairs[day].total for day in day_range), np.zeros(4)) for day_range in (range(n), range(days - n, days))
    ]
    effects: list[float] = []
    for n0, d0, more_n, more_d in ends:
        if not n or not d0 or not d0 + more_d:
            return None
        effects.append(float((n0 + more_n) / (d0 + more_d) - n0 / d0))
    return effects[0] - effects[1]


def _early_minus_late(spread: Moments) -> tuple[float, float, int] | None:
    """Early value less late value of one arm, its squared standard error, and the number of users."""
    early, late = ratio_of(spread.take((0, 1))), ratio_of(spread.take((2, 3)))
    if early is None or late is None:
        return None
    _, d_early, _, d_late = spread.total / spread.n
    slope = np.concatenate([ratio_gradient(early, float(d_early)), -ratio_gradient(late, float(d_late))])
    squared_error = variance(slope, spread)
    return None if squared_error is None else (early - late, squared_error, spread.n)
