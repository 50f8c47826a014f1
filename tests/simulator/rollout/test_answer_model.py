"""Who answers: the model recovers planted coefficients and falls back to a constant where nobody says anything."""

from dataclasses import replace

import numpy as np
import pytest

from policies.base import Event, Feedback
from simulator.rollout.answer_model import AnswerModel, features, fit_answer_model

DURATION_S = np.full(10, 30.0, np.float32)
NOTHING = np.zeros(3, np.uint16)


def log_of(rng, n, answers_by, asked_share=1.0):
    """Views of 30 s videos, all asked; `answers_by` gives the logit of answering from (watch_s, liked)."""
    watch_s = rng.exponential(15, n).astype(np.float32)
    liked = rng.random(n) < 0.2
    asked = rng.random(n) < asked_share
    answered = asked & (rng.random(n) < 1 / (1 + np.exp(-answers_by(watch_s, liked))))
    events = Event.LIKE.value * liked + Event.ASKED.value * asked + Event.ANSWERED.value * answered
    whole = np.zeros(n, np.int32)
    return Feedback(
        user_id=whole,
        video_id=rng.integers(10, size=n).astype(np.int32),
        day=whole.astype(np.int16),
        hour=whole.astype(np.int8),
        request=whole.astype(np.int16),
        position=whole.astype(np.int8),
        watch_s=watch_s,
        events=events.astype(np.uint16),
        answer=(answered * 3).astype(np.int8),
    )


def test_planted_chances_are_recovered(rng):
    log = log_of(rng, 100_000, lambda watch_s, liked: -1 + 0.3 * np.log1p(watch_s) + 1.0 * liked)
    model = fit_answer_model(log, DURATION_S)
    watch_s = np.array([1, 20], np.float32)
    for liked in (False, True):
        events = np.full(2, Event.LIKE.value * liked, np.uint16)
        wanted = 1 / (1 + np.exp(1 - 0.3 * np.log1p(watch_s) - liked))
        assert model.chance(features(watch_s, DURATION_S[:2], events), events) == pytest.approx(wanted, abs=0.02)


def test_inverse_weights_undo_selection_on_what_is_seen(rng):
    log = log_of(rng, 200_000, lambda watch_s, liked: -2 + 2.0 * liked)
    model = fit_answer_model(log, DURATION_S)
    answered = log.take(log.has(Event.ANSWERED))
    liked = answered.has(Event.LIKE)
    weight = 1 / model.chance(
        features(answered.watch_s, DURATION_S[answered.video_id], answered.events), answered.events
    )
    true_share = log.has(Event.LIKE).mean()
    assert liked.mean() > true_share + 0.2
    assert (weight * liked).sum() / weight.sum() == pytest.approx(true_share, abs=0.01)


@pytest.mark.parametrize("logit", [-20.0, 20.0])
def test_nobody_or_everybody_answering_gives_equal_weights(rng, logit):
    log = log_of(rng, 1000, lambda watch_s, liked: np.full(len(watch_s), logit))
    model = fit_answer_model(log, DURATION_S)
    assert not model.answering[1:].any()
    assert not model.saying[1:].any()


def test_no_chance_is_below_the_floor():
    model = AnswerModel(np.array([-50.0, 0, 0, 0, 0, 0, 0]), np.zeros(7))
    chance = model.chance(features(np.ones(3, np.float32), DURATION_S[:3], NOTHING), NOTHING)
    assert chance.tolist() == [0.001] * 3


def test_a_model_travels_as_numbers():
    model = AnswerModel(np.arange(7.0), -np.arange(7.0), boost=2.5)
    again = AnswerModel.unpacked(model.packed())
    assert again.boost == 2.5
    assert np.array_equal(again.answering, model.answering)
    assert np.array_equal(again.saying, model.saying)


def test_numbers_of_an_earlier_checkpoint_have_no_boost():
    again = AnswerModel.unpacked(tuple(float(value) for value in range(14)))
    assert again.boost == 0
    assert again.saying.tolist() == [7, 8, 9, 10, 11, 12, 13]


def test_the_strong_form_has_its_own_chance(rng):
    """Half are asked so, at random, which adds 2 to the logit: recovered, and told apart when weights are given."""
    strong = rng.random(100_000) < 0.5
    log = log_of(rng, len(strong), lambda watch_s, liked: -1 + 2.0 * strong + 1.0 * liked)
    log = replace(log, events=log.events | (strong * Event.ASKED_STRONGLY.value).astype(np.uint16))
    model = fit_answer_model(log, DURATION_S)
    assert model.boost == pytest.approx(2, abs=0.06)  # 4 standard errors
    x = features(log.watch_s, DURATION_S[log.video_id], log.events)
    chance = model.chance(x, log.events)
    for form in (strong, ~strong):
        assert chance[form].mean() == pytest.approx(log.has(Event.ANSWERED)[form].mean(), abs=0.003)


def test_too_few_answers_give_the_share_observed(rng):
    """40 of 1000 answer, all satisfied: too few to see who, enough to see how many."""
    log = log_of(rng, 1_000, lambda watch_s, liked: np.where(np.arange(len(watch_s)) < 40, 30.0, -30.0))
    model = fit_answer_model(log, DURATION_S)
    x = features(log.watch_s, DURATION_S[log.video_id], log.events)
    assert model.chance(x, log.events) == pytest.approx(np.full(1_000, 40.5 / 1_001))
    assert model.expected(x) == pytest.approx(np.full(1_000, 40.5 / 41))


def test_what_would_be_said_is_recovered(rng):
    """The liked are answered `satisfied` 80% of the time, the others 40%."""
    log = log_of(rng, 100_000, lambda watch_s, liked: np.zeros(len(watch_s)))
    liked = log.has(Event.LIKE)
    pleased = rng.random(len(liked)) < np.where(liked, 0.8, 0.4)
    said = (log.has(Event.ANSWERED) * np.where(pleased, 3, 1)).astype(np.int8)
    model = fit_answer_model(replace(log, answer=said), DURATION_S)
    expected = model.expected(features(log.watch_s, DURATION_S[log.video_id], log.events))
    assert expected[liked].mean() == pytest.approx(0.8, abs=0.02)
    assert expected[~liked].mean() == pytest.approx(0.4, abs=0.02)


def test_features_are_bounded_for_replays():
    values = features(np.array([300.0], np.float32), DURATION_S[:1], np.array([Event.COMPLETE.value], np.uint16))
    assert values[0].tolist() == pytest.approx([1, np.log(301), 1, 1, 0, 0, 0])


@pytest.fixture
def rng():
    return np.random.default_rng(11)
