"""Rewards: hand-worked sums, and which of them may read the truth."""

import numpy as np
import pytest

from policies.base import Event, Feedback
from simulator.environment.rewards import HATE_PRICE, REWARDS, Truth, pick_reward


def slate(watch_s, events, answer):
    """The log of a slate of one user."""
    n = len(watch_s)
    zero = {"user_id": np.int32, "video_id": np.int32, "day": np.int16, "hour": np.int8, "request": np.int16}
    return Feedback(
        **{name: np.zeros(n, dtype) for name, dtype in zero.items()},
        position=np.arange(n, dtype=np.int8),
        watch_s=np.array(watch_s, np.float32),
        events=np.array(events, np.uint16),
        answer=np.array(answer, np.int8),
    )


ANSWERED = Event.ASKED | Event.ANSWERED
LOG = slate(
    [20.0, 2.5, 8.0, 30.0],
    [
        Event.CLICK | Event.LONG_VIEW | Event.LIKE | Event.FORWARD | ANSWERED,
        Event.SKIP | Event.HATE,
        Event.CLICK | Event.COMMENT | Event.PROFILE_ENTER | ANSWERED,
        Event.CLICK | Event.LONG_VIEW | Event.FOLLOW | ANSWERED,
    ],
    [3, 0, 1, 3],
)
TRUTH = Truth(np.zeros(4, np.float32), np.zeros(4, np.float32), np.array([True, False, False, False]))
EMPTY = slate([], [], [])
NOTHING = Truth(np.zeros(0, np.float32), np.zeros(0, np.float32), np.zeros(0, bool))


@pytest.mark.parametrize(
    ("name", "worth"),
    [("watch_s", 60.5), ("long_view", 2.0), ("satisfied", 1.0), ("p2n", 4.0 - HATE_PRICE)],
)
def test_named_rewards(name, worth):
    assert pick_reward(name, reveal_truth=False).of_slate(LOG, TRUTH) == worth


@pytest.mark.parametrize("name", REWARDS)
def test_nothing_seen_is_worth_nothing(name):
    assert pick_reward(name, reveal_truth=False).of_slate(EMPTY, NOTHING) == 0


def test_satisfied_is_the_truth_where_it_is_revealed():
    assert pick_reward("satisfied", reveal_truth=True).of_slate(LOG, TRUTH) == -2.0


@pytest.mark.parametrize("name", [name for name in REWARDS if name != "satisfied"])
def test_other_rewards_ignore_the_truth(name):
    assert pick_reward(name, reveal_truth=True).of_slate(LOG, TRUTH) == REWARDS[name](LOG).sum()


@pytest.mark.parametrize("reveal_truth", [False, True])
def test_a_function_gets_the_log_and_nothing_else(reveal_truth):
    reward = pick_reward(lambda feedback: float(feedback.has(Event.HATE).sum()), reveal_truth)
    assert reward.of_slate(LOG, TRUTH) == 1.0


@pytest.mark.parametrize("reward", [*REWARDS, lambda feedback: float(feedback.watch_s.max(initial=0))])
def test_slates_side_by_side_are_paid_as_one_by_one(reward):
    pay = pick_reward(reward, reveal_truth=True)
    env = np.array([0, 0, 2, 2])
    paid = pay.of_slates(LOG, TRUTH, env, 3)
    for n in range(3):
        truth = Truth(*(array[env == n] for array in vars(TRUTH).values()))
        assert paid[n] == pay.of_slate(LOG.take(env == n), truth)


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"^reward: 'watch' given; did you mean 'watch_s'\?$"):
        pick_reward("watch", reveal_truth=False)


def test_a_name_like_nothing_is_refused_with_the_list():
    with pytest.raises(ValueError, match="want one of watch_s, long_view, satisfied, p2n, or a function"):
        pick_reward("zzz", reveal_truth=False)


def test_the_price_of_a_hate_is_kuairands_ratio():
    assert pytest.approx((26_546 + 1_543 + 3_657 + 1_382) / 710, rel=0.01) == HATE_PRICE
