"""Quantiles from counts: those of the values, with intervals that cover."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.statistics.quantiles import LEVELS, BinCounts, quantile_effects

LEVEL = np.array(LEVELS)


@given(st.integers(1, 500), st.integers(0, 2**32))
def test_quantiles_are_those_of_the_values_to_a_thousandth(n, seed):
    values = np.random.default_rng(seed).lognormal(5, 1.5, n)
    exact = np.quantile(values, LEVEL, method="inverted_cdf")
    np.testing.assert_allclose(BinCounts.of(values).quantile(LEVEL), exact, rtol=6e-4)


def test_users_who_watch_nothing_count():
    counts = BinCounts.of(np.array([0.0, 0.0, 0.0, 10.0]))
    assert counts.n == 4
    assert counts.quantile(np.array([0.5, 0.75])).tolist() == [0.0, 0.0]
    assert counts.quantile(np.array([0.8]))[0] == pytest.approx(10, rel=1e-3)


def test_slices_add_up_exactly():
    values = np.random.default_rng(3).lognormal(5, 2, 900)
    parts = BinCounts.of(values[:200]) + BinCounts.of(values[200:])
    assert np.array_equal(parts.users, BinCounts.of(values).users)


def test_intervals_cover_the_true_differences():
    """19 levels in 200 worlds, levels of a world not independent: each level within 3.29 errors of 95%."""
    rng, worlds, n = np.random.default_rng(4), 200, 1_000
    true = np.quantile(1.1 * rng.lognormal(5, 1, 2_000_000), LEVEL) * (1 - 1 / 1.1)
    hits, lift_hits = np.zeros(len(LEVEL)), np.zeros(len(LEVEL))
    for _ in range(worlds):
        buckets = (BinCounts.of(rng.lognormal(5, 1, n)), BinCounts.of(1.1 * rng.lognormal(5, 1, n)))
        rows = quantile_effects(("a", "b"), buckets, None)
        hits += [row.low <= t <= row.high for row, t in zip(rows, true, strict=True)]
        lift_hits += [row.lift_low <= 0.1 <= row.lift_high for row in rows]
    for found in (hits, lift_hits):
        assert (np.abs(found / worlds - 0.95) <= 3.29 * np.sqrt(0.95 * 0.05 / worlds)).all()


def test_the_truth_stands_beside():
    rng = np.random.default_rng(5)
    control = rng.lognormal(5, 1, 2_000)
    worlds = (BinCounts.of(control), BinCounts.of(1.2 * control))
    rows = quantile_effects(("a", "b"), (BinCounts.of(control[:1_000]), BinCounts.of(1.2 * control[1_000:])), worlds)
    assert [row.true_treatment / row.true_control for row in rows] == pytest.approx([1.2] * 19, rel=2e-3)
    assert [row.true_lift for row in rows] == pytest.approx([0.2] * 19, rel=2e-2)
    bare = quantile_effects(("a", "b"), worlds, None)[0]
    assert bare.true_effect is None
    assert "truth = true" in bare.reasons["true_effect"]


def test_a_quantile_of_nothing_has_no_lift():
    nothing = BinCounts.of(np.r_[np.zeros(60), np.arange(1.0, 41.0)])
    rows = quantile_effects(("a", "b"), (nothing, nothing), None)
    assert [row.lift is None for row in rows] == [row.quantile <= 0.6 for row in rows]
    assert "watched nothing" in rows[0].reasons["lift"]
    assert (rows[0].effect, rows[0].low, rows[0].high) == (0.0, 0.0, 0.0)


def test_an_empty_bucket_has_no_quantiles():
    assert quantile_effects(("a", "b"), (BinCounts.of(np.zeros(0)), BinCounts.of(np.ones(9))), None) == []


def test_quantiles_too_far_apart_for_an_interval_of_the_lift_say_so():
    few = [BinCounts.of(np.array([1e-3, 8e4])), BinCounts.of(np.array([8e4, 8e4]))]
    rows = quantile_effects(("a", "b"), (few[0], few[1]), None)
    assert all(row.lift is not None for row in rows)
    assert {row.reasons.get("lift_high") for row in rows if row.lift_high is None} == {"too wide to be told"}
