"""Sections of a report beyond its scorecard, from the sums of a run."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from simulator.analysis.aa_resplits import resplits
from simulator.analysis.accumulator import Tallies
from simulator.analysis.answer_calibration import answered_by_satisfaction, calibration, read_bins
from simulator.analysis.answer_forms import FormReadings
from simulator.analysis.health import split_checks
from simulator.analysis.questionnaire import bound_rows, effect_rows, rate_rows
from simulator.analysis.scopes import TEST, of_day, of_segment
from simulator.analysis.scorecard import NO_TRUTH, few_users_note
from simulator.analysis.segments import (
    SEGMENT_METRICS,
    heterogeneity_rows,
    large_levels,
    small_levels,
    with_adjusted,
)
from simulator.metrics import MAIN, METRICS, P2N_SIDES
from simulator.reports.document import LARGEST
from simulator.reports.report import MetricRow, Number
from simulator.reports.sections import Answering, Heterogeneity, Novelty, P2NSide, QuantileEffect, Resplits, SplitCheck
from simulator.runs.user_profiles import ACTIVITY
from simulator.statistics.moments import Moments, effective_sample_size
from simulator.statistics.novelty import FEWEST_DAYS, contrast, end_days, true_contrast
from simulator.statistics.quantiles import LEVELS, SURE, BinCounts

CLEAR: Final = 0.01
"""p-value of a novelty contrast below which there is a warning."""


def answering(tallies: Tallies, folder: Path) -> Answering:
    """Answer rates, effects on the satisfied share, their bounds, and answer rates by satisfaction."""
    arms = tallies.arms
    bins = read_bins(folder)
    pair_of = tallies.true_answers.__getitem__ if tallies.spec.truth else None
    forms = FormReadings(arms, tallies.answer_groups, pair_of)
    return Answering(
        rates=rate_rows(arms, tallies.answers.__getitem__),
        effects=[*effect_rows(arms, tallies.answers.__getitem__, pair_of), *forms.effects()],
        bounds=bound_rows(arms, tallies.answers.__getitem__),
        by_feeling=answered_by_satisfaction(bins),
        calibration=calibration(bins),
        forms=forms.section(),
    )


def distribution(tallies: Tallies) -> list[QuantileEffect]:
    """Effects on quantiles of daily watch seconds, by treatment."""
    control = tallies.arms[0]
    rows: list[QuantileEffect] = []
    for arm in tallies.arms[1:]:
        buckets = (tallies.watched[control], tallies.watched[arm])
        worlds = (tallies.watched_by_all[control], tallies.watched_by_all[arm]) if tallies.spec.truth else None
        rows += quantile_effects((control, arm), buckets, worlds)
    return rows


def quantile_effects(
    arms: tuple[str, str], buckets: tuple[BinCounts, BinCounts], worlds: tuple[BinCounts, BinCounts] | None
) -> list[QuantileEffect]:
    """Make one row per quantile.

    Args:
        arms: Control and treatment.
        buckets: Histograms of their buckets.
        worlds: Histograms of all users under each arm; None without truth.
    """
    levels = np.array(LEVELS)
    if min(bucket.n for bucket in buckets) == 0:
        return []
    values = [bucket.quantile(levels) for bucket in buckets]
    errors = [bucket.error(levels) for bucket in buckets]
    true = None if worlds is None else [world.quantile(levels) for world in worlds]
    return [
        _quantile_row(
            (arms, level),
            ((float(values[0][i]), float(errors[0][i])), (float(values[1][i]), float(errors[1][i]))),
            (float(true[0][i]), float(true[1][i])) if true else None,
        )
        for i, level in enumerate(LEVELS)
    ]


def _quantile_row(
    arms_and_level: tuple[tuple[str, str], float],
    sides: tuple[tuple[float, float], tuple[float, float]],
    true: tuple[float, float] | None,
) -> QuantileEffect:
    """Report row of one quantile, from each arm's quantile and its standard error, and from the true quantiles."""
    (arms, level), ((control, error0), (treatment, error1)) = arms_and_level, sides
    half_width = SURE * math.hypot(error0, error1)
    lift, low, high = _quantile_lift(sides) if control > 0 and treatment > 0 else (None, None, None)
    return QuantileEffect(
        arm=arms[1],
        baseline=arms[0],
        quantile=level,
        control=control,
        treatment=treatment,
        effect=treatment - control,
        low=treatment - control - half_width,
        high=treatment - control + half_width,
        true_control=true[0] if true else None,
        true_treatment=true[1] if true else None,
        true_effect=true[1] - true[0] if true else None,
        lift=lift,
        lift_low=low,
        lift_high=high,
        true_lift=true[1] / true[0] - 1 if true and true[0] > 0 else None,
        reasons={
            **({} if true else {"true_effect": NO_TRUTH, "true_lift": NO_TRUTH}),
            **({} if lift is not None else {"lift": "so many users watched nothing that a quantile is 0"}),
            **({"lift_high": "too wide to be told"} if lift is not None and high is None else {}),
        },
    )


