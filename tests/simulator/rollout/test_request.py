"""One request at a time: what is offered, what is refused, and what can happen in a view."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.base import Event, top_k
from simulator.rollout.answer_model import constant_model
from simulator.rollout.catalogue import RolloutSettings, Size, day_ring, draw_platform
from simulator.rollout.day import begin_day, end_day, in_session, request_batches
from simulator.rollout.population import make_blocks
from simulator.rollout.ranking import InvalidSlateError, rank_checked
from simulator.rollout.request import clock, logged, observe, respond
from user_models.testing import toy_world

WORLD = toy_world()


class Noisy:
    """Ranks at random."""

    def rank(self, obs, k, noise):
        return top_k(obs, noise.uniform("test", obs.candidates.shape[1]), k)


class Stubborn:
    """Shows what it is told to, made from the candidates."""

    def __init__(self, make):
        self.make = make

    def rank(self, obs, k, noise):
        return self.make(obs.candidates, k)


def start(world=WORLD, n_users=60, n_videos=300, n_candidates=20, slate_size=4, views_scale=0.1, seed=0):
    platform, people = draw_platform(world, Size(n_users, n_videos, views_scale), seed)
    settings = RolloutSettings(platform, seed, slate_size, n_candidates, constant_model())
    block = make_blocks(people, 3, platform.rules)[0]
    begin_day(settings, block, 0)
    return settings, block


def requests(settings, block, day=0, policy=None):
    """Play a day; yields every request with what became of it."""
    ring = day_ring(settings, day)
    for round_of_day in range(3):
        while len(rows := in_session(settings, block, day, round_of_day)):
            obs = observe(settings, block, ring, day, rows)
            slates = rank_checked(settings, block, policy or Noisy(), obs, rows)
            request = block.state.request[rows]
            response = respond(settings, block, ring, day, rows, slates)
            yield obs, slates, response, logged(block, day, rows, block.state.hour[rows], request, slates, response)
            block.state.request[rows] += 1


def test_candidates_do_not_repeat_before_the_catalogue_is_through():
    settings, block = start(n_users=10, views_scale=1.0)
    offered = {}
    for obs, *_ in requests(settings, block):
        for user, candidates in zip(obs.user_id.tolist(), obs.candidates.tolist(), strict=True):
            offered.setdefault(user, []).extend(candidates)
    assert max(len(videos) for videos in offered.values()) > 300
    for videos in offered.values():
        assert len(set(videos[:300])) == len(videos[:300])
        assert set(videos) <= set(range(300))


def test_every_video_is_offered_about_equally_often():
    settings, block = start(n_users=3000, n_videos=100, n_candidates=10)
    rows = np.arange(2048, dtype=np.int64)
    counts = np.bincount(observe(settings, block, day_ring(settings, 0), 0, rows).candidates.ravel(), minlength=100)
    assert abs(counts.mean() - 204.8) < 1e-9
    assert counts.min() > 130
    assert counts.max() < 290


def test_a_day_offers_the_catalogue_in_an_order_of_its_own():
    settings, _ = start()
    first, second = day_ring(settings, 0), day_ring(settings, 1)
    assert sorted(first.order[:300].tolist()) == list(range(300))
    assert np.array_equal(first.order[300:], first.order[:20])
    assert not np.array_equal(first.order, second.order)


@pytest.mark.parametrize("day", [-9, 0, 4, 5, 6, 364])
def test_the_clock_runs_on_over_days(day):
    """Hours are small integers and days are not: their sum must not wrap."""
    _, block = start()
    block.state.hour[:] = np.arange(60) % 24
    assert clock(block, day, np.arange(60, dtype=np.int64)).tolist() == [24 * day + i % 24 for i in range(60)]


def test_time_does_not_run_back_within_a_day():
    """Sessions of one round draw their hours apart, yet later ones must not come earlier."""
    settings, block = start(n_users=30)
    hours = {}
    for obs, *_ in requests(settings, block):
        for user, hour in zip(obs.user_id.tolist(), obs.hour.tolist(), strict=True):
            hours.setdefault(user, []).append(hour)
        assert (obs.history.hours_ago >= 0).all()
    assert any(len(set(of_user)) > 1 for of_user in hours.values())
    assert all(of_user == sorted(of_user) for of_user in hours.values())


def test_nobody_waits_for_the_others_rounds():
    """All rounds of a day at once bring every user the requests, the hours and the state that one by one would."""
    seen = []
    for parts in ([range(3)], [range(r, r + 1) for r in range(3)]):
        settings, block = start(n_users=300)
        ring, calls = day_ring(settings, 0), []
        for rounds in parts:
            for rows in request_batches(settings, block, 0, rounds, np.arange(300)):
                slates = rank_checked(settings, block, Noisy(), observe(settings, block, ring, 0, rows), rows)
                calls += zip(
                    rows.tolist(), block.state.request[rows].tolist(), block.state.hour[rows].tolist(), strict=True
                )
                respond(settings, block, ring, 0, rows, slates)
                block.state.request[rows] += 1
        seen.append((sorted(calls), [array.tobytes() for array in block.state]))
    assert len(seen[0][0]) > 300
    assert seen[0] == seen[1]


def test_a_repeat_in_a_slate_is_refused():
    settings, block = start()
    repeat = Stubborn(lambda candidates, k: candidates[:, [0, 1, 1, 2]])
    with pytest.raises(
        InvalidSlateError, match=r"Stubborn\.rank returned slate \[.*\] for user \d+, want 4 different ids"
    ):
        next(requests(settings, block, policy=repeat))


def test_a_video_that_is_not_on_offer_is_refused():
    settings, block = start()
    stranger = Stubborn(lambda candidates, k: np.where(np.arange(k) == 2, 999, candidates[:, :k]))
    with pytest.raises(InvalidSlateError, match=r"999.*from that user's 20 candidates"):
        next(requests(settings, block, policy=stranger))


def test_slates_of_another_shape_are_refused():
    settings, block = start()
    with pytest.raises(InvalidSlateError, match=r"Stubborn\.rank returned slates of shape \(\d+, 3\), want \(\d+, 4\)"):
        next(requests(settings, block, policy=Stubborn(lambda candidates, k: candidates[:, : k - 1])))


world_values = st.fixed_dictionaries(
    {
        "watch.taste": st.floats(0, 3),
        "watch.momentum": st.floats(-1, 1),
        "questionnaire.ask": st.floats(0, 1),
        "questionnaire.cool_down_days": st.sampled_from([0.0, 1.0]),
        "questionnaire.answer_base": st.floats(-3, 3),
        "leaving.skips": st.floats(0, 0.5),
        "leaving.satisfaction": st.floats(0, 0.6),
    }
)


@settings(max_examples=15)
@given(world_values, st.integers(0, 2**31), st.integers(1, 8))
def test_views_keep_their_definitions_in_any_world(values, seed, slate_size):
    settings, block = start(WORLD.with_values(values), n_users=8, slate_size=slate_size, views_scale=0.1, seed=seed)
    duration_s = settings.platform.videos.duration_s
    seen = 0
    for obs, slates, response, log in requests(settings, block):
        watch_s, length_s = log.watch_s, duration_s[log.video_id]
        complete = watch_s >= length_s
        assert np.isfinite(watch_s).all()
        assert (watch_s >= 0).all()
        assert np.array_equal(log.has(Event.CLICK), complete | (watch_s > 7))
        assert np.array_equal(log.has(Event.LONG_VIEW), complete | (watch_s >= 18))
        assert np.array_equal(log.has(Event.COMPLETE), complete)
        assert np.array_equal(log.has(Event.SKIP), ~complete & (watch_s < 3))
        assert np.array_equal(log.has(Event.ANSWERED), log.answer > 0)
        assert np.array_equal(log.has(Event.SATISFIED), log.answer == 3)
        assert np.array_equal(log.has(Event.DISSATISFIED), log.answer == 1)
        assert not (log.has(Event.ANSWERED) & ~log.has(Event.ASKED)).any()
        assert (((watch_s >= 7) | (watch_s >= length_s / 2)) | ~log.has(Event.ASKED)).all()
        assert np.isfinite(response.satisfaction).all()
        assert len(log) == response.viewed.sum()
        assert response.viewed[:, 0].all()
        assert not (response.viewed[:, 1:] & ~response.viewed[:, :-1]).any()
        assert not response.watch_s[~response.viewed].any()
        assert not response.events[~response.viewed].any()
        shown = {(u, v) for u, slate in zip(obs.user_id.tolist(), slates.tolist(), strict=True) for v in slate}
        assert set(zip(log.user_id.tolist(), log.video_id.tolist(), strict=True)) <= shown
        seen += len(log)
    assert seen == block.state.views.sum()


def test_a_user_and_a_video_meet_with_the_same_noise_whatever_came_before():
    """Where taste does not drift satisfaction depends on no state, and is the same under any ranking."""
    still = WORLD.with_values({"drift.gain": 0.0})
    met = []
    for policy in (Noisy(), Stubborn(lambda candidates, k: candidates[:, :k])):
        settings, block = start(still, n_users=40)
        pairs = {}
        for _, _, response, log in requests(settings, block, policy=policy):
            keys = zip(log.user_id.tolist(), log.video_id.tolist(), (log.request // 15).tolist(), strict=True)
            pairs |= zip(keys, response.satisfaction[response.viewed].tolist(), strict=True)
        met.append(pairs)
    both = set(met[0]) & set(met[1])
    assert len(both) > 50
    assert all(met[0][pair] == met[1][pair] for pair in both)


def test_the_same_video_on_another_day_is_another_view():
    settings, block = start(n_users=1, n_videos=20)
    block.state.patience[:] = 1e6
    rows = np.zeros(1, np.int64)
    slate = np.arange(4, dtype=np.int32)[None]
    a, b = (respond(settings, block, day_ring(settings, day), day, rows, slate).satisfaction for day in (0, 1))
    assert not np.isclose(a, b).any()


def test_a_night_moves_the_mood_of_those_who_came_and_of_nobody_else():
    settings, block = start(n_users=400)
    before = block.state.mood.copy()
    list(requests(settings, block))
    end_day(settings, block)
    came = block.state.views > 0
    assert 0 < came.sum() < 400
    assert (block.state.mood[came] != before[came]).all()
    assert np.array_equal(block.state.mood[~came], before[~came])
