"""Interference: bias of a test's result because arms learn from the test's data.

Arms that learn from one pooled log use each other's data, and arms that learn from their own bucket have less data than
with all users (symbiosis bias: arXiv 2309.07107). Both are measured by comparing the same users in the mixed world and
in their arm's own world. The split is the same in both, so its chance cancels.
"""

import math
from collections.abc import Sequence

import numpy as np

from simulator.analysis.accumulator import Tallies
from simulator.metrics import MAIN
from simulator.reports.report import MetricRow, Number, WorldRow
from simulator.statistics.delta_method import variance
from simulator.statistics.moments import Moments


def world_rows(tallies: Tallies, rows: Sequence[MetricRow]) -> list[WorldRow]:
    """Compare both worlds of every arm on the main metrics, control first; empty if the truth was not run.

    Args:
        tallies: Sums of the run.
        rows: Its scorecard, with true effects.
    """
    shifts = tallies.shifts
    if shifts is None:
        return []
    by_arm = {(arm, key): shifts.moments(arm, key) for arm in tallies.arms for key in MAIN}
    return [_row((by_arm[tallies.arms[0], key], by_arm[arm, key]), rows, arm, key) for arm, key in by_arm]


def interference(control: Moments, treatment: Moments) -> tuple[Number, Number]:
    """Compute the lift in the mixed world minus that of the same split in the arms' own worlds, and its standard error.

    Args:
        control: `simulator.statistics.paired.paired_spread` of control's bucket: its own world and the gain in the
            mixed one.
        treatment: The same moments of the treatment's bucket.
    """
    lift_alone, lift_mixed = _lift(_alone(control), _alone(treatment)), _lift(_mixed(control), _mixed(treatment))
    if lift_alone is None or lift_mixed is None:
        return None, None
    buckets_and_weights = zip((control, treatment), _weights(control, treatment), strict=True)
    squared = [variance(weights, spread) for spread, weights in buckets_and_weights]
    if squared[0] is None or squared[1] is None:
        return lift_mixed - lift_alone, None
    return lift_mixed - lift_alone, math.sqrt(squared[0] + squared[1])


def _weights(control: Moments, treatment: Moments) -> tuple[np.ndarray, np.ndarray]:
    """Influence of a user of each bucket on the bias, linear in numerator and denominator and in their gains.

    A lift R1 / R0 - 1 gains (n - R1 d) / (D1 R0) from a user of treatment and loses R1 / R0 (n - R0 d) / (D0 R0) by
    one of control, with D the mean denominators. The bias is the mixed world's lift less that of the arms' own.
    """

    def of(bucket: Moments, sign: tuple[float, float]) -> np.ndarray:
        (n, d), (n_mixed, d_mixed) = _alone(bucket), _mixed(bucket)
        own_world = sign[0] * bucket.n / d * np.array([1.0, -n / d])
        mixed_world = sign[1] * bucket.n / d_mixed * np.array([1.0, -n_mixed / d_mixed])
        return np.concatenate([mixed_world - own_world, mixed_world])

    r0, r1 = _ratio(_alone(control)), _ratio(_alone(treatment))
    m0, m1 = _ratio(_mixed(control)), _ratio(_mixed(treatment))
    return of(control, (-r1 / r0**2, -m1 / m0**2)), of(treatment, (1 / r0, 1 / m0))


def _alone(bucket: Moments) -> tuple[float, float]:
    """Totals of numerator and denominator in the arm's own world."""
    return float(bucket.total[0]), float(bucket.total[1])


def _mixed(bucket: Moments) -> tuple[float, float]:
    """Totals of numerator and denominator in the mixed world."""
    return float(bucket.total[0] + bucket.total[2]), float(bucket.total[1] + bucket.total[3])


def _ratio(totals: tuple[float, float]) -> float:
    """Value of the metric."""
    return totals[0] / totals[1]


def _value(totals: tuple[float, float]) -> Number:
    """Value of the metric; None if its denominator is 0."""
    return totals[0] / totals[1] if totals[1] else None


def _lift(control: tuple[float, float], treatment: tuple[float, float]) -> Number:
    """Lift of treatment over control; None if it has no value."""
    a, b = _value(control), _value(treatment)
    return None if a is None or b is None or a == 0 else b / a - 1


def _row(buckets: tuple[Moments, Moments], rows: Sequence[MetricRow], arm: str, key: str) -> WorldRow:
    """Report row of one arm on one metric, from the buckets of control and of the arm."""
    control, bucket = buckets
    is_control = bucket is control
    metric_row = next(row for row in rows if row.metric == key and (is_control or row.arm == arm))
    bias, error = (None, None) if is_control else interference(control, bucket)
    numbers: dict[str, Number] = {
        "all_arm": metric_row.true_control if is_control else metric_row.true_treatment,
        "bucket": _value(_mixed(bucket)),
        "bucket_alone": _value(_alone(bucket)),
        "mixed_effect": None if is_control else _lift(_mixed(control), _mixed(bucket)),
        "split_effect": None if is_control else _lift(_alone(control), _alone(bucket)),
        "true_effect": None if is_control else metric_row.true_relative_effect,
        "interference_bias": bias,
        "interference_bias_se": error,
    }
    reason = "the arm is the control" if is_control else "a value of 0 or a denominator of 0"
    reasons = {name: reason for name, value in numbers.items() if value is None}
    if bias is not None and error is None:
        reasons["interference_bias_se"] = "an arm has fewer than 2 users"
    return WorldRow(metric=key, arm=arm, reasons=reasons, **numbers)