def _quantile_lift(sides: tuple[tuple[float, float], tuple[float, float]]) -> tuple[float, float, Number]:
    """Lift of a quantile, and its interval on a log scale; the upper end is None if it is too large for a report."""
    (control, error0), (treatment, error1) = sides
    ratio, half_width = treatment / control, SURE * math.hypot(error0 / control, error1 / treatment)
    high = ratio * math.exp(half_width) - 1 if math.log(ratio) + half_width < math.log(LARGEST) else None
    return ratio - 1, ratio * math.exp(-half_width) - 1, high


def p2n_sides(tallies: Tallies) -> list[P2NSide]:
    """Effects on positives and on negatives."""
    return [_side(tallies, row) for row in tallies.rows(TEST, P2N_SIDES)]


def _side(tallies: Tallies, row: MetricRow) -> P2NSide:
    """Report row of one side of P2N of one treatment, with a note if few users have any."""
    spreads = [tallies.bucket(TEST, arm, row.metric).whole for arm in (row.baseline, row.arm)]
    users = [spread.present[0] for spread in spreads]
    spread_and_arm = zip(spreads, (row.baseline, row.arm), strict=True)
    note = few_users_note(*min((effective_sample_size(spread, 0), row.metric, arm) for spread, arm in spread_and_arm))
    return P2NSide(
        side="positives" if row.metric == "positives" else "negatives",
        arm=row.arm,
        baseline=row.baseline,
        control=row.control,
        treatment=row.treatment,
        lift=row.relative_effect,
        low=row.ci_low,
        high=row.ci_high,
        p_value=row.p_value,
        true_lift=row.true_relative_effect,
        users_control=users[0],
        users_treatment=users[1],
        reasons={
            **{field: row.reasons[field_of_row] for field, field_of_row in _RENAMED if field_of_row in row.reasons},
            **({"note": note} if note else {}),
        },
    )


_RENAMED = (("lift", "relative_effect"), ("p_value", "p_value"), ("true_lift", "true_relative_effect"))
"""Fields of a side, and their names in a metric's row."""


def novelty(tallies: Tallies) -> list[Novelty]:
    """Test whether the effects on main metrics fade."""
    control = tallies.arms[0]
    return [
        novelty_row(key, (control, arm), _ends(tallies, arm, key), tallies.spec.days, _true_contrast(tallies, arm, key))
        for arm in tallies.arms[1:]
        for key in MAIN
    ]


