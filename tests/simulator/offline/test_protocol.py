"""Who and what is kept, what is hidden, and what it is hidden among."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.base import Event
from simulator.errors import OfflineError
from simulator.offline.protocol import ProtocolRules, core, draw_candidates, first_clicks, last_two, make_task

# Five users who click videos 1 to 5; user 6 leans on video 9, which only user 6 and 7 click, so both fall in turn.
FULL = [(user, video, True) for user in range(5) for video in (1, 2, 3, 4, 5)]
CHAIN = [(6, video, True) for video in (1, 2, 3, 4, 9)] + [(7, 9, True)]


def test_the_core_is_left_at_its_fixpoint(clicked):
    feedback = clicked(FULL + CHAIN).log.feedback
    kept = core(feedback.user_id, feedback.video_id, 5)
    # video 9 has two clicks and goes; user 6 is left with four and goes; videos 1 to 4 still have five
    assert sorted(set(feedback.user_id[kept].tolist())) == [0, 1, 2, 3, 4]
    assert sorted(set(feedback.video_id[kept].tolist())) == [1, 2, 3, 4, 5]
    assert kept.sum() == 25


@given(pairs=st.sets(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1), k=st.integers(1, 4))
def test_in_the_core_everything_occurs_often_and_nothing_more_could_stay(pairs, k):
    user, video = (np.array(column) for column in zip(*sorted(pairs), strict=True))
    kept = core(user, video, k)
    for ids in (user, video):
        assert (np.bincount(ids[kept])[ids[kept]] >= k).all()
    assert np.array_equal(np.flatnonzero(kept), one_by_one(user, video, k))


def one_by_one(user, video, k):
    """The core by leaving out one pair at a time, for as long as there is one too rare."""
    kept = list(range(len(user)))
    while True:
        users, videos = user[kept].tolist(), video[kept].tolist()
        rare = [at for at, u, v in zip(kept, users, videos, strict=True) if min(users.count(u), videos.count(v)) < k]
        if not rare:
            return kept
        kept.remove(rare[0])


def test_a_repeated_click_counts_once_at_its_first(clicked):
    feedback = clicked([(0, 4, True), (0, 5, False), (0, 4, True), (0, 6, True)]).log.feedback
    assert first_clicks(feedback).tolist() == [0, 3]


def test_the_last_click_is_the_test_and_the_one_before_is_validation():
    test, validation = last_two(np.array([0, 0, 0, 2, 2, 2]), np.array([1, 4, 6, 8, 9, 12]))
    assert test.tolist() == [6, 12]
    assert validation.tolist() == [4, 9]


def test_nothing_from_the_validation_click_on_is_learned_from(planted):
    task = make_task(planted, ProtocolRules())
    for user in range(40):
        log = planted.log.feedback.take(planted.log.feedback.user_id == user)
        clicks = np.flatnonzero(log.has(Event.CLICK))
        learned = task.train.feedback.take(task.train.feedback.user_id == user)
        # positions of features tell the old number of a video
        old = task.train.videos.features[learned.video_id, 0]
        assert old.tolist() == log.video_id[: clicks[-2]].tolist()
        assert task.train.videos.features[task.tests.video_id[user], 0] == log.video_id[clicks[-1]]


def test_candidates_are_different_hold_the_test_and_nothing_the_user_ever_met(planted):
    task = make_task(planted, ProtocolRules())
    candidates = draw_candidates(task, seed=3)
    assert candidates.shape == (len(task.tests.video_id), 100)
    for user, row in enumerate(candidates):
        met = set(planted.log.feedback.video_id[planted.log.feedback.user_id == user].tolist())
        offered = [int(video) for video in task.train.videos.features[row, 0]]
        assert len(set(offered)) == 100
        assert met & set(offered) == {int(task.train.videos.features[task.tests.video_id[user], 0])}


def test_a_seed_draws_the_same_and_another_seed_others(planted):
    task = make_task(planted, ProtocolRules())
    assert np.array_equal(draw_candidates(task, 1), draw_candidates(task, 1))
    assert not np.array_equal(draw_candidates(task, 1), draw_candidates(task, 2))


def test_the_place_of_the_test_tells_nothing(planted):
    task = make_task(planted, ProtocolRules())
    place = [(draw_candidates(task, seed) == task.tests.video_id[:, None]).argmax(axis=1) for seed in range(20)]
    mean, n = np.mean(place), np.size(place)
    assert abs(mean - 49.5) < 3.29 * np.sqrt((100**2 - 1) / 12 / n)


def test_fewer_users_are_the_same_ones_every_time(planted):
    some = [make_task(planted, ProtocolRules(max_users=45, negatives=5)).train.users.features for _ in range(2)]
    assert np.array_equal(*some)


def test_skips_of_kept_users_are_learned_from(planted):
    assert make_task(planted, ProtocolRules()).train.feedback.has(Event.SKIP).any()


def test_truth_keeps_its_users_and_videos_under_new_numbers(planted):
    truth = lambda user, video: (1000 * user[:, None] + video).astype(np.float32)  # noqa: E731
    task = make_task(replace(planted, satisfaction=truth), ProtocolRules())
    assert task.satisfaction is not None
    users = np.arange(3)
    videos = np.array([[0, 5], [1, 6], [2, 7]])
    old = task.train.videos.features[videos, 0]
    assert np.array_equal(task.satisfaction(users, videos), 1000 * users[:, None] + old)


@pytest.mark.parametrize(
    ("views", "rules", "message"),
    [
        (FULL[:20], ProtocolRules(), r"made up: no user and video with 5 clicks each among 20 clicks"),
        (FULL, ProtocolRules(), r"has met all but 0 of 5 kept videos, want 99 others"),
    ],
)
def test_too_little_data_is_refused(clicked, views, rules, message):
    with pytest.raises(OfflineError, match=message):
        make_task(clicked(views), rules)


@pytest.mark.parametrize("wrong", [{"core": 2}, {"negatives": 0}, {"max_users": 0}])
def test_impossible_rules_are_refused(wrong):
    with pytest.raises(OfflineError, match="want core of 3 or more"):
        ProtocolRules(**wrong)
