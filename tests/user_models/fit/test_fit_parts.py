"""Rows, spreads, activity, generators and scores of the fit, each against what is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from user_models.dynamics.kernel import seconds
from user_models.dynamics.watch_thresholds import CLICK_THRESHOLD, COMPLETE_THRESHOLD, N_THRESHOLDS, threshold_seconds
from user_models.fit.generators.activity import GAPS, RETURN_INTERCEPT_SPREAD, activity, return_hazards, return_logits
from user_models.fit.generators.mixtures import Kinds, Uncertain, mixture
from user_models.fit.generators.rate_dispersion import rate_spread
from user_models.fit.rows.log_rows import passed_thresholds
from user_models.targets import KUAIRAND


@given(duration_s=st.floats(20, 500), passed=st.integers(0, N_THRESHOLDS), u=st.floats(0.01, 0.99))
def test_passed_rungs_are_read_back_from_a_watch_time(duration_s, passed, u):
    thresholds_s = threshold_seconds(np.array([duration_s], np.float32))
    watch_s = np.array([seconds(thresholds_s[0], passed, u)], np.float32)
    if u * 0.02 > 0.001:
        assert passed_thresholds(watch_s, thresholds_s)[0] == passed


@pytest.mark.parametrize(
    ("watch_s", "duration_s", "passed"),
    [
        (0.0, 60.0, 0),
        (0.2, 60.0, 1),
        (7.1, 60.0, CLICK_THRESHOLD + 1),
        (60.0, 60.0, COMPLETE_THRESHOLD + 1),
        (999.0, 60.0, N_THRESHOLDS),
    ],
)
def test_watch_times_at_the_thresholds(watch_s, duration_s, passed):
    thresholds_s = threshold_seconds(np.array([duration_s], np.float32))
    assert passed_thresholds(np.array([watch_s], np.float32), thresholds_s)[0] == passed


@pytest.mark.parametrize("spread", [0.5, 1.5])
def test_spread_of_rates_is_recovered(spread):
    rng = np.random.default_rng(0)
    views = rng.integers(1, 30, 20_000)
    counts = rng.poisson(views * np.exp(np.log(0.05) + spread * rng.normal(size=len(views))))
    assert rate_spread(counts, views) == pytest.approx(spread, rel=0.1)


def test_counts_without_events_say_nothing():
    assert rate_spread(np.zeros(10, np.int64), np.ones(10, np.int64)) == 1.0


def test_users_of_all_loyalties_return_at_the_published_rates():
    logits, active = return_logits(KUAIRAND)
    rng = np.random.default_rng(0)
    return_intercept = RETURN_INTERCEPT_SPREAD * rng.normal(size=20_000)
    away, days = np.zeros(len(return_intercept), int), 120
    came, could, present = np.zeros(GAPS), np.zeros(GAPS), 0
    for day in range(days):
        gap = np.minimum(away, GAPS - 1)
        back = rng.random(len(return_intercept)) < 1 / (1 + np.exp(-(logits[gap] + return_intercept)))
        if day >= 30:
            came += np.bincount(gap[back], minlength=GAPS)
            could += np.bincount(gap, minlength=GAPS)
            present += back.sum()
        away = np.where(back, 0, away + 1)
    np.testing.assert_allclose(came / could, return_hazards(KUAIRAND), atol=0.01)
    assert present / (90 * len(return_intercept)) == pytest.approx(active, abs=0.003)


def test_activity_has_the_published_means():
    rng = np.random.default_rng(0)
    kind, share = rng.integers(0, 3, 3_000), np.full(3, 1 / 3)
    coming = activity(rng.poisson(np.array([2, 5, 9])[kind]), kind, share, KUAIRAND)
    drawn = rng.integers(0, 3, 400_000)
    sessions = 1 + np.exp(coming.log_sessions_mean[drawn] + coming.log_sessions_spread * rng.normal(size=len(drawn)))
    views = np.exp(coming.log_views_mean[drawn] + coming.log_views_spread * rng.normal(size=len(drawn)))
    active = return_logits(KUAIRAND)[1]
    assert active * sessions.mean() == pytest.approx(KUAIRAND.sessions_per_day, rel=0.01)
    assert active * (sessions * views).mean() == pytest.approx(KUAIRAND.views_per_day, rel=0.02)
    assert (np.diff(coming.log_sessions_mean) > 0).all()


def test_a_mixture_has_the_means_of_its_kinds_and_the_variance_left_open():
    rng = np.random.default_rng(0)
    kind = rng.integers(-1, 2, 60_000)
    latents = np.array([[9.0, 9.0], [0.0, 1.0], [2.0, -1.0]])[kind + 1] + rng.normal(size=(len(kind), 2)) * [0.5, 1.0]
    found = mixture(Uncertain(latents, np.array([0.75, 0.0])), Kinds(kind, np.array([0.5, 0.5])))
    np.testing.assert_allclose(found.mean, [[0, 1], [2, -1]], atol=0.03)
    np.testing.assert_allclose(found.root @ found.root.T, np.eye(2), atol=0.03)
