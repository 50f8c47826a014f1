"""Sensitivity of the satisfied share to how much likelier satisfied users are to answer.

G is the answer probability of those who would answer `satisfied`, over that of the others. By Bayes' rule, a share p
among the answers is p / (p + (1 - p) G) among all who were asked. G cannot be estimated from answers alone. So the
share is shown as a curve over G, and the effect over all pairs of G, one per arm,
within [1/g, g] (Scharfstein, Rotnitzky and Robins, JASA 94, 1999; Aronow and Lee, Biometrika 100, 2013; Zhao, Small
and Bhattacharya, JRSS B 81, 2019). The same G in both arms never changes the effect's sign; G = g in one and 1/g in the
other does from g = sqrt(odds ratio) on.

Axes: `*b` any batch.
"""

import math
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64

from simulator.statistics.answer_forms import GroupEstimate, Sums, group_jackknife, satisfied_share

RATIOS: Final = tuple(float(f"{2 ** (step / 8):.3f}") for step in range(17))
"""Values of g, from 1 to 4, at which curves are drawn."""


@final
@dataclass(frozen=True)
class SignChange:
    """Values of g from which the effect may have another sign.

    Attributes:
        estimate: Value of g from which the estimated effect may have another sign.
        resolved: Value of g from which the 95% interval holds 0; 1 if it does already.
    """

    estimate: float
    resolved: float


def share_at(naive: Float64[np.ndarray, "*b"], ratio: float) -> Float64[np.ndarray, "*b"]:
    """Satisfied share of all asked if the satisfied are `ratio` times as likely to answer as the others.

    >>> share_at(np.array([0.5, 0.0, 1.0]), 3.0).tolist()
    [0.25, 0.0, 1.0]
    """
    return np.asarray(naive / (naive + (1 - naive) * ratio))


def answering_ratio(asked: float, answered: float, satisfied: float, would_say: float) -> float | None:
    """True G, from the number of asked who would answer `satisfied`; None if a kind is missing.

    >>> answering_ratio(asked=128, answered=60, satisfied=48, would_say=64)
    4.0
    """
    not_satisfied = asked - would_say
    if min(would_say, not_satisfied, answered - satisfied) <= 0:
        return None
    return (satisfied / would_say) / ((answered - satisfied) / not_satisfied)


def share_range(groups: Float64[np.ndarray, "groups 6"], g: float) -> tuple[GroupEstimate, GroupEstimate]:
    """Smallest and largest share with G within [1/g, g]."""
    return _share_with(groups, g), _share_with(groups, 1 / g)


def effect_range(
    control: Float64[np.ndarray, "groups 6"], treatment: Float64[np.ndarray, "groups 6"], g: float
) -> tuple[GroupEstimate, GroupEstimate]:
    """Smallest and largest difference of shares, treatment minus control, with both G within [1/g, g]."""
    (lower, upper), (control_lower, control_upper) = (share_range(groups, g) for groups in (treatment, control))
    return lower - control_upper, upper - control_lower


def sign_change(
    control: Float64[np.ndarray, "groups 6"], treatment: Float64[np.ndarray, "groups 6"]
) -> SignChange | None:
    """Find the g from which the sign is open, from half the log odds ratio and its error; None without a ratio."""
    gap = group_jackknife(treatment, _log_odds) - group_jackknife(control, _log_odds)
    if not math.isfinite(gap.value) or not math.isfinite(gap.reach):
        return None
    return SignChange(math.exp(abs(gap.value) / 2), math.exp(max(0.0, abs(gap.value) - gap.reach) / 2))


def _share_with(groups: Float64[np.ndarray, "groups 6"], ratio: float) -> GroupEstimate:
    """Satisfied share at one G, with its error."""
    return group_jackknife(groups, lambda sums: share_at(satisfied_share(sums, "naive"), ratio))


def _log_odds(sums: Sums) -> Float64[np.ndarray, "*b"]:
    """Log odds of `satisfied` among the answers; NaN where all or none are."""
    satisfied, not_satisfied = np.asarray(sums[..., 2]), np.asarray(sums[..., 1] - sums[..., 2])
    has_both = (satisfied > 0) & (not_satisfied > 0)
    return np.asarray(np.log(np.where(has_both, satisfied, np.nan)) - np.log(np.where(has_both, not_satisfied, np.nan)))
