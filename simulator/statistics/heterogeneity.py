"""Test of whether an effect is the same in all segments: all interactions of treatment and segment at once.

The joint Wald test of `treat * segment` in a least-squares fit with HC1 errors (MacKinnon and White, Journal of
Econometrics 1985, https://doi.org/10.1016/0304-4076(85)90158-7). The fit has one mean per arm and segment, so it needs
only their moments. For a ratio it is the fit of the users' own ratios, weighted by their denominators.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.stats import f, false_discovery_control

from simulator.statistics.delta_method import ratio_gradient
from simulator.statistics.moments import Moments, ratio_of


@final
@dataclass(frozen=True)
class JointTest:
    """F statistic of all interactions together, and its p-value."""

    statistic: float
    p_value: float


def joint_test(cells: Mapping[str, tuple[Moments, Moments]]) -> JointTest | None:
    """Test that the effect is the same in each segment.

    Args:
        cells: Control's and treatment's `bucket_spread` by segment.

    Returns:
        None with fewer than two segments, or if one of them has no value or does not vary.
    """
    effects: list[float] = []
    variances: list[float] = []
    for pair in cells.values():
        control, treatment = (_value_and_variance(spread) for spread in pair)
        if control is None or treatment is None:
            return None
        effects.append(treatment[0] - control[0])
        variances.append(treatment[1] + control[1])
    n_restrictions, users = len(effects) - 1, sum(spread.n for pair in cells.values() for spread in pair)
    residual_freedom = users - 2 * len(effects)
    if n_restrictions < 1 or residual_freedom < 1 or min(variances) <= 0:
        return None
    effect, weight = np.array(effects), 1 / (np.array(variances) * users / residual_freedom)
    common = (weight * effect).sum() / weight.sum()
    statistic = float((weight * (effect - common) ** 2).sum()) / n_restrictions
    return JointTest(statistic, float(f.sf(statistic, n_restrictions, residual_freedom)))


def adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values by Benjamini and Hochberg (JRSS B 1995); None values are not counted.

    >>> adjusted([0.01, None, 0.04, 0.03])
    [0.03, None, 0.04, 0.04]
    """
    p_values_known = [p for p in p_values if p is not None]
    controlled = iter(false_discovery_control(p_values_known).tolist() if p_values_known else [])
    return [None if p is None else next(controlled) for p in p_values]


def _value_and_variance(spread: Moments) -> tuple[float, float] | None:
    """Metric of a cell and its HC0 variance."""
    value = ratio_of(spread) if spread.n else None
    if value is None:
        return None
    slope = ratio_gradient(value, float(spread.total[1]))
    return value, float(slope @ spread.scatter[:2, :2] @ slope)
