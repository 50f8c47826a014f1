"""Methods of reading a test, correct and wrong ones, each on many splits at once.

The wrong methods are there on purpose: they are common in practice, and an audit shows their error rates.

Axes: `r` splits, `users` all users.
"""

from typing import Final

import numpy as np
import pandas as pd
from jaxtyping import Float64
from scipy.stats import norm

from simulator.metrics import MAIN, METRICS, PRE, Metric, scorecard_metrics
from simulator.statistics.groups import GroupMoments, group_of
from simulator.statistics.resplits import Block, Means, Readings, SplitDesign, no_readings, read, welch
from simulator.statistics.sequential import always_valid_bound, group_bounds
from simulator.studies.potential_outcomes import PotentialOutcomes

ALPHA: Final = 0.05
Z: Final = float(norm.isf(ALPHA / 2))
WRONG: Final = {
    "daily_peeking": "stops at the first day with p < .05 as if it had looked once",
    "per_view_t": "takes a user's views for independent",
    "per_user_day_t": "takes a user's days for independent",
    "naive_answers": "takes those who answer for all who watch",
}
"""Wrong methods, with the reason."""

SATISFIED: Final = Metric(
    "satisfied_share", "Satisfied share", "share", "up", ("true_eligible_satisfied",), ("eligible",)
)
"""True satisfied share: the share of eligible views that truly satisfied."""
_ANSWERS: Final = {
    "naive_answers": Metric("naive", "of answers", "share", "up", ("answers_satisfied",), ("answered",)),
    "weighted_answers": Metric(
        "weighted", "of weighted answers", "share", "up", ("answer_weight_satisfied",), ("answer_weight",)
    ),
}
_SHARES_OF_VIEWS: Final = ("click_rate", "long_view_rate", "skip_rate", "complete_rate", "like_rate")
_Moments = dict[str, GroupMoments]
"""Moments of a bucket by block, of each split."""


def audited_metrics(days: int) -> tuple[Metric, ...]:
    """Metrics of the scorecard and the true satisfied share."""
    return (*scorecard_metrics(days), SATISFIED)


def split_design(outcomes: PotentialOutcomes) -> SplitDesign:
    """Build the design that all methods read from one timeline's outcomes."""
    blocks: dict[str, Block] = {}
    for metric in (*scorecard_metrics(len(outcomes.looks)), *_ANSWERS.values()):
        has_pre_period = all(PRE + column in outcomes.users.columns for column in metric.columns)
        blocks[metric.key] = _block(metric, outcomes.users, has_pre_period)
    for key in MAIN:
        blocks |= {
            _look(key, day): _block(METRICS[key], look, with_before=False) for day, look in enumerate(outcomes.looks)
        }
    blocks["days"] = Block(_days(outcomes), grouped=False)
    return SplitDesign.of(blocks, group_of(outcomes.users["user_id"].to_numpy()))


def read_all(metric: Metric, control: _Moments, treatment: _Moments) -> dict[str, Readings]:
    """Read each split by every method that applies to a metric."""
    if metric.key == SATISFIED.key:
        return {name: _plain(control[m.key], treatment[m.key]) for name, m in _ANSWERS.items()}
    a, b = control[metric.key], treatment[metric.key]
    readings = {"plain": _plain(a, b)}
    if a.total.shape[-1] > 2:
        readings |= {"cuped": read(a, b, "ratio", "delta"), "adjusted": read(a, b, "sides", "jackknife")}
    if metric.key in MAIN:
        readings |= _look_readings(metric.key, control, treatment)
    if metric.key in _SHARES_OF_VIEWS:
        readings["per_view_t"] = welch(_one_view(a), _one_view(b))
    if metric.key == "AUT":
        days = sum(name.startswith("AUT, ") for name in control)
        readings["per_user_day_t"] = welch(_one_day(control["days"], days), _one_day(treatment["days"], days))
    return readings


def _plain(control: GroupMoments, treatment: GroupMoments) -> Readings:
    """Read without covariates, with the leverage of heavy users."""
    return read(control, treatment, "none", "leverage")


