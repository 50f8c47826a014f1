import numpy as np
import pandas as pd
import pytest

from simulator.segments import segment_rows, small_segments


def users(arm_of: np.ndarray) -> pd.DataFrame:
    """600 users: `high` gains 50% under arm b, `low` nothing; 60 are in neither."""
    rng = np.random.default_rng(4)
    segment = np.array(["high"] * 270 + ["low"] * 270 + ["tiny"] * 60)
    gain = np.where((segment == "high") & (arm_of == "b"), 1.5, 1.0)
    views = 1 + rng.poisson(10, 600)
    return pd.DataFrame(
        {
            "user_id": np.arange(600),
            "arm": np.where(np.arange(600) % 2, "a", "b"),
            "segment": segment,
            "days": 7,
            "views": views,
            "watch_s": views * rng.lognormal(2, 0.2, 600) * gain,
        }
    )


SPLIT = users(np.where(np.arange(600) % 2, "a", "b"))
WORLDS = {arm: users(np.full(600, arm)) for arm in "ab"}


def test_each_large_segment_has_rows_of_aut_and_avt():
    rows = segment_rows(SPLIT, ["a", "b"], WORLDS)
    assert [(r.segment, r.metric) for r in rows] == [(s, m) for s in ("high", "low") for m in ("AUT", "AVT")]


def test_a_segments_effect_is_its_own():
    high, _, low, _ = segment_rows(SPLIT, ["a", "b"], WORLDS)
    assert high.ci_low <= 0.5 <= high.ci_high
    assert low.ci_low <= 0.0 <= low.ci_high
    assert (high.true_relative_effect, low.true_relative_effect) == (pytest.approx(0.5), 0.0)


def test_segments_of_too_few_users_are_named():
    assert small_segments(SPLIT, ["a", "b"]) == ["tiny"]


def test_an_arm_without_users_makes_every_segment_small():
    assert small_segments(SPLIT, ["a", "b", "c"]) == ["high", "low", "tiny"]
    assert segment_rows(SPLIT, ["a", "b", "c"], None) == []


def test_without_truth_the_rows_say_why():
    rows = segment_rows(SPLIT, ["a", "b"], None)
    assert all("true_relative_effect" in row.reasons for row in rows)
