"""Rows of novelty and of the distribution: intervals that cover, the truth beside them, reasons for what is null."""

import numpy as np
import pytest

from simulator.analysis.sections import novelty_row, quantile_effects
from simulator.metrics import Ratio
from simulator.reports.document import LARGEST
from simulator.statistics.novelty import end_spread
from simulator.statistics.quantiles import LEVELS, BinCounts

LEVEL = np.array(LEVELS)


def test_a_test_too_short_for_two_ends_has_no_contrast():
    row = novelty_row("AUT", ("a", "b"), None, 3, None)
    assert row.contrast is None
    assert row.reasons["contrast"] == "the test has 3 days, want 4 at least"


def test_a_metric_without_a_value_has_no_contrast():
    nothing = Ratio(np.zeros(9), np.zeros(9))
    spread = end_spread(nothing, nothing)
    assert novelty_row("P2N", ("a", "b"), (spread, spread), 4, None).reasons["contrast"].startswith("the metric has no")


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


def test_an_upper_end_that_no_report_can_hold_is_withheld():
    """Standard errors of a few users: the interval's factor is beyond 1e15, which readers of reports refuse."""
    few = BinCounts.of(np.array([1.0, 100.0, 100.0]))
    ends = [row.lift_high for row in quantile_effects(("a", "b"), (few, few), None)]
    assert None in ends
    assert all(end is None or end <= LARGEST for end in ends)
