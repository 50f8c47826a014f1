"""Counted popularity, worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from policies.base import Event, Feedback, Log
from policies.simple.popular import PopularPolicy
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen


def views(video_id, clicked, watch_s, day) -> Feedback:
    n = len(video_id)
    i8, i16 = np.zeros(n, np.int8), np.zeros(n, np.int16)
    return Feedback(
        user_id=np.zeros(n, np.int32),
        video_id=np.array(video_id, np.int32),
        day=np.array(day, np.int16),
        hour=i8,
        request=i16,
        position=i8,
        watch_s=np.array(watch_s, np.float32),
        events=np.where(clicked, Event.CLICK.value, 0).astype(np.uint16),
        answer=i8,
    )


@pytest.fixture
def log() -> Log:
    rng = np.random.default_rng(0)
    return draw_log(make_specimen(5, 20, rng), SyntheticLogPlan(2), rng)


def ask(log: Log, candidates):
    obs = draw_requests(log, np.array([0]), len(candidates), 5, np.random.default_rng(0))
    return replace(obs, candidates=np.array([candidates], np.int32))


def test_scores_are_shrunken_shares(log):
    policy = PopularPolicy(prior_views=2, watch_weight=0)
    feedback = views([0, 0, 1, 2], [1, 1, 1, 0], [8, 8, 8, 1], [0, 0, 0, 0])
    policy.fit(replace(log, feedback=feedback), 0)
    mean = 3.1 / 5
    want = np.log([(2 + 2 * mean) / 4, (1 + 2 * mean) / 3, (0 + 2 * mean) / 3, mean])
    np.testing.assert_allclose(policy.scores(ask(log, [0, 1, 2, 3]))[0], want, rtol=1e-6)


def test_views_fade_by_half_in_a_half_life(log):
    feedback = views([0, 1], [1, 1], [10, 10], [0, 3])
    fading = PopularPolicy(half_life_days=3, prior_views=1)
    fading.fit(replace(log, feedback=feedback), 0)
    np.testing.assert_allclose(fading._counts[:2, 0], [0.5, 1.0])


def test_updating_day_by_day_equals_fitting_on_everything(log):
    whole, piecemeal = PopularPolicy(), PopularPolicy()
    whole.fit(log, 0)
    days = np.unique(log.feedback.day)
    piecemeal.fit(replace(log, feedback=log.feedback.take(log.feedback.day == days[0])), 0)
    for day in days[1:]:
        piecemeal.update(log.feedback.take(log.feedback.day == day))
    obs = ask(log, list(range(20)))
    np.testing.assert_allclose(piecemeal.scores(obs), whole.scores(obs), rtol=1e-5)


def test_refuses_to_rank_unfitted(log):
    with pytest.raises(ValueError, match="fit it on a log"):
        PopularPolicy().scores(ask(log, [0, 1]))


def test_refuses_a_half_life_of_nothing():
    with pytest.raises(ValueError, match="half_life_days=0"):
        PopularPolicy(half_life_days=0)