def novelty_row(
    metric: str, arms: tuple[str, str], spreads: tuple[Moments, Moments] | None, days: int, true: float | None
) -> Novelty:
    """Report row of one treatment.

    Args:
        metric: A key of `METRICS`.
        arms: Control and treatment.
        spreads: Moments of both arms' first and last days; None if the test is too short.
        days: Days of the test.
        true: True contrast, with every user under both arms, if known.
    """
    estimate = contrast(*spreads) if spreads is not None else None
    reasons: dict[str, str] = {}
    if estimate is None:
        short = f"the test has {days} days, want {FEWEST_DAYS} at least"
        reasons["contrast"] = short if spreads is None else "the metric has no value or does not vary at one end"
    value, low, high, p_value = estimate or (None, None, None, None)
    return Novelty(
        metric=metric,
        arm=arms[1],
        baseline=arms[0],
        unit=METRICS[metric].unit,
        days=end_days(days),
        contrast=value,
        low=low,
        high=high,
        p_value=p_value,
        true_contrast=true,
        reasons=reasons,
    )


def novelty_warnings(rows: Sequence[Novelty]) -> list[str]:
    """One line for each effect that differs between the first and the last days."""
    return [
        f"{row.metric}, {row.arm}: the effect of the first {row.days} days is {row.contrast:+.3g} {row.unit} "
        f"against that of the last {row.days} (p = {row.p_value:.2g}): read it day by day"
        for row in rows
        if row.p_value is not None and row.p_value < CLEAR
    ]


def _ends(tallies: Tallies, arm: str, metric: str) -> tuple[Moments, Moments] | None:
    """Moments of both arms' first and last days; None if the test is too short."""
    ends = tallies.ends
    return (ends.moments(tallies.arms[0], metric), ends.moments(arm, metric)) if ends else None


def _true_contrast(tallies: Tallies, arm: str, metric: str) -> float | None:
    """True contrast, with every user under both arms; None without truth."""
    if not tallies.spec.truth:
        return None
    days = tallies.spec.days
    return true_contrast({day: tallies.pair(of_day(day), arm, metric) for day in range(days)}, days)


def split_by_day(tallies: Tallies) -> list[SplitCheck]:
    """Check the active users per arm, by day."""
    return split_checks(
        tallies.spec.arms,
        {
            f"day {day}": {
                arm: int(tallies.bucket(of_day(day), arm, "active_share").present[0]) for arm in tallies.arms
            }
            for day in range(tallies.spec.days)
        },
    )


def split_by_segment(tallies: Tallies) -> list[SplitCheck]:
    """Check the users per arm within every level of every feature."""
    sizes = {
        f"{feature}={level}": users for feature in tallies.features for level, users in tallies.levels(feature).items()
    }
    return split_checks(tallies.spec.arms, sizes)


def resplit_rows(tallies: Tallies) -> list[Resplits]:
    """A/A tests by re-splits, one per main metric."""
    return [resplits(key, tallies.splits[key]) for key in MAIN]


def segment_rows(tallies: Tallies) -> list[MetricRow]:
    """Rows of every level that is large enough, by feature."""
    return [row for feature in tallies.features for row in with_adjusted(_feature_rows(tallies, feature))]


def _feature_rows(tallies: Tallies, feature: str) -> list[MetricRow]:
    """Rows of one feature, in the order of its levels."""
    metrics = [METRICS[key] for key in SEGMENT_METRICS]
    return [
        row.model_copy(update={"feature": feature, "segment": level})
        for level in large_levels(tallies.levels(feature))
        for row in tallies.rows(of_segment(feature, level), metrics)
    ]


def heterogeneity(tallies: Tallies) -> list[Heterogeneity]:
    """Test whether effects differ between levels."""
    levels = {feature: large_levels(tallies.levels(feature)) for feature in tallies.features}
    return heterogeneity_rows(levels, tallies.arms, tallies.bucket)


def missing_segments(tallies: Tallies) -> Sequence[str]:
    """Names of segments that are too small for rows; for the activity feature, its level alone."""
    return [
        level if feature == ACTIVITY else f"{feature} {level}"
        for feature in tallies.features
        for level in small_levels(tallies.levels(feature))
    ]
