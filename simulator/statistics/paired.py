"""What is true: every user lived through both worlds under the same noise, so the difference is paired.

The lift is a ratio of ratios of sums, L = R1 / R0 - 1 with R = sum n / sum d in each world. Its standard error over
users is the delta method's (Deng, Knoblich and Lu, KDD 2018, https://arxiv.org/abs/1803.06336) with both worlds of a
user in one influence value: (n1 - R1 d1) / (mean d1 R0) - (1 + L) (n0 - R0 d0) / (mean d0 R0). What the worlds share
cancels, so worlds that are the same give exactly 0 with a standard error of exactly 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import pandas as pd

from simulator.metrics import Metric, Ratio
from simulator.reports.report import MetricRow

NO_TRUTH: Final = "the truth was not run; set `truth = true` in the spec"
Worlds = Mapping[str, pd.DataFrame]
"""Every user under each arm, by arm; all frames about the same users in the same order."""


@final
@dataclass(frozen=True)
class PairedEffect:
    """A metric in both worlds.

    Attributes:
        control: With every user under control, or None where the denominator is 0.
        treatment: With every user under treatment.
        relative_effect: Lift, or None where `reason` says why.
        standard_error: Of the lift, over users.
        reason: Why there is no lift; empty otherwise.
    """

    control: float | None
    treatment: float | None
    relative_effect: float | None
    standard_error: float | None
    reason: str = ""


def true_effect(control: Ratio, treatment: Ratio) -> PairedEffect:
    """The effect on these very users; row i of both worlds is the same user."""
    r0, r1 = control.value, treatment.value
    if r0 is None or r1 is None:
        return PairedEffect(r0, r1, None, None, "the denominator is 0 with every user under one arm")
    if r0 == 0:
        return PairedEffect(r0, r1, None, None, "the true control value is 0")
    if len(control.numerator) < 2:
        return PairedEffect(r0, r1, lift_of(r0, r1), None, "one user has no standard error")
    return PairedEffect(r0, r1, lift_of(r0, r1), _standard_error(control, r0, treatment, r1))


def lift_of(r0: float, r1: float) -> float:
    """The gain of `r1` over the size of `r0`, which is not 0."""
    return math.copysign(1.0, r0) * (r1 / r0 - 1)


def _standard_error(control: Ratio, r0: float, treatment: Ratio, r1: float) -> float:
    """The paired delta method; see the module."""
    n = len(control.numerator)
    gained = (treatment.numerator - r1 * treatment.denominator) / (treatment.denominator.mean() * r0)
    spared = (control.numerator - r0 * control.denominator) / (control.denominator.mean() * r0)
    influence = gained - r1 / r0 * spared
    return math.sqrt(float((influence * influence).sum()) / (n - 1) / n)


def with_truth(row: MetricRow, metric: Metric, worlds: Worlds | None) -> MetricRow:
    """The row with its true effect, or with the reason why there is none.

    Args:
        row: A row about `metric`, between two arms of `worlds`.
        metric: The row's metric.
        worlds: Every user under every arm, None where the truth was not run.
    """
    if worlds is None:
        return without_truth(row)
    return row_with_effect(row, true_effect(metric.ratio(worlds[row.baseline]), metric.ratio(worlds[row.arm])))


def row_with_effect(row: MetricRow, effect: PairedEffect) -> MetricRow:
    """The row with a true effect, and with the reason for each part of it that cannot be told."""
    fields = {
        "true_control": effect.control,
        "true_treatment": effect.treatment,
        "true_relative_effect": effect.relative_effect,
        "true_relative_effect_se": effect.standard_error,
    }
    reasons = {name: effect.reason for name, value in fields.items() if value is None}
    return row.model_copy(update={**fields, "reasons": {**row.reasons, **reasons}})


def without_truth(row: MetricRow) -> MetricRow:
    """The row with the same reason for each of its true values."""
    names = ("true_control", "true_treatment", "true_relative_effect", "true_relative_effect_se")
    return row.model_copy(update={"reasons": {**row.reasons, **dict.fromkeys(names, NO_TRUTH)}})
