"""How a bucket can be read, rightly and wrongly; each way on many splits at once.

The wrong ways are there on purpose: they are what people do, and an audit shows what it costs them.

Axes: `r` splits, `users` everybody.
"""

from typing import Final

import numpy as np
import pandas as pd
from jaxtyping import Float64
from scipy.stats import norm

from simulator.metrics import MAIN, METRICS, PRE, Metric, scorecard_metrics
from simulator.statistics.groups import GroupMoments, group_of
from simulator.statistics.resplits import Block, Means, Readings, SplitDesign, nothing, read, welch
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
"""Methods that are wrong, and why."""

SATISFIED: Final = Metric(
    "satisfied_share", "Satisfied share", "share", "up", ("true_eligible_satisfied",), ("eligible",)
)
"""What the questionnaire is after: the share of views that may be asked about which truly satisfied."""
_ANSWERS: Final = {
    "naive_answers": Metric("naive", "of answers", "share", "up", ("answers_satisfied",), ("answered",)),
    "weighted_answers": Metric(
        "weighted", "of weighted answers", "share", "up", ("answer_weight_satisfied",), ("answer_weight",)
    ),
}
_SHARES_OF_VIEWS: Final = ("click_rate", "long_view_rate", "skip_rate", "complete_rate", "like_rate")
_Moments = dict[str, GroupMoments]
"""A bucket's moments by block, of each split."""


def audited_metrics(days: int) -> tuple[Metric, ...]:
    """The scorecard's metrics and the true satisfied share."""
    return (*scorecard_metrics(days), SATISFIED)


def sheet_of(life: PotentialOutcomes) -> SplitDesign:
    """All that any method reads of a life."""
    blocks: dict[str, Block] = {}
    for metric in (*scorecard_metrics(len(life.looks)), *_ANSWERS.values()):
        has_pre_period = all(PRE + column in life.users.columns for column in metric.columns)
        blocks[metric.key] = _block(metric, life.users, has_pre_period)
    for key in MAIN:
        blocks |= {_look(key, day): _block(METRICS[key], look, before=False) for day, look in enumerate(life.looks)}
    blocks["days"] = Block(_days(life), grouped=False)
    return SplitDesign.of(blocks, group_of(life.users["user_id"].to_numpy()))


def read_all(metric: Metric, control: _Moments, treatment: _Moments) -> dict[str, Readings]:
    """What each method that fits a metric says of each split, by method."""
    if metric.key == SATISFIED.key:
        return {name: _plain(control[m.key], treatment[m.key]) for name, m in _ANSWERS.items()}
    a, b = control[metric.key], treatment[metric.key]
    readings = {"plain": _plain(a, b)}
    if a.total.shape[-1] > 2:
        readings |= {"cuped": read(a, b, "ratio", "delta"), "adjusted": read(a, b, "sides", "jackknife")}
    if metric.key in MAIN:
        readings |= _looked(metric.key, control, treatment)
    if metric.key in _SHARES_OF_VIEWS:
        readings["per_view_t"] = welch(_one_view(a), _one_view(b))
    if metric.key == "AUT":
        days = sum(name.startswith("AUT, ") for name in control)
        readings["per_user_day_t"] = welch(_one_day(control["days"], days), _one_day(treatment["days"], days))
    return readings


def _plain(control: GroupMoments, treatment: GroupMoments) -> Readings:
    """Without covariates, with the leverage of heavy users."""
    return read(control, treatment, "none", "leverage")


def _block(metric: Metric, users: pd.DataFrame, before: bool) -> Block:
    """Both sides of a metric, during the test and, if asked for, before it; by group of users with both."""
    test = metric.ratio(users)
    sides = [test.numerator, test.denominator]
    if before:
        early = metric.ratio(users, PRE)
        sides += [early.numerator, early.denominator]
    return Block(np.stack(sides, axis=1), grouped=before)


def _days(life: PotentialOutcomes) -> Float64[np.ndarray, "users 2"]:
    """Watch seconds of all days, and the sum of their squares."""
    running = np.stack([look["watch_s"].to_numpy(np.float64) for look in life.looks], axis=1)
    daily = np.diff(running, axis=1, prepend=0.0)
    return np.stack([daily.sum(axis=1), (daily * daily).sum(axis=1)], axis=1)


def _look(key: str, day: int) -> str:
    """The block of a metric from the first day to this one."""
    return f"{key}, day {day}"


def _looked(key: str, control: _Moments, treatment: _Moments) -> dict[str, Readings]:
    """Plain readings of whoever looks every day and stops at the first finding: naively, and with looks paid for."""
    names = [name for name in control if name.startswith(f"{key}, day ")]
    days = [_plain(control[name], treatment[name]) for name in names]
    naive = {"daily_peeking": apply_stopping_rule(days, np.full(len(days), Z))}
    information = np.array([_information(day) for day in days])
    if not (information > 0).all():
        return naive | dict.fromkeys(("group_sequential", "always_valid"), nothing(len(days[0].p_value)))
    clock = np.arange(1, len(days) + 1) / len(days)
    return naive | {
        "group_sequential": apply_stopping_rule(days, group_bounds(information, clock, "obrien-fleming", ALPHA)),
        "always_valid": apply_stopping_rule(
            days, np.array([always_valid_bound(each / information[-1], 1.0, ALPHA) for each in information])
        ),
    }


def _information(day: Readings) -> float:
    """One over the squared half-width of the median split's interval; 0 where no split has one."""
    half = _half(day)
    half_widths = half[np.isfinite(half) & (half > 0)]
    return float(np.median(half_widths)) ** -2.0 if len(half_widths) else 0.0


def apply_stopping_rule(days: list[Readings], bounds: Float64[np.ndarray, " looks"]) -> Readings:
    """The reading of the first day beyond its bound, or of the last; intervals and p-values as wide as the bound says.

    Information is that of the median split, so that bounds are found once and not split by split.

    Args:
        days: Plain readings of the test up to each day.
        bounds: Critical values in standard errors, infinite where a day cannot stop the test.
    """
    widened = [_widened(day, float(bound)) for day, bound in zip(days, bounds, strict=True)]
    last = widened[-1]
    for today in reversed(widened[:-1]):
        last = last.take(today, today.p_value < ALPHA)
    return last


def _half(day: Readings) -> Float64[np.ndarray, " r"]:
    """Half the width of the interval of the logarithm."""
    return (np.log1p(day.ci_high) - np.log1p(day.ci_low)) / 2


def _widened(day: Readings, bound: float) -> Readings:
    """A reading for another critical value than 1.96: p < .05 where it lies beyond."""
    if bound == Z:
        return day
    lift, half = np.log1p(day.relative_effect), _half(day) * bound / Z
    with np.errstate(over="ignore"):
        low, high = np.expm1(lift - half), np.expm1(lift + half)
    return Readings(day.relative_effect, low, high, 2 * norm.sf(norm.isf(day.p_value / 2) * Z / bound))


def _one_view(moments: GroupMoments) -> Means:
    """Mean and variance of the 0 or 1 of one view, each view a draw of its own."""
    hits, views = moments.total.sum(axis=1)[:, :2].T
    mean = hits / views
    return Means(mean, mean * (1 - mean) * views / (views - 1), views)


def _one_day(moments: GroupMoments, days: int) -> Means:
    """Mean and variance of the watch seconds of one day of one user, each day a draw of its own."""
    users = moments.samples()
    n = users.n * days
    mean, square = users.mean.T / days
    return Means(mean, (square - mean * mean) * n / (n - 1), n)
