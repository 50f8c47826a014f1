"""Splits by day and segment, users in two arms, A/A re-splits, and lifts too good to be true."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulator.analysis.aa_resplits import SPLITS, coins, resplits, split_p_values, split_sums
from simulator.analysis.analyse import analyse
from simulator.analysis.health import planned_users, srm_p_value
from simulator.analysis.health_checks import significant, split_checks, split_warnings, too_good, too_good_warnings
from simulator.analysis.mixed_assignment import mixed_assignment, mixed_warnings
from simulator.metrics import METRICS, Ratio
from simulator.spec.experiment import ArmSpec

SHARES = {"even": (1, 1), "small": (95, 5), "three": (3, 2, 1)}


def arms_of(shares):
    return tuple(ArmSpec(name=name, policy="base", share=s) for name, s in zip("abc", shares, strict=False))


def alarms(shares, splits, users, planned_shares=None):
    """Share of simulated splits whose sample ratio raises the alarm of .001."""
    arms = arms_of(planned_shares or shares)
    planned = planned_users(arms, users)
    p = np.array(shares) / sum(shares)
    drawn = np.random.default_rng(17).multinomial(users, p, splits)
    p_values = [srm_p_value(dict(zip("abc", map(int, row), strict=False)), planned) for row in drawn]
    return float((np.array(p_values) < 0.001).mean())


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_planned_splits_seldom_alarm(shares):
    """At most .001 and 3.29 Monte Carlo standard errors."""
    assert alarms(shares, 1_000, 20_000) <= 0.001 + 3.29 * np.sqrt(0.001 * 0.999 / 1_000)


@pytest.mark.slow
@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_planned_splits_alarm_one_time_in_a_thousand(shares):
    assert alarms(shares, 20_000, 20_000) <= 0.001 + 3.29 * np.sqrt(0.001 * 0.999 / 20_000)


def test_49_to_51_of_200_000_always_alarms():
    assert alarms((49, 51), 200, 200_000, planned_shares=(1, 1)) == 1.0


def test_alarms_are_shared_out_over_slices():
    """p = .0009 alarms by itself, and no longer beside another slice."""
    z = stats.norm.isf(0.00045)
    off = round(z * np.sqrt(10_000) / 2)
    users = {"a": 5_000 + off, "b": 5_000 - off}
    assert split_checks(arms_of((1, 1)), {"day 0": users})[0].alarm
    both = split_checks(arms_of((1, 1)), {"day 0": users, "day 1": {"a": 5_000, "b": 5_000}})
    assert not any(check.alarm for check in both)


def test_an_arm_that_loses_users_on_a_day_or_in_a_segment_is_named():
    arms = arms_of((1, 1))
    by_day = split_checks(arms, {"day 0": {"a": 500, "b": 500}, "day 1": {"a": 500, "b": 300}})
    by_level = split_checks(arms, {"f=x": {"a": 400}, "f=y": {"a": 3, "b": 1}})
    assert [check.alarm for check in (*by_day, *by_level)] == [False, True, True, False]
    assert "5 users were expected" in by_level[1].reasons["p_value"]
    lines = split_warnings(by_day, by_level)
    assert "on day 1:" in lines[0]
    assert "within f=x;" in lines[1]


def test_users_in_two_arms_are_counted_and_judged():
    assert mixed_warnings(mixed_assignment(0, 1_000)) == []
    assert "9 users (0.90%)" in mixed_warnings(mixed_assignment(9, 1_000))[0]
    assert "do not read" in mixed_warnings(mixed_assignment(10, 1_000))[0]


def frame_of(gain, n=4_000):
    rng = np.random.default_rng(3)
    arm = np.repeat(["a", "b"], n)
    watch_s = rng.gamma(2, 50, 2 * n) * np.where(arm == "b", gain, 1.0)
    return pd.DataFrame({"user_id": np.arange(2 * n), "arm": arm, "watch_s": watch_s, "days": 7})


@pytest.mark.parametrize(("gain", "suspicious"), [(1.0, False), (1.15, False), (1.8, True)])
def test_a_lift_too_good_to_be_true_is_to_be_checked(gain, suspicious):
    found = too_good(analyse(frame_of(gain), [METRICS["AUT"]], "a", ["b"]))
    assert [each.metric for each in found] == (["AUT"] if suspicious else [])
    assert all("check before believing" in line for line in too_good_warnings(found))


def test_a_significant_main_metric_is_named():
    assert significant(analyse(frame_of(1.8), [METRICS["AUT"]], "a", ["b"])) == ["b/AUT"]
    assert significant(analyse(frame_of(1.0), [METRICS["AUT"]], "a", ["b"])) == []


def heavy(n, seed=1):
    rng = np.random.default_rng(seed)
    views = 1.0 + rng.poisson(20, n)
    return Ratio(views * rng.lognormal(2, 1, n), views)


def test_resplits_find_nothing_where_there_is_nothing():
    found = resplits("AVT", split_sums(heavy(6_000), coins(np.arange(6_000), seed=5)))
    assert found.splits == SPLITS
    assert found.passed
    assert abs(found.rejected - 0.05) <= 3.29 * np.sqrt(0.05 * 0.95 / SPLITS)


def test_a_split_is_the_delta_method_on_both_sides():
    metric, sides = heavy(400), coins(np.arange(400), seed=5, splits=3)
    p_values = split_p_values(split_sums(metric, sides))
    for side, p in zip(sides, p_values, strict=True):
        parts = [(metric.numerator[side == s], metric.denominator[side == s]) for s in (1, 0)]
        value = [n.sum() / d.sum() for n, d in parts]
        error = [np.std(n - v * d, ddof=1) / d.mean() / np.sqrt(len(n)) for (n, d), v in zip(parts, value, strict=True)]
        assert p == pytest.approx(2 * stats.norm.sf(abs(value[0] - value[1]) / np.hypot(*error)), rel=1e-9)


def test_slices_add_up_to_the_whole():
    metric, sides = heavy(400), coins(np.arange(400), seed=5)
    halves = [
        split_sums(Ratio(metric.numerator[cut], metric.denominator[cut]), coins(np.arange(400)[cut], seed=5))
        for cut in (slice(0, 150), slice(150, 400))
    ]
    np.testing.assert_allclose((halves[0] + halves[1]).heads, split_sums(metric, sides).heads, rtol=1e-12)


def test_coins_are_fair_and_different():
    sides = coins(np.arange(20_000), seed=1)
    assert np.abs(sides.mean(axis=1) - 0.5).max() < 5 * 0.5 / np.sqrt(20_000)
    agreement = (sides[:-1] == sides[1:]).mean(axis=1)
    assert np.abs(agreement - 0.5).max() < 5 * 0.5 / np.sqrt(20_000)


def test_a_metric_without_a_value_is_not_split():
    nothing = Ratio(np.zeros(50), np.zeros(50))
    found = resplits("P2N", split_sums(nothing, coins(np.arange(50), seed=1)))
    assert (found.rejected, found.passed) == (None, None)
    assert "no value" in found.reasons["rejected"]
