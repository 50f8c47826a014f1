"""Rows of the scorecard, from frames of users or from moments."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float64

from simulator.metrics import PRE, Metric
from simulator.reports.report import Estimate, MetricRow
from simulator.statistics.comparison import CONFIDENCE, ArmSample, Comparison, Difference, compare
from simulator.statistics.groups import GroupMoments, group_of
from simulator.statistics.moments import effective_sample_size, ratio_of
from simulator.statistics.paired import PairedEffect

ArmMoments: TypeAlias = Callable[[str, str], GroupMoments]
"""Moments of an arm's users by arm and metric."""
FEW_USERS: Final = 100
"""Effective number of users below which the delta method's intervals are too narrow: see `effective_sample_size`."""
NO_TRUTH: Final = "the truth was not run; set `truth = true` in the spec"
"""Reason why a true value is null."""
_TRUE: Final = {
    "true_control": "control",
    "true_treatment": "treatment",
    "true_relative_effect": "relative_effect",
    "true_relative_effect_se": "standard_error",
}
"""True fields of a row, and their names in a `PairedEffect`."""
_FAR: Final = 300
"""Power of two beyond which values are scaled before they are squared."""
_SIDES: Final = ("control", "treatment", "adjusted_control", "adjusted_treatment")
_IN_UNITS: Final = (*_SIDES, "effect", "effect_low", "effect_high")


def moment_rows(metrics: Sequence[Metric], arms: Sequence[str], moments: ArmMoments) -> list[MetricRow]:
    """Compare each treatment with control, the first of `arms`; treatments outermost."""
    return [
        metric_row(metric, (arms[0], moments(arms[0], metric.key)), (arm, moments(arm, metric.key)))
        for arm in arms[1:]
        for metric in metrics
    ]


def compare_arms(
    users: pd.DataFrame,
    metrics: Sequence[Metric],
    control: str,
    treatments: Sequence[str],
    confidence: float = CONFIDENCE,
    covariates: Sequence[str] = (),
) -> list[MetricRow]:
    """Compare arms from a checked frame; an arm without users gives rows without numbers.

    Raises:
        ValueError: The values of a metric are too large for a number.
    """
    by_arm = {arm: users.loc[users["arm"] == arm] for arm in (control, *treatments)}
    by_metric = {metric.key: _rows(metric, by_arm, confidence, covariates) for metric in metrics}
    return [by_metric[metric.key][treatment_index] for treatment_index in range(len(treatments)) for metric in metrics]


def _rows(
    metric: Metric, by_arm: dict[str, pd.DataFrame], confidence: float, covariates: Sequence[str]
) -> list[MetricRow]:
    """Rows of one metric, one per treatment; control is the first arm."""
    with np.errstate(over="ignore"):
        buckets = [bucket_of(metric, arm, users) for arm, users in by_arm.items()]
    groups = [group_of(users["user_id"].to_numpy()) for users in by_arm.values()]
    columns = [
        _columns(bucket, [users[name].to_numpy(np.float64) for name in covariates])
        for bucket, users in zip(buckets, by_arm.values(), strict=True)
    ]
    powers = [_power(metric, sides) for sides in zip(*columns, strict=True)]
    moments = [
        GroupMoments.of(tuple(map(_scaled, sides, powers)), group) for sides, group in zip(columns, groups, strict=True)
    ]
    control, *treatments = zip(by_arm, moments, strict=True)
    rows = [metric_row(metric, control, treatment, confidence) for treatment in treatments]
    missing_before = _missing_before(metric, next(iter(by_arm.values())))
    return [_in_units(row.updated({}, missing_before), powers[0] - powers[1]) for row in rows]


def _missing_before(metric: Metric, users: pd.DataFrame) -> dict[str, str]:
    """Note on a missing `pre_` column, if only some of the metric's are there."""
    missing_columns = [PRE + column for column in metric.columns if PRE + column not in users.columns]
    if len(missing_columns) in (0, len(metric.columns)):
        return {}
    return {"method": f"not adjusted: column {missing_columns[0]!r} is missing"}


def _columns(
    bucket: ArmSample, covariates: Sequence[Float64[np.ndarray, " users"]]
) -> tuple[Float64[np.ndarray, " users"], ...]:
    """Columns of both sides of the metric during the test and, if known, before it, then covariates."""
    ratios = [ratio for ratio in (bucket.test, bucket.before) if ratio is not None]
    sides = tuple(side for ratio in ratios for side in (ratio.numerator, ratio.denominator))
    return sides if bucket.before is None else (*sides, *covariates)


def _power(metric: Metric, sides: tuple[Float64[np.ndarray, " _"], ...]) -> int:
    """Power of two of the largest value of all arms, if it is far from 1; else 0."""
    largest = max((float(np.abs(side).max()) for side in sides if len(side)), default=0.0)
    if not np.isfinite(largest):
        raise ValueError(f"metric {metric.key!r} is beyond what a number can hold; give its columns in larger units")
    power = int(np.frexp(largest)[1])
    return power if abs(power) > _FAR else 0


