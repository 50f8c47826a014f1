"""Estimators: small vectors worked out by hand, and what holds for all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.off_policy.estimate import clustered_mean, effective_sample_size
from simulator.off_policy.reward_model import predict
from simulator.off_policy.single_views import (
    direct_method,
    doubly_robust,
    inverse_propensity,
    self_normalised,
    shrunk_doubly_robust,
    switch_doubly_robust,
)
from simulator.off_policy.slates import cascade_terms, independent_terms, interaction_terms, standard_terms

REWARD, WEIGHT = np.array([1.0, 0.0, 1.0, 3.0]), np.array([2.0, 0.5, 0.0, 4.0])
LOGGED, EXPECTED = np.array([0.5, 0.5, 1.0, 2.0]), np.array([1.0, 0.0, 2.0, 1.0])
USER = np.array([0, 1, 2, 3])
PLACES, RATIO = np.array([[1.0, 0.0, 2.0], [3.0, 1.0, 0.0]]), np.array([[2.0, 0.5, 3.0], [0.5, 2.0, 1.0]])


@pytest.mark.parametrize(
    ("estimate", "value"),
    [
        (direct_method(EXPECTED, USER), (1 + 0 + 2 + 1) / 4),
        (inverse_propensity(REWARD, WEIGHT, USER), (2 + 0 + 0 + 12) / 4),
        (self_normalised(REWARD, WEIGHT, USER), 14 / 6.5),
        (doubly_robust(REWARD, WEIGHT, LOGGED, EXPECTED, USER), (4 + 2 * 0.5 - 0.5 * 0.5 + 4 * 1) / 4),
        (switch_doubly_robust(REWARD, WEIGHT, LOGGED, EXPECTED, USER, 2.0), (4 + 2 * 0.5 - 0.5 * 0.5) / 4),
        (
            shrunk_doubly_robust(REWARD, WEIGHT, LOGGED, EXPECTED, USER, 4.0),
            (4 + 8 / 8 * 0.5 - 2 / 4.25 * 0.5 + 16 / 20 * 1) / 4,
        ),
    ],
    ids=["dm", "ips", "snips", "dr", "switch-dr", "dr-os"],
)
def test_estimators_of_single_views_by_hand(estimate, value):
    assert estimate.value == pytest.approx(value)
    assert estimate.low < value < estimate.high


@pytest.mark.parametrize(
    ("terms", "worth"),
    [
        (standard_terms(PLACES, RATIO), [3 * 3, 1 * 4]),
        (independent_terms(PLACES, RATIO), [2 * 1 + 3 * 2, 0.5 * 3 + 2 * 1]),
        (interaction_terms(PLACES, RATIO), [2 * 1 + 1 * 0 + 3 * 2, 0.5 * 3 + 1 * 1]),
        (
            cascade_terms(PLACES, RATIO, np.full((2, 3), 0.5), np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 1.0]])),
            [2 * 0.5 - 1 * 0.5 + 3 * 1.5 + 1 + 2 * 2 + 1 * 3, 0.5 * 2.5 + 1 * 0.5 - 1 * 0.5 + 0 + 0.5 * 1 + 1 * 1],
        ),
    ],
    ids=["standard", "independent", "interaction", "cascade"],
)
def test_estimators_of_slates_by_hand(terms, worth):
    assert terms.tolist() == pytest.approx(worth)


def test_the_standard_error_is_that_of_independent_users():
    rng = np.random.default_rng(0)
    terms, user_id = rng.normal(size=300), np.repeat(np.arange(100), 3)
    one_each = clustered_mean(terms, np.arange(300), np.ones(300))
    assert one_each.se == pytest.approx(terms.std(ddof=1) / 300**0.5)
    alike = clustered_mean(np.repeat(terms[:100], 3), user_id, np.ones(300))  # a user's three rows say the same
    assert alike.se == pytest.approx(terms[:100].std(ddof=1) / 10)


def test_a_ratio_has_the_standard_error_of_the_delta_method():
    by_hand = clustered_mean(np.array([1.0, 2.0, 3.0]), np.arange(3), np.ones(3), np.array([1.0, 1.0, 2.0]))
    assert by_hand.value == 1.5
    assert by_hand.se == pytest.approx(np.sqrt((0.25 + 0.25 + 0) * 3 / 2) / 4)


def test_one_user_has_no_standard_error():
    estimate = clustered_mean(np.ones(3), np.zeros(3, int), np.ones(3))
    assert estimate.value == 1
    assert np.isnan(estimate.se)


def test_rows_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="propensities of 0"):
        clustered_mean(np.array([1.0, np.inf, 1.0]), np.arange(3), np.ones(3))


def test_effective_sample_size():
    assert effective_sample_size(np.ones(7)) == pytest.approx(7)
    assert effective_sample_size(np.array([1.0, 3.0])) == pytest.approx(16 / 10)
    assert effective_sample_size(np.zeros(2)) == 0


rows = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=20)


@given(rows)
def test_equal_policies_are_worth_the_logs_mean(drawn):
    reward, logged, _ = np.array(drawn).T
    weight, user_id, mean = np.ones(len(reward)), np.arange(len(reward)), pytest.approx(reward.mean(), abs=1e-9)
    assert inverse_propensity(reward, weight, user_id).value == mean
    assert self_normalised(reward, weight, user_id).value == mean
    assert doubly_robust(reward, weight, logged, logged, user_id).value == mean


@given(rows)
def test_a_model_of_nothing_leaves_inverse_propensities(drawn):
    reward, weight = np.array(drawn)[:, 0], np.abs(np.array(drawn)[:, 1])
    nothing, user_id = np.zeros(len(reward)), np.arange(len(reward))
    ips = pytest.approx(inverse_propensity(reward, weight, user_id).value, abs=1e-9)
    assert doubly_robust(reward, weight, nothing, nothing, user_id).value == ips
    assert switch_doubly_robust(reward, weight, nothing, nothing, user_id, np.inf).value == ips
    assert shrunk_doubly_robust(reward, weight, nothing, nothing, user_id, 1e12).value == pytest.approx(
        ips.expected, abs=1e-6
    )
    places, ratio = reward[:, None], weight[:, None]
    assert np.allclose(
        cascade_terms(places, ratio, nothing[:, None], nothing[:, None]), interaction_terms(places, ratio)
    )
    assert np.allclose(standard_terms(places, ratio), interaction_terms(places, ratio))


def test_the_reward_model_finds_a_linear_reward_and_what_comes_later():
    rng = np.random.default_rng(1)
    shown = np.concatenate([np.ones((4000, 2, 1)), rng.normal(size=(4000, 2, 1))], axis=2).astype(np.float32)
    chosen = np.tile(np.array([1.0, 2.0], np.float32), (4000, 2, 1))
    reward, seen = 1 + 0.5 * shown[:, :, 1].astype(np.float64), np.ones((4000, 2), bool)
    now = predict(reward, seen, shown, chosen, np.arange(4000), later=False)
    whole = predict(reward, seen, shown, chosen, np.arange(4000), later=True)
    assert np.allclose(now.logged, reward, atol=0.01)
    assert np.allclose(now.expected, 2, atol=0.01)
    assert np.allclose(whole.expected, [4, 2], atol=0.02)


def test_the_reward_model_of_a_user_does_not_know_the_user():
    shown, seen = np.ones((6, 1, 1), np.float32), np.ones((6, 1), bool)
    reward = np.array([[0.0], [9.0], [0.0], [9.0], [0.0], [9.0]])
    told = predict(reward, seen, shown, shown, np.arange(6), later=False)
    assert np.allclose(told.logged[::2], 27 / 4)  # the ridge of 1 is a fourth row that pulls to 0
    assert np.allclose(told.logged[1::2], 0)