def _block(metric: Metric, users: pd.DataFrame, with_before: bool) -> Block:
    """Block of both sides of a metric; with those before the test, it is grouped by users."""
    test = metric.ratio(users)
    sides = [test.numerator, test.denominator]
    if with_before:
        ratio_before = metric.ratio(users, PRE)
        sides += [ratio_before.numerator, ratio_before.denominator]
    return Block(np.stack(sides, axis=1), grouped=with_before)


def _days(outcomes: PotentialOutcomes) -> Float64[np.ndarray, "users 2"]:
    """Watch seconds of all days, and the sum of their squares."""
    running = np.stack([look["watch_s"].to_numpy(np.float64) for look in outcomes.looks], axis=1)
    daily = np.diff(running, axis=1, prepend=0.0)
    return np.stack([daily.sum(axis=1), (daily * daily).sum(axis=1)], axis=1)


def _look(key: str, day: int) -> str:
    """Name of the block of a metric over the days up to this one."""
    return f"{key}, day {day}"


def _look_readings(key: str, control: _Moments, treatment: _Moments) -> dict[str, Readings]:
    """Plain readings with a look on every day and a stop at the first crossing, by naive and by sequential bounds."""
    names = [name for name in control if name.startswith(f"{key}, day ")]
    days = [_plain(control[name], treatment[name]) for name in names]
    naive = {"daily_peeking": apply_stopping_rule(days, np.full(len(days), Z))}
    information = np.array([_information(day) for day in days])
    if not (information > 0).all():
        return naive | dict.fromkeys(("group_sequential", "always_valid"), no_readings(len(days[0].p_value)))
    clock = np.arange(1, len(days) + 1) / len(days)
    return naive | {
        "group_sequential": apply_stopping_rule(days, group_bounds(information, clock, "obrien-fleming", ALPHA)),
        "always_valid": apply_stopping_rule(
            days,
            np.array(
                [always_valid_bound(look_information / information[-1], 1.0, ALPHA) for look_information in information]
            ),
        ),
    }


def _information(day: Readings) -> float:
    """One over the squared half-width of the median split's interval; 0 if no split has one."""
    half_widths = _half_width(day)
    usable_widths = half_widths[np.isfinite(half_widths) & (half_widths > 0)]
    return float(np.median(usable_widths)) ** -2.0 if len(usable_widths) else 0.0


def apply_stopping_rule(days: list[Readings], bounds: Float64[np.ndarray, " looks"]) -> Readings:
    """Take the reading of the first day beyond its bound, or of the last day, with intervals and p-values of the bound.

    Args:
        days: Plain readings of the test up to each day.
        bounds: Critical values in standard errors, from the information of the median split; infinite if a day cannot
            stop the test.
    """
    widened = [_with_bound(day, float(bound)) for day, bound in zip(days, bounds, strict=True)]
    last = widened[-1]
    for today in reversed(widened[:-1]):
        last = last.take(today, today.p_value < ALPHA)
    return last


def _half_width(day: Readings) -> Float64[np.ndarray, " r"]:
    """Half-width of the interval of the logarithm."""
    return (np.log1p(day.ci_high) - np.log1p(day.ci_low)) / 2


def _with_bound(day: Readings, bound: float) -> Readings:
    """Rescale a reading from the critical value 1.96 to another one: p < .05 beyond it."""
    if bound == Z:
        return day
    lift, half_width = np.log1p(day.relative_effect), _half_width(day) * bound / Z
    with np.errstate(over="ignore"):
        low, high = np.expm1(lift - half_width), np.expm1(lift + half_width)
    return Readings(day.relative_effect, low, high, 2 * norm.sf(norm.isf(day.p_value / 2) * Z / bound))


def _one_view(moments: GroupMoments) -> Means:
    """Mean and variance of a view's 0 or 1, with views as independent units."""
    hits, views = moments.total.sum(axis=1)[:, :2].T
    mean = hits / views
    return Means(mean, mean * (1 - mean) * views / (views - 1), views)


def _one_day(moments: GroupMoments, days: int) -> Means:
    """Mean and variance of a user-day's watch seconds, with user-days as independent units."""
    users = moments.samples()
    n = users.n * days
    mean, square = users.mean.T / days
    return Means(mean, (square - mean * mean) * n / (n - 1), n)
