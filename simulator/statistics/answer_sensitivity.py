"""How much likelier than others the satisfied would have to be to answer, for answers to say something else.

With G the chance of answering of those who would say `satisfied`, over that of the others, Bayes' rule turns the
share p among the answers into that among all who were asked, p / (p + (1 - p) G): the odds of p over G. G cannot be
seen where only answers are; so the share is shown as a curve over it, and the effect over all pairs of G, one per arm,
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
"""g from 1 to 4 at which curves are drawn."""


@final
@dataclass(frozen=True)
class SignChange:
    """From which g on the effect may have another sign.

    Attributes:
        estimate: Of the effect as estimated.
        resolved: From which its 95% interval holds 0 as well; 1 if it does already.
    """

    estimate: float
    resolved: float


def share_at(naive: Float64[np.ndarray, "*b"], ratio: float) -> Float64[np.ndarray, "*b"]:
    """The share among all asked if the satisfied are `ratio` times as likely to answer as the others.

    >>> share_at(np.array([0.5, 0.0, 1.0]), 3.0).tolist()
    [0.25, 0.0, 1.0]
    """
    return np.asarray(naive / (naive + (1 - naive) * ratio))


def answering_ratio(asked: float, answered: float, satisfied: float, would_say: float) -> float | None:
    """The true G, from how many of the asked would say `satisfied`; None where there are none of a kind.

    >>> answering_ratio(asked=128, answered=60, satisfied=48, would_say=64)
    4.0
    """
    others = asked - would_say
    if min(would_say, others, answered - satisfied) <= 0:
        return None
    return (satisfied / would_say) / ((answered - satisfied) / others)


def share_range(groups: Float64[np.ndarray, "groups 6"], g: float) -> tuple[GroupEstimate, GroupEstimate]:
    """The least and the largest share with G within [1/g, g]."""
    return _share_with(groups, g), _share_with(groups, 1 / g)


def effect_range(
    control: Float64[np.ndarray, "groups 6"], treatment: Float64[np.ndarray, "groups 6"], g: float
) -> tuple[GroupEstimate, GroupEstimate]:
    """The least and the largest difference of shares, treatment minus control, with both G within [1/g, g]."""
    (least, most), (before_least, before_most) = (share_range(groups, g) for groups in (treatment, control))
    return least - before_most, most - before_least


def sign_change(
    control: Float64[np.ndarray, "groups 6"], treatment: Float64[np.ndarray, "groups 6"]
) -> SignChange | None:
    """From which g on the sign is open: half the log odds ratio, less what its error leaves of it; None without one."""
    gap = group_jackknife(treatment, _log_odds) - group_jackknife(control, _log_odds)
    if not math.isfinite(gap.value) or not math.isfinite(gap.reach):
        return None
    return SignChange(math.exp(abs(gap.value) / 2), math.exp(max(0.0, abs(gap.value) - gap.reach) / 2))


def _share_with(groups: Float64[np.ndarray, "groups 6"], ratio: float) -> GroupEstimate:
    """The share at one G, with its error."""
    return group_jackknife(groups, lambda sums: share_at(satisfied_share(sums, "naive"), ratio))


def _log_odds(sums: Sums) -> Float64[np.ndarray, "*b"]:
    """Of `satisfied` among the answers; NaN where all or none are."""
    satisfied, others = np.asarray(sums[..., 2]), np.asarray(sums[..., 1] - sums[..., 2])
    both = (satisfied > 0) & (others > 0)
    return np.asarray(np.log(np.where(both, satisfied, np.nan)) - np.log(np.where(both, others, np.nan)))
