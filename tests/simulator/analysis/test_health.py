"""Bucket sizes, differences before the test, users in two arms, A/A re-splits, and lifts too good to be true."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulator.analysis.aa_resplits import SPLITS, coins, resplits, split_p_values, split_sums
from simulator.analysis.analyse import analyse
from simulator.analysis.health import (
    before_warnings,
    mixed_assignment,
    mixed_warnings,
    notes_of,
    p_values_of,
    planned_users,
    significant,
    split_checks,
    split_warnings,
    srm_p_value,
    srm_warning,
    too_good,
    too_good_warnings,
)
from simulator.analysis.scorecard import compare_arms
from simulator.analysis.summarise import summarise
from simulator.analysis.user_frame import ReadoutWarning
from simulator.metrics import MAIN, METRICS, Ratio
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


def users(n_a: int = 500, n_b: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    n = n_a + n_b
    frame = pd.DataFrame({"user_id": np.arange(n), "arm": ["a"] * n_a + ["b"] * n_b})
    for prefix in ("", "pre_"):
        frame[f"{prefix}days"] = 7
        for name in ("views", "likes", "follows", "comments", "forwards", "hates"):
            frame[f"{prefix}{name}"] = rng.poisson(3, n)
        frame[f"{prefix}watch_s"] = rng.lognormal(3, 1, n)
    return frame


def test_shares_are_planned_in_proportion():
    arms = (ArmSpec(name="a", policy="base", share=3), ArmSpec(name="b", policy="base", share=1))
    assert planned_users(arms, 1_000) == {"a": 750.0, "b": 250.0}


def test_srm_is_the_chi_square_test_worked_by_hand():
    """(520 - 500)^2 / 500 twice is 1.6 on one degree of freedom."""
    p_value = srm_p_value({"a": 520, "b": 480}, {"a": 500.0, "b": 500.0})
    assert p_value == pytest.approx(stats.chi2.sf(1.6, 1), rel=1e-12)


def test_planned_95_to_5_is_no_mismatch():
    assert srm_p_value({"a": 9_512, "b": 488}, {"a": 9_500.0, "b": 500.0}) > 0.5


def test_srm_alarms_as_rarely_as_it_says():
    """Three arms, 500 splits as planned: alarms within 3.29 standard errors of .05."""
    rng, planned = np.random.default_rng(9), {"a": 5_000.0, "b": 3_000.0, "c": 2_000.0}
    splits = rng.multinomial(10_000, [0.5, 0.3, 0.2], 500)
    p_values = np.array([srm_p_value(dict(zip("abc", map(int, row), strict=True)), planned) for row in splits])
    assert abs((p_values < 0.05).mean() - 0.05) <= 3.29 * np.sqrt(0.05 * 0.95 / 500)


def test_a_mismatch_is_a_warning():
    sizes, planned = {"a": 500, "b": 700}, {"a": 600.0, "b": 600.0}
    lines = srm_warning(srm_p_value(sizes, planned), sizes, planned)
    assert "sample ratio mismatch" in lines[0]
    assert "a 500 of 600 planned" in lines[0]


def test_a_good_split_brings_no_warning(sample_run, tmp_path):
    health = summarise(sample_run.write_sample_run(tmp_path)).health
    assert not any("mismatch" in line or "before the test" in line for line in health.warnings)
    assert sum(health.users_seen.values()) == 800
    assert set(health.pre_period) == {"treatment/AUT", "treatment/AVT", "treatment/P2N"}


def test_a_difference_before_the_test_is_a_warning(sample_run, tmp_path):
    plan = sample_run.SamplePlan()
    sample_run.write_settings(tmp_path, plan)
    rows = sample_run.sample_rows(plan)
    more = (rows["day"] < 0) & (rows["bucket"] == "treatment")
    sample_run.write_rows(tmp_path, rows.assign(watch_s=rows["watch_s"].where(~more, 3 * rows["watch_s"])), 1)
    health = summarise(tmp_path).health
    assert health.pre_period["treatment/AUT"] < 1e-6
    assert any("treatment/AUT differed from control before the test" in line for line in health.warnings)


def test_differences_before_the_test_are_compared_like_those_of_the_test():
    frame = users()
    frame["pre_watch_s"] *= np.where(frame["arm"] == "b", 2.0, 1.0)
    before = frame[["user_id", "arm"]].assign(watch_s=frame["pre_watch_s"], days=7)
    row = analyse(before, [METRICS["AUT"]], "a", ["b"])[0]
    line = before_warnings(p_values_of([row]))[0]
    with pytest.warns(ReadoutWarning, match=re.escape(line)):
        analyse(frame, [METRICS["AUT"]], "a", ["b"])


def test_without_a_pre_period_there_is_nothing_to_compare():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        analyse(users()[["user_id", "arm", "watch_s", "days"]], [METRICS["AUT"]], "a", ["b"])


def test_equal_policies_make_an_a_a_test():
    base = ArmSpec(name="a", policy="base")
    assert ArmSpec(name="b", policy="base").same_policy(base)
    assert not ArmSpec(name="b", policy="base", options={"epochs": 2}).same_policy(base)
    assert not ArmSpec(name="b", policy="base", training_seed=1).same_policy(base)
    assert not ArmSpec(name="b", policy="satisfaction").same_policy(base)


def test_notes_on_main_metrics_become_warnings():
    few = users().assign(hates=0)
    few.loc[[0, 1, 600], "hates"] = 1
    rows = analyse(few, [METRICS["P2N"]], "a", ["b"])
    expected = "P2N, b against a: hates of b are spread as unevenly as over 1 equal users"
    assert any(line.startswith(expected) for line in notes_of(rows))


def test_an_empty_bucket_is_a_mismatch_and_has_no_difference():
    rows = compare_arms(users(500, 0), [METRICS[key] for key in MAIN], "a", ["b"])
    assert srm_p_value({"a": 500, "b": 0}, {"a": 250.0, "b": 250.0}) < 1e-6
    assert p_values_of(rows) == {"b/AUT": None, "b/AVT": None, "b/P2N": None}
    assert before_warnings(p_values_of(rows)) == []


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


def sides_of(words, splits=SPLITS):
    return np.stack([(words[i // 64] >> np.uint64(i % 64)) & np.uint64(1) for i in range(splits)]).astype(np.float64)


def test_resplits_find_nothing_where_there_is_nothing():
    found = resplits("AVT", split_sums(heavy(6_000), coins(np.arange(6_000), seed=5)))
    assert found.splits == SPLITS
    assert found.passed
    assert abs(found.rejected - 0.05) <= 3.29 * np.sqrt(0.05 * 0.95 / SPLITS)


def test_a_split_is_the_delta_method_on_both_sides():
    metric, words = heavy(400), coins(np.arange(400), seed=5)
    p_values = split_p_values(split_sums(metric, words, 70))
    for side, p in zip(sides_of(words, 70), p_values, strict=True):
        parts = [(metric.numerator[side == s], metric.denominator[side == s]) for s in (1, 0)]
        value = [n.sum() / d.sum() for n, d in parts]
        error = [np.std(n - v * d, ddof=1) / d.mean() / np.sqrt(len(n)) for (n, d), v in zip(parts, value, strict=True)]
        assert p == pytest.approx(2 * stats.norm.sf(abs(value[0] - value[1]) / np.hypot(*error)), rel=1e-9)


def test_slices_add_up_to_the_whole():
    metric, words = heavy(400), coins(np.arange(400), seed=5)
    halves = [
        split_sums(Ratio(metric.numerator[cut], metric.denominator[cut]), coins(np.arange(400)[cut], seed=5))
        for cut in (slice(0, 150), slice(150, 400))
    ]
    np.testing.assert_allclose((halves[0] + halves[1]).heads, split_sums(metric, words).heads, rtol=1e-12)


def test_coins_are_fair_and_different():
    sides = sides_of(coins(np.arange(20_000), seed=1))
    assert np.abs(sides.mean(axis=1) - 0.5).max() < 5 * 0.5 / np.sqrt(20_000)
    agreement = (sides[:-1] == sides[1:]).mean(axis=1)
    assert np.abs(agreement - 0.5).max() < 5 * 0.5 / np.sqrt(20_000)


def test_a_metric_without_a_value_is_not_split():
    nothing = Ratio(np.zeros(50), np.zeros(50))
    found = resplits("P2N", split_sums(nothing, coins(np.arange(50), seed=1)))
    assert (found.rejected, found.passed) == (None, None)
    assert "no value" in found.reasons["rejected"]
