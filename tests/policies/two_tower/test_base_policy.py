"""The base ranker finds tastes that popularity cannot, and serves people and videos it has never met."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from policies.base import UserTable, VideoTable
from policies.noise import KeyedNoise
from policies.simple.popular import PopularPolicy
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen
from policies.two_tower.base_policy import BasePolicy
from policies.two_tower.fit import Recipe, keep_users

N_VIDEOS = 300


def within_user(scores, truth) -> float:
    """Mean over users of the correlation across candidates."""
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(scores, truth, strict=True)]))


@pytest.fixture(scope="module")
def ground():
    """Specimen, log of the first 1,500 of 1,600 users, and a fitted policy."""
    rng = np.random.default_rng(0)
    specimen = make_specimen(1600, N_VIDEOS, rng)
    log = draw_log(specimen, SyntheticLogPlan(10), rng)
    seen = (log.feedback.user_id < 1500) & (log.feedback.video_id < 290)
    policy = BasePolicy(epochs=4)
    policy.fit(replace(log, feedback=log.feedback.take(seen)), 0)
    return specimen, log, policy


def test_ranks_closer_to_the_truth_than_popularity(ground):
    specimen, log, policy = ground
    users = np.arange(0, 1500, 5)
    obs = draw_requests(log, users, 100, 50, np.random.default_rng(1))
    truth = specimen.appeal(users, obs.candidates)
    popular = PopularPolicy()
    popular.fit(log, 0)
    assert within_user(policy.scores(obs), truth) > within_user(popular.scores(obs), truth) + 0.1


def test_new_users_are_served_from_their_history(ground):
    specimen, log, policy = ground
    users = np.arange(1500, 1600)
    obs = draw_requests(log, users, 100, 50, np.random.default_rng(2))
    truth = specimen.appeal(users, obs.candidates)
    blank = replace(log, feedback=log.feedback.take(slice(0, 0)))
    without = draw_requests(blank, users, 100, 50, np.random.default_rng(2))
    without = replace(without, candidates=obs.candidates)
    assert within_user(policy.scores(obs), truth) > within_user(policy.scores(without), truth) + 0.05


def test_unseen_videos_are_scored(ground):
    _, log, policy = ground
    obs = draw_requests(log, np.arange(3), N_VIDEOS, 50, np.random.default_rng(3))
    scores = policy.scores(obs)
    assert np.isfinite(scores).all()
    assert len(np.unique(scores[0][obs.candidates[0] >= 290])) == 10


def test_history_beyond_what_is_read_does_not_matter(ground):
    _, log, policy = ground
    rng = np.random.default_rng(4)
    short, long = (draw_requests(log, np.arange(20), 30, h, rng) for h in (50, 60))
    long = replace(long, candidates=short.candidates)
    np.testing.assert_array_equal(policy.scores(short), policy.scores(long))


def test_weights_choose_between_clicks_and_watch_time(ground):
    _, log, policy = ground
    obs = draw_requests(log, np.arange(5), 30, 50, np.random.default_rng(5))
    by_task = [policy_with(policy, *weights).scores(obs) for weights in ((1, 0), (0, 1), (2, 3))]
    np.testing.assert_allclose(2 * by_task[0] + 3 * by_task[1], by_task[2], rtol=1e-4, atol=1e-5)


def policy_with(policy, click_weight, watch_weight) -> BasePolicy:
    """The same towers under other weights."""
    other = BasePolicy(click_weight=click_weight, watch_weight=watch_weight)
    other._towers = policy._towers
    return other


def test_other_tables_are_refused(ground):
    _, log, policy = ground
    obs = draw_requests(log, np.arange(5), 30, 50, np.random.default_rng(6))
    fewer = VideoTable(log.videos.duration_s[:9], log.videos.tag[:9], log.videos.features[:9], log.videos.names)
    with pytest.raises(ValueError, match="9 videos and 2 user features given, but fitted on 300 and 2"):
        policy.rank(replace(obs, videos=fewer), 3, KeyedNoise(np.zeros(5, np.uint64)))


def test_users_are_left_out_whole_beyond_max_views(caplog):
    rng = np.random.default_rng(0)
    log = draw_log(make_specimen(20, 30, rng), SyntheticLogPlan(5), rng)
    with caplog.at_level("INFO"):
        kept = keep_users(log, 100, torch.Generator().manual_seed(0)).feedback
    assert len(kept) == 90
    assert set(np.unique(kept.user_id, return_counts=True)[1]) == {30}
    assert "learning from 90 of 600 views: 3 of 20 users" in caplog.text


def test_an_empty_log_is_refused():
    rng = np.random.default_rng(0)
    log = draw_log(make_specimen(4, 30, rng), SyntheticLogPlan(1), rng)
    with pytest.raises(ValueError, match="a log of 0 views given"):
        BasePolicy().fit(replace(log, feedback=log.feedback.take(slice(0, 0))), 0)


def test_features_that_are_not_finite_are_refused():
    rng = np.random.default_rng(0)
    log = draw_log(make_specimen(4, 30, rng), SyntheticLogPlan(1), rng)
    features = log.users.features.copy()
    features[2, 1] = np.nan
    with pytest.raises(ValueError, match="user feature 'hint_1' holds numbers that are not finite"):
        BasePolicy().fit(replace(log, users=UserTable(features, log.users.names)), 0)


@pytest.mark.parametrize("option", ["history", "epochs", "max_views"])
def test_options_out_of_range_are_refused(option):
    with pytest.raises(ValueError, match=f"{option}=0 given, want at least 1"):
        Recipe(**{option: 0})


def test_ranking_unfitted_is_refused(ground):
    _, log, _ = ground
    obs = draw_requests(log, np.arange(5), 30, 50, np.random.default_rng(7))
    with pytest.raises(ValueError, match="base is not fitted yet"):
        BasePolicy().scores(obs)