def _scaled(side: Float64[np.ndarray, " users"], power: int) -> Float64[np.ndarray, " users"]:
    """Divide values by a power of two, which is exact."""
    return np.ldexp(side, -power) if power else side


def _in_units(row: MetricRow, power: int) -> MetricRow:
    """Convert a row of scaled values to the metric's unit; a value that overflows is None, with a reason."""
    if not power:
        return row
    with np.errstate(over="ignore", under="ignore"):
        values = {name: None if (v := getattr(row, name)) is None else float(np.ldexp(v, power)) for name in _IN_UNITS}
    overflowing = [name for name, value in values.items() if value is not None and not np.isfinite(value)]
    reasons = dict.fromkeys(overflowing, "beyond what a number can hold")
    return row.updated(values | dict.fromkeys(overflowing), reasons)


def metric_row(
    metric: Metric,
    control: tuple[str, GroupMoments],
    treatment: tuple[str, GroupMoments],
    confidence: float = CONFIDENCE,
) -> MetricRow:
    """Make a row of the scorecard from two arms' names and moments, without the true effect."""
    comparison = compare(*control, *treatment, confidence)
    main = comparison.main
    sides = {"control": control, "treatment": treatment}
    values = {name: ratio_of(moments.whole) for name, (_, moments) in sides.items()}
    no_value = {name: f"{sides[name][0]} has a denominator of 0" for name, value in values.items() if value is None}
    return MetricRow(
        metric=metric.key,
        label=metric.label,
        arm=treatment[0],
        baseline=control[0],
        control=values["control"],
        treatment=values["treatment"],
        adjusted_control=main.adjusted_control,
        adjusted_treatment=main.adjusted_treatment,
        effect=main.effect,
        effect_low=main.effect_low,
        effect_high=main.effect_high,
        relative_effect=main.relative_effect,
        ci_low=main.ci_low,
        ci_high=main.ci_high,
        p_value=main.p_value,
        standard_error=main.standard_error,
        log_standard_error=main.log_standard_error,
        method="adjusted" if comparison.adjusted else "plain",
        plain=_estimate(comparison.plain),
        cuped=_estimate(comparison.cuped) if comparison.cuped else None,
        unit=metric.unit,
        better=metric.better,
        reasons={
            **no_value,
            **{name: reason for name, reason in main.reasons.items() if name in MetricRow.model_fields},
            **_not_adjusted(comparison),
            **_note(metric, control, treatment),
        },
    )


def _not_adjusted(comparison: Comparison) -> dict[str, str]:
    """Reason why the time before the test is not used, if it is not."""
    reason = comparison.not_adjusted
    if not reason:
        return {}
    return {"method": f"not adjusted: {reason}"} | ({} if comparison.cuped else {"cuped": reason})


def with_true_effect(row: MetricRow, effect: PairedEffect | None) -> MetricRow:
    """Add the true effect to a row, with a reason for each unknown part.

    Args:
        row: A row of the scorecard.
        effect: True effect of the same metric and arms; None if the truth was not run.
    """
    fields = {name: None if effect is None else getattr(effect, attribute) for name, attribute in _TRUE.items()}
    reason = NO_TRUTH if effect is None else effect.reason
    reasons = {name: reason for name, value in fields.items() if value is None}
    return row.updated(fields, reasons)


def bucket_of(metric: Metric, arm: str, users: pd.DataFrame) -> ArmSample:
    """Sample of one arm for one metric, with the `pre_` columns if they are there."""
    has_pre_columns = all(PRE + column in users.columns for column in metric.columns)
    return ArmSample(arm, metric.ratio(users), metric.ratio(users, PRE) if has_pre_columns else None)


def _estimate(difference: Difference) -> Estimate:
    """Relative part of a difference."""
    return Estimate(
        relative_effect=difference.relative_effect,
        ci_low=difference.ci_low,
        ci_high=difference.ci_high,
        p_value=difference.p_value,
        standard_error=difference.standard_error,
        log_standard_error=difference.log_standard_error,
    )


def _note(metric: Metric, *sides: tuple[str, GroupMoments]) -> dict[str, str]:
    """Note if a side of the metric has an effective sample size below `FEW_USERS`."""
    counts = [
        (effective_sample_size(moments.whole, side), " + ".join(columns), arm)
        for arm, moments in sides
        for side, columns in enumerate((metric.numerator, metric.denominator))
        if columns
    ]
    note = few_users_note(*min(counts))
    return {"note": note} if note else {}


def few_users_note(n: float, name: str, arm: str) -> str:
    """Note on an effective sample size that is too small; empty if it is large enough."""
    if n >= FEW_USERS:
        return ""
    return (
        f"{name} of {arm} are spread as unevenly as over {n:.0f} equal users;"
        f" below {FEW_USERS} the interval may be too narrow"
    )
