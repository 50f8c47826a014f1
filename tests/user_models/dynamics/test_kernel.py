"""The compiled equations against closed forms and scipy, and their noise against its contract."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import expit, ndtri

from policies.base import Event
from user_models.dynamics import kernel
from user_models.dynamics.state import Response, UserState
from user_models.dynamics.watch_thresholds import (
    CLICK_THRESHOLD,
    COMPLETE_THRESHOLD,
    LONGEST,
    N_SEGMENTS,
    N_THRESHOLDS,
    SEGMENT,
    threshold_seconds,
)
from user_models.testing import toy_world
from user_models.world.tables import ACTIONS

FLAT = np.zeros(N_SEGMENTS, np.float32)


def uniforms(purpose: int, n: int = 20_000) -> np.ndarray:
    return np.array([kernel.uniform(np.uint64(key), np.uint64(purpose)) for key in range(n)])


def blank(n: int, k: int) -> Response:
    dtypes = (bool, np.float32, np.uint16, np.int8, np.float32, np.float32, np.float32)
    return Response(*(np.zeros((n, k), dtype) for dtype in dtypes))


def played(slates: np.ndarray, rows: list[np.ndarray], rested) -> tuple[Response, UserState]:
    """Responses of users 0, 1, ... to their slates, served in the given batches."""
    world = toy_world()
    users = world.draw_users(np.arange(len(slates)), seed=1).latents
    videos = world.draw_videos(200, seed=2).latents
    rules, state, whole = world.rules(1.0), rested(len(slates)), blank(*slates.shape)
    keys = np.arange(len(slates), dtype=np.uint64) * np.uint64(977)
    for batch in rows:
        out = blank(len(batch), slates.shape[1])
        kernel.respond(keys[batch], batch, slates[batch], 0, users, videos, state, rules, out)
        for to, part in zip(whole, out, strict=True):
            to[batch] = part
    return whole, state


def test_one_row_at_a_time_equals_all_at_once(rested):
    slates = np.random.default_rng(0).integers(0, 200, (40, 6), dtype=np.int32)
    together, state = played(slates, [np.arange(40)], rested)
    apart, state_apart = played(slates, [np.array([user]) for user in reversed(range(40))], rested)
    for one, other in zip((*together, *state), (*apart, *state_apart), strict=True):
        np.testing.assert_array_equal(one, other)


@given(st.floats(1e-12, 1 - 1e-12))
def test_normal_is_the_normal_quantile(u):
    assert kernel.normal.py_func(u) == pytest.approx(ndtri(u), rel=2e-9, abs=2e-9)


def test_compiled_and_plain_python_agree():
    for u in np.linspace(0.001, 0.999, 50):
        assert kernel.normal(u) == pytest.approx(kernel.normal.py_func(u), rel=1e-14)


@given(st.floats(1e-9, 1 - 1e-9), st.floats(-30, 30))
def test_an_event_happens_below_its_chance(u, logit):
    chance = expit(logit)
    if abs(u - chance) > 1e-12:
        assert kernel.bernoulli.py_func(u, logit) == (u < chance)


@given(
    logits=st.lists(st.floats(-2, 4), min_size=N_THRESHOLDS, max_size=N_THRESHOLDS),
    appeal=st.floats(-2, 2),
    u=st.floats(1e-6, 1 - 1e-6),
)
def test_a_view_ends_where_the_survival_product_falls_below_its_number(logits, appeal, u):
    slope = np.linspace(0.3, 1.5, N_SEGMENTS).astype(np.float32)
    stop_odds = np.exp(-np.array(logits)).astype(np.float32)
    survival = np.cumprod(expit(-np.log(stop_odds.astype(float)) + slope[SEGMENT].astype(float) * appeal))
    if np.abs(survival - u).min() > 1e-6:
        assert kernel.count_passed.py_func(stop_odds, slope, appeal, u) == (survival > u).sum()


def test_share_of_clicks_is_the_survival_product_up_to_seven_seconds():
    stop_odds = np.full(N_THRESHOLDS, 0.2, np.float32)
    passed = np.array([kernel.count_passed(stop_odds, FLAT, 0.0, u) for u in uniforms(1)])
    expected = 1.2 ** -(CLICK_THRESHOLD + 1)
    assert (passed > CLICK_THRESHOLD).mean() == pytest.approx(expected, abs=3 * np.sqrt(expected / len(passed)))


def test_rungs_without_length_are_always_passed():
    stop_odds = toy_world().stop_odds(np.array([6.0, 100.0], np.float32))
    assert (stop_odds[0, CLICK_THRESHOLD + 1 : COMPLETE_THRESHOLD + 1] == 0).all()
    assert (stop_odds[1] > 0).all()


@given(st.floats(5, 500), st.integers(0, N_THRESHOLDS), st.floats(0.001, 0.999))
def test_watch_seconds_lie_between_the_thresholds_passed(duration_s, passed, u):
    thresholds_s = threshold_seconds(np.array([duration_s], np.float32))[0]
    watch_s = kernel.seconds.py_func(thresholds_s, passed, u)
    edges = np.concatenate([[0, 0], thresholds_s[1:], [LONGEST * duration_s]])
    assert edges[passed] * (1 - 1e-6) <= watch_s <= edges[passed + 1] * (1 + 1e-6)


def test_keyed_numbers_are_uniform():
    assert stats.kstest(uniforms(1), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("other", [2, 3, 4, 16, 23])
def test_purposes_of_one_key_are_independent(other):
    assert abs(np.corrcoef(uniforms(1), uniforms(other))[0, 1]) < 4 / np.sqrt(20_000)


def test_neighbouring_keys_are_independent():
    u = uniforms(1)
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 4 / np.sqrt(len(u))


def test_latents_have_the_mean_and_covariance_of_their_kind():
    mean = np.array([[0, 0], [3, -1]], np.float32)
    root = np.array([[1, 0], [0.6, 0.8]], np.float32)
    out = np.empty((20_000, 2), np.float32)
    kernel.fill_latents(np.uint64(5), np.arange(20_000), np.ones(20_000, np.int64), mean, root, out)
    np.testing.assert_allclose(out.mean(axis=0), mean[1], atol=4 / np.sqrt(20_000))
    np.testing.assert_allclose(np.cov(out.T), root @ root.T, atol=0.05)


@pytest.mark.parametrize("u", [0.01, 0.3, 0.5, 0.9, 0.999])
def test_poisson_is_the_poisson_quantile(u):
    assert kernel.poisson.py_func(3.2, u) == stats.poisson.ppf(u, 3.2)


def test_event_bits_and_answers_are_those_of_the_log():
    names = [name for name in Event.__members__ if hasattr(kernel, name)]
    assert {"CLICK", "LONG_VIEW", "COMPLETE", "SKIP", "LIKE", "ASKED", "ANSWERED", "SATISFIED"} <= set(names)
    assert [getattr(kernel, name) for name in names] == [Event[name] for name in names]
    actions = [Event[name.upper()] for name in ACTIONS]
    assert actions == [kernel.LIKE << action for action in range(kernel.N_ACTIONS)]
