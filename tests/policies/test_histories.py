"""Histories of logged requests, against a plain walk through the log."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.base import Feedback, History
from policies.histories import find_requests, history_after, history_of
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, make_specimen


def random_log(seed, n_users=4, n_requests=5) -> Feedback:
    """A log in which requests have lost some of their views, as when users leave."""
    rng = np.random.default_rng(seed)
    feedback = draw_log(make_specimen(n_users, 30, rng), SyntheticLogPlan(n_requests), rng).feedback
    return feedback.take(rng.random(len(feedback)) < 0.6)


def plain_walk(feedback: Feedback, h: int) -> list[tuple]:
    """For each request: who, and the views before it as (video, watch, events, hours ago)."""
    seen, asked = {}, {}
    for i in range(len(feedback)):
        user, clock = feedback.user_id[i], 24 * int(feedback.day[i]) + int(feedback.hour[i])
        key = (user, feedback.day[i], feedback.request[i])
        views = seen.setdefault(user, [])
        if key not in asked:
            asked[key] = (user, [(*view[:3], clock - view[3]) for view in views[-h:]])
        views.append((feedback.video_id[i], feedback.watch_s[i], feedback.events[i], clock))
    return list(asked.values())


def as_lists(history: History) -> list[list[tuple]]:
    """The masked views of each row."""
    fields = (history.video_id, history.watch_s, history.events, history.hours_ago)
    return [
        list(zip(*(array[row][history.mask[row]].tolist() for array in fields), strict=True))
        for row in range(len(history.mask))
    ]


@given(seed=st.integers(0, 1000), h=st.integers(1, 40))
def test_history_is_the_last_views_before_the_request(seed, h):
    feedback = random_log(seed)
    requests = find_requests(feedback, h)
    want = plain_walk(feedback, h)
    assert requests.user_id.tolist() == [user for user, _ in want]
    got = as_lists(history_of(feedback, requests, h))
    assert got == [[tuple(x.item() if hasattr(x, "item") else x for x in view) for view in views] for _, views in want]


def test_views_of_the_request_itself_are_no_history():
    feedback = random_log(0)
    requests = find_requests(feedback, 50)
    assert (requests.start[requests.of_row] <= np.arange(len(feedback))).all()
    first_ever = np.unique(feedback.user_id, return_index=True)[1]
    assert (requests.first[requests.of_row[first_ever]] == requests.start[requests.of_row[first_ever]]).all()


def test_history_is_right_aligned_and_blank_elsewhere():
    history = history_of(random_log(1), find_requests(random_log(1), 8), 8)
    assert (np.diff(history.mask.astype(int), axis=1) >= 0).all()
    for array in (history.video_id, history.watch_s, history.events, history.hours_ago):
        assert (array[~history.mask] == 0).all()


def test_after_the_log_comes_everything():
    feedback = random_log(2)
    history = history_after(feedback, np.array([3, 99, 0]), 24, 200)
    mine = feedback.take(feedback.user_id == 3)
    assert history.mask.sum(axis=1).tolist() == [len(mine), 0, (feedback.user_id == 0).sum()]
    assert history.video_id[0][history.mask[0]].tolist() == mine.video_id.tolist()


def test_empty_log_gives_empty_histories():
    empty = random_log(3).take(slice(0, 0))
    assert len(find_requests(empty, 5)) == 0
    assert not history_after(empty, np.array([0, 1]), 0, 5).mask.any()


def test_refuses_users_out_of_order():
    feedback = random_log(4)
    with pytest.raises(ValueError, match="users out of order"):
        find_requests(replace(feedback, user_id=feedback.user_id[::-1].copy()), 5)
