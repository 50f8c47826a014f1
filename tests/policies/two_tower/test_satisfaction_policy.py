"""The satisfaction head: worth something with many answers, nearly nothing with few, never less than the base."""

import numpy as np
import pytest

from policies.base import Event
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen, without_events
from policies.two_tower.base_policy import BasePolicy
from policies.two_tower.fit import Recipe, fit_towers
from policies.two_tower.logistic import sigmoid
from policies.two_tower.satisfaction_head import Shrinkage, _trust, eligible, fit_head
from policies.two_tower.satisfaction_policy import SatisfactionPolicy

H = 50


def within_user(scores, truth) -> float:
    """Mean over users of the correlation across candidates."""
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(scores, truth, strict=True)]))


def play(answer_share, seed=0):
    """A specimen and its log."""
    rng = np.random.default_rng(seed)
    specimen = make_specimen(800, 200, rng)
    return specimen, draw_log(specimen, SyntheticLogPlan(10, answer_share), rng)


@pytest.fixture(scope="module")
def dense():
    return play(answer_share=0.4)


@pytest.fixture(scope="module")
def requests(dense):
    return draw_requests(dense[1], np.arange(0, 800, 4), 60, H, np.random.default_rng(1))


def fitted(make, log, **options):
    policy = make(epochs=3, **options)
    policy.fit(log, 0)
    return policy


def test_many_answers_bring_the_score_closer_to_satisfaction(dense, requests):
    specimen, log = dense
    truth = specimen.pleasure(requests.user_id, requests.candidates)
    base = within_user(fitted(BasePolicy, log).scores(requests), truth)
    pleased = within_user(fitted(SatisfactionPolicy, log, satisfaction_weight=3).scores(requests), truth)
    assert pleased > base + 0.15


def test_weight_zero_is_the_base_ranker_to_the_bit(dense, requests):
    _, log = dense
    without = fitted(SatisfactionPolicy, log, satisfaction_weight=0)
    np.testing.assert_array_equal(without.scores(requests), fitted(BasePolicy, log).scores(requests))


def test_a_handful_of_answers_moves_little():
    _, log = play(answer_share=0.001)
    assert 5 <= (log.feedback.answer > 0).sum() <= 40
    obs = draw_requests(log, np.arange(0, 800, 4), 60, H, np.random.default_rng(1))
    base, few = (fitted(make, log).scores(obs) for make in (BasePolicy, SatisfactionPolicy))
    assert within_user(few, base) > 0.9


def test_no_answers_give_the_base_ranking(dense, requests):
    _, log = dense
    blank = type(log.feedback)(**(vars(log.feedback) | {"answer": np.zeros_like(log.feedback.answer)}))
    silent = type(log)(blank, log.users, log.videos)
    base, without = (fitted(make, silent).scores(requests) for make in (BasePolicy, SatisfactionPolicy))
    assert (np.diff(np.sort(base - without, axis=1), axis=1) < 1e-4).all()


def test_uncertain_answers_teach_nothing(dense):
    _, log = dense
    only = np.where(log.feedback.answer > 0, 2, 0).astype(np.int8)
    uncertain = type(log)(type(log.feedback)(**(vars(log.feedback) | {"answer": only})), log.users, log.videos)
    towers = fit_towers(log, Recipe(epochs=1), 0)
    head = fit_head(uncertain, towers, H, Shrinkage(0.2, 10, 1), 0)
    assert head.click == 0
    assert head.watch == 0
    assert not head.video.any()


def test_who_answers_more_readily_counts_less():
    chance = np.array([0.1, 0.2, 0.0001, 0.5])
    told = np.array([True, True, True, False])
    weight = _trust(chance, told, floor=0.05)
    np.testing.assert_allclose(weight / weight[0], [1, 0.5, 2])
    assert weight.sum() == pytest.approx(3.5**2 / (1 + 0.25 + 4))


def test_inverse_weights_mend_selective_answers():
    """Half the views please; those that do are answered three times as often, which the weights undo."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=40_000)
    pleased = rng.random(40_000) < sigmoid(2 * signal)
    chance = 0.3 * sigmoid(1.5 * signal)
    told = rng.random(40_000) < chance
    weight = _trust(chance, told, floor=0.001)
    naive, weighted = pleased[told].mean(), np.average(pleased[told], weights=weight)
    assert naive > 0.6
    # Four standard errors of a weighted mean.
    assert weighted == pytest.approx(0.5, abs=4 * 0.5 / weight.sum() ** 0.5)


def test_views_of_seven_seconds_or_half_the_video_are_eligible(dense):
    _, log = dense
    rows = slice(0, 4)
    some = log.feedback.take(rows)
    duration_s = np.full(200, 10, np.float32)
    watch_s = np.array([4.9, 5.0, 1.0, 7.0], np.float32)
    answer = np.array([0, 0, 3, 0], np.int8)
    views = type(some)(**(vars(some) | {"watch_s": watch_s, "answer": answer}))
    assert eligible(views, duration_s).tolist() == [False, True, True, True]
    assert eligible(views, np.full(200, 100, np.float32)).tolist() == [False, False, True, True]


def test_the_head_is_the_regression_it_was_fitted_as(dense):
    """Serving the head's parts gives the chance that the fitted columns give: pleasing videos score higher."""
    specimen, log = dense
    towers = fit_towers(log, Recipe(epochs=1), 0)
    head = fit_head(log, towers, H, Shrinkage(0.2, 10, 1), 0)
    assert np.corrcoef(head.video, specimen.quality)[0, 1] > 0.6


@pytest.mark.parametrize("option", ["clip", "ridge", "video_ridge"])
def test_options_out_of_range_are_refused(option):
    with pytest.raises(ValueError, match=f"{option}=0 given, want more than 0"):
        SatisfactionPolicy(**{option: 0})


def test_ranking_unfitted_is_refused(requests):
    with pytest.raises(ValueError, match="satisfaction is not fitted yet"):
        SatisfactionPolicy().scores(requests)


def test_specimens_can_lose_an_event(dense):
    _, log = dense
    assert not without_events(log, Event.CLICK).feedback.has(Event.CLICK).any()
