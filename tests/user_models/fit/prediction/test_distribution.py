"""Distributions of watch time against known answers, and scores against scikit-learn and scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest, spearmanr
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from user_models.dynamics.kernel import seconds
from user_models.dynamics.watch_thresholds import N_THRESHOLDS, threshold_seconds
from user_models.fit.prediction.distribution import (
    cumulative,
    decile_shares,
    duration_bucket,
    ks_distance,
    mean_rank,
    mean_watch_s,
    stage_chances,
    transform,
)
from user_models.fit.prediction.scores import auc, log_loss, spearman

N = 6_000


def drawn(rng: np.random.Generator, n: int = N) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Survivals that differ by view, lengths, and watch times that the kernel places."""
    duration_s = np.exp(rng.uniform(np.log(20), np.log(200), n)).astype(np.float32)
    passing = rng.uniform(0.75, 0.98, (n, 1)) ** np.linspace(0.5, 1.5, N_THRESHOLDS)
    survival = np.cumprod(passing, axis=1).astype(np.float32)
    passed = (survival > rng.random((n, 1))).sum(axis=1)
    edges = threshold_seconds(duration_s)
    placed = rng.random(n)
    watch_s = [seconds(edges[i], int(passed[i]), placed[i]) for i in range(n)]
    return survival, duration_s, np.array(watch_s, np.float32)


def test_true_distributions_give_even_values():
    rng = np.random.default_rng(0)
    values = transform(*drawn(rng), rng)
    assert kstest(values, "uniform").pvalue > 0.001
    assert np.abs(decile_shares(values) - 0.1).max() < 4 * np.sqrt(0.09 / N)


def test_true_distributions_are_near_what_is_observed():
    survival, duration_s, watch_s = drawn(np.random.default_rng(1))
    assert ks_distance(survival, duration_s, watch_s) < 1.95 / np.sqrt(N)


def test_distance_is_what_was_moved():
    """All predicted to play nothing, while 30% do."""
    n = 1_000
    watch_s = np.where(np.arange(n) < 300, 0.0, 5.0).astype(np.float32)
    survival = np.zeros((n, N_THRESHOLDS), np.float32)
    assert ks_distance(survival, np.full(n, 60, np.float32), watch_s) == pytest.approx(0.7)


def test_cumulative_chance_at_known_places():
    """Half stop at once and half between 1 and 1.5 s."""
    survival = np.zeros((4, N_THRESHOLDS), np.float32)
    survival[:, :3] = 0.5
    watch_s = np.array([0, 1, 1.25, 2], np.float32)
    found = cumulative(survival, np.full(4, 60, np.float32), watch_s)
    np.testing.assert_allclose(found, [0.5, 0.5, 0.75, 1.0])


def test_means_of_a_view_that_stops_in_a_known_stage():
    survival = np.zeros((1, N_THRESHOLDS), np.float32)
    survival[:, :5] = 1
    length = np.array([60], np.float32)
    assert mean_watch_s(survival, length)[0] == pytest.approx(2.5)


def test_mean_ranks_by_hand():
    """One view stops at once, one surely between 2 and 3 s, one does either: half of all views stop at once."""
    survival = np.zeros((3, N_THRESHOLDS), np.float32)
    survival[1, :5], survival[2, :5] = 1, 0.5
    np.testing.assert_allclose(mean_rank(survival, np.full(3, 60, np.float32)), [0.25, 0.75, 0.5])


def test_chances_of_all_stages_sum_to_one():
    survival = drawn(np.random.default_rng(2), 20)[0]
    np.testing.assert_allclose(stage_chances(survival).sum(axis=1), 1)


def test_deciles_hold_their_lower_edges():
    assert decile_shares(np.array([0.0, 0.1, 0.95, 1.0])).tolist() == [0.25, 0.25, *([0.0] * 7), 0.5]


def test_buckets_hold_their_upper_edges():
    seconds_long = np.array([5, 7, 7.1, 15, 18, 30, 60, 120, 300, 301], np.float32)
    assert duration_bucket(seconds_long).tolist() == [0, 0, 1, 1, 2, 3, 4, 5, 6, 7]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_auc_is_that_of_scikit_learn(rows):
    truth, score = np.array([t for t, _ in rows]), np.array([float(s) for _, s in rows])
    if truth.any() and not truth.all():
        assert auc(truth, score) == pytest.approx(roc_auc_score(truth, score))
    else:
        assert np.isnan(auc(truth, score))


def test_log_loss_and_rank_correlation_are_those_of_the_libraries():
    rng = np.random.default_rng(3)
    truth, chance = rng.random(200) < 0.4, rng.uniform(0.01, 0.99, 200)
    assert log_loss(truth, chance) == pytest.approx(sklearn_log_loss(truth, chance))
    tied = rng.integers(0, 9, 200).astype(float)
    assert spearman(chance, tied) == pytest.approx(spearmanr(chance, tied).statistic)
    assert np.isnan(spearman(np.ones(3), np.arange(3.0)))
