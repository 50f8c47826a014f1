"""Selective answers: each estimator against a truth that is known, and the check's verdict on it."""

import numpy as np
import pytest
from scipy.special import expit

from policies.base import Event
from simulator.rollout.catalogue import Size
from simulator.validation.answer_bias import as_theory_says, satisfied_share_check, shift
from simulator.validation.answer_estimators import (
    ESTIMATORS,
    Covariates,
    Models,
    count_earlier,
    covariates,
    estimate,
    fit_models,
    jackknife,
)
from simulator.validation.answer_log import Asked, simulate_questionnaires
from user_models.testing import toy_world
from user_models.world.parameters import PRESETS

SMALL = Size(users=600, videos=500, views_scale=0.1, n_days=2)
N = 20_000
SAYS = 0.35 + 0.4 * np.array([0.0, 1.0])
"""Chance of saying `satisfied` without and with a like, in `asked_by_likes`."""


@pytest.fixture(scope="module")
def check():
    return satisfied_share_check(toy_world(), size=SMALL, groups=20)


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def asked_by_likes(rng, chance, says=SAYS) -> Asked:
    """One asked view of each of `N` users, a third liked; answering depends on the like, and so does the answer."""
    liked = rng.random(N) < 1 / 3
    answered = rng.random(N) < np.asarray(chance)[liked.astype(int)]
    return Asked(
        user=np.arange(N),
        watch_s=np.full(N, 10, np.float32),
        duration_s=np.full(N, 30, np.float32),
        events=np.where(liked, Event.LIKE.value, 0).astype(np.uint16),
        answered=answered,
        satisfied=answered & (rng.random(N) < says[liked.astype(int)]),
        propensity=np.asarray(chance, float)[liked.astype(int)],
        satisfaction=np.zeros(N),
        would_say=says[liked.astype(int)],
        truly=np.zeros(N, bool),
    )


def known_likes(asked: Asked) -> Covariates:
    liked = (asked.events & Event.LIKE.value) > 0
    return Covariates(np.column_stack([np.ones(N), liked.astype(float)]), 2)


def named(values) -> dict[str, float]:
    return dict(zip(ESTIMATORS, values, strict=True))


def test_biases_have_the_signs_that_theory_predicts(check):
    assert [row.predicted_sign for row in check.rows] == [0, 1, 1]
    assert check.as_predicted


def test_the_same_views_are_asked_at_every_slope_and_as_many_answer(check):
    assert len({(row.asked, row.true, row.latent) for row in check.rows}) == 1
    rates = [row.answer_rate for row in check.rows]
    assert max(rates) - min(rates) < 3 * np.sqrt(0.5 / check.rows[0].asked)


def test_naive_is_off_by_the_covariance_of_answering_and_saying(check):
    """E[Y | answered] - E[Y] = cov(p, Y) / E[p], with p the true propensities at this slope."""
    dense = toy_world().with_values(PRESETS["dense"] | {"questionnaire.fatigue": 0.0})
    asked = simulate_questionnaires(dense.with_values({"questionnaire.answer_satisfaction": 0.0}), SMALL, 0)
    for row in check.rows:
        odds = np.log(asked.propensity / (1 - asked.propensity)) + shift(asked, row.slope)
        chance = expit(odds + row.slope * asked.satisfaction)
        predicted = np.cov(chance, asked.would_say)[0, 1] / chance.mean()
        assert abs(row.bias_naive - predicted) < 3 * row.se_naive


def test_what_shows_in_watching_and_acting_is_mended_and_no_more(check):
    strongest = check.rows[-1]
    assert 0.5 * strongest.bias_naive < strongest.bias_ips_views < strongest.bias_naive


def test_estimates_less_the_truth_are_the_biases(check):
    for row in check.rows:
        for name in ESTIMATORS:
            assert getattr(row, f"bias_{name}") == pytest.approx(getattr(row, name) - row.true)


def test_selection_on_what_is_seen_is_undone(rng):
    asked = asked_by_likes(rng, (0.2, 0.8))
    known = known_likes(asked)
    models = fit_models(asked, known)
    bias, error = named(estimate(asked, known, models).biases), named(jackknife(asked, known, models, 50))
    assert bias["naive"] > 10 * error["naive"]
    assert all(abs(bias[name]) < 3 * error[name] for name in ESTIMATORS[1:])


@pytest.mark.parametrize("wrong", ["answering", "saying"])
def test_one_right_model_of_two_is_enough_for_the_doubly_robust(rng, wrong):
    asked = asked_by_likes(rng, (0.2, 0.8))
    known = known_likes(asked)
    right = fit_models(asked, known)
    models = {"answering_views": right.answering_views, "answering": right.answering, "saying": right.saying}
    bias = named(estimate(asked, known, Models(**models | {wrong: np.array([-0.3, 0.0])})).biases)
    error = named(jackknife(asked, known, right, 50))
    assert abs(bias["dr"]) < 4 * error["dr"]
    if wrong == "answering":
        assert abs(bias["ips"]) > 10 * error["ips"]


def test_jackknife_is_the_textbook_error_where_there_is_one(rng):
    """Everybody alike and asked once: the naive share is a binomial proportion."""
    says = np.array([0.4, 0.4])
    asked = asked_by_likes(rng, (0.5, 0.5), says)
    known = known_likes(asked)
    error = named(jackknife(asked, known, fit_models(asked, known), 100))
    assert error["naive"] == pytest.approx(np.sqrt(0.4 * 0.6 / asked.answered.sum()), rel=3 / np.sqrt(2 * 99))


def test_shift_keeps_the_answer_rate(rng):
    asked = asked_by_likes(rng, (0.3, 0.6))
    felt = Asked(**{**vars(asked), "satisfaction": rng.normal(size=N)})
    odds = np.log(felt.propensity / (1 - felt.propensity))
    moved = expit(odds + shift(felt, 0.6) + 0.6 * felt.satisfaction)
    assert moved.mean() == pytest.approx(felt.propensity.mean())


def test_history_counts_only_what_came_before():
    user = np.array([3, 3, 3, 7, 7, 9])
    happened = np.array([True, False, True, True, True, False])
    assert count_earlier(user, happened).tolist() == [0, 1, 1, 0, 1, 0]


def test_rare_acts_are_left_out(rng):
    asked = asked_by_likes(rng, (0.5, 0.5))
    known = covariates(asked)
    assert known.n_seen == 4  # constant, log watch, share watched, like: nothing was completed, commented or hated
    assert known.x.shape == (N, 7)


BIASED = np.array([0.04, 0.035, 0.045, 0.045, 0.001])
ERROR = np.full(5, 0.004)


@pytest.mark.parametrize(
    ("slope", "bias", "wanted"),
    [
        (0.0, ERROR, True),
        (0.0, BIASED, False),
        (0.3, BIASED, True),
        (-0.3, BIASED, False),
        (-0.3, -BIASED, True),
        (0.3, ERROR, False),
        (0.3, np.full(5, 0.04), False),
    ],
)
def test_verdict_follows_the_signs(slope, bias, wanted):
    assert as_theory_says(slope, bias, ERROR) is wanted


@pytest.mark.slow
def test_the_bundled_world_hides_what_theory_says():
    from user_models.world.store import load_world

    check = satisfied_share_check(load_world("kuairand-pure"))
    assert check.as_predicted
    assert all(row.asked > 20_000 for row in check.rows)
