import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulator.analysis.analyse import analyse
from simulator.analysis.health import check_health, planned_users, pre_period_p_values, srm_p_value
from simulator.metrics import METRICS
from simulator.spec.experiment import ArmSpec

ARMS = (ArmSpec(name="a", policy="base"), ArmSpec(name="b", policy="satisfaction"))


def users(n_a: int = 500, n_b: int = 500, before: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    n = n_a + n_b
    frame = pd.DataFrame({"user_id": np.arange(n), "arm": ["a"] * n_a + ["b"] * n_b})
    for prefix in ("", "pre_"):
        frame[f"{prefix}days"] = 7
        for name in ("views", "likes", "follows", "comments", "forwards", "hates"):
            frame[f"{prefix}{name}"] = rng.poisson(3, n)
        frame[f"{prefix}watch_s"] = rng.lognormal(3, 1, n)
    frame["pre_watch_s"] *= np.where(frame["arm"] == "b", before, 1.0)
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
    health = check_health(users(500, 700), ARMS, [])
    assert health.srm_p_value < 0.001
    assert "sample ratio mismatch" in health.warnings[0]
    assert "a 500 of 600 planned" in health.warnings[0]


def test_a_good_split_brings_no_warning():
    health = check_health(users(), ARMS, [])
    assert health.warnings == []
    assert health.users_seen == {"a": 500, "b": 500}
    assert set(health.pre_period) == {"b/AUT", "b/AVT", "b/P2N"}


def test_a_difference_before_the_test_is_a_warning():
    health = check_health(users(before=2.0), ARMS, [])
    assert health.pre_period["b/AUT"] < 1e-6
    assert any("b/AUT differed from control before the test" in line for line in health.warnings)


def test_the_pre_period_is_analysed_like_the_test():
    frame = users()
    before = frame[["user_id", "arm"]].assign(watch_s=frame["pre_watch_s"], days=7)
    row = analyse(before, [METRICS["AUT"]], "a", ["b"])[0]
    assert pre_period_p_values(frame, ["a", "b"])["b/AUT"] == row.p_value


def test_without_a_pre_period_there_is_nothing_to_compare():
    assert pre_period_p_values(users()[["user_id", "arm"]], ["a", "b"]) == {}


def test_equal_policies_make_an_a_a_test():
    same = (ARMS[0], ArmSpec(name="b", policy="base"))
    tuned = (ARMS[0], ArmSpec(name="b", policy="base", options={"epochs": 2}))
    assert check_health(users(), same, []).a_a
    assert not check_health(users(), tuned, []).a_a
    assert not check_health(users(), (ARMS[0], ArmSpec(name="b", policy="base", training_seed=1)), []).a_a
    assert not check_health(users(), ARMS, []).a_a


def test_notes_on_main_metrics_become_warnings():
    few = users().assign(hates=0)
    few.loc[[0, 1, 600], "hates"] = 1
    rows = analyse(few, [METRICS["P2N"]], "a", ["b"])
    said = "P2N, b against a: hates of b are spread as unevenly as over 1 equal users"
    assert any(line.startswith(said) for line in check_health(few, ARMS, rows).warnings)


def test_an_empty_bucket_is_a_mismatch_and_no_crash():
    health = check_health(users(500, 0), ARMS, [])
    assert health.srm_p_value < 1e-6
    assert health.pre_period == {"b/AUT": None, "b/AVT": None, "b/P2N": None}
