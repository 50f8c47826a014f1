"""Days of a timeline: the same bytes however users are spread, and feedback only where it belongs."""

from dataclasses import replace

import numpy as np
import pytest

from policies.base import top_k
from simulator.rollout.catalogue import Size
from simulator.user_days import COUNTS
from user_models.testing import toy_world
from user_models.world.parameters import PRESETS

USERS, DAYS, ROUNDS = 56, 2, 2
WORLD = toy_world().with_values(PRESETS["dense"])
ARM_OF = (np.arange(USERS) % 3 == 0).astype(np.int32)


class ByHistory:
    """Ranks by what the user saw last, so that a wrong history would show."""

    def rank(self, obs, k, noise):
        last = obs.history.video_id[:, -1:]
        return top_k(obs, np.sin(obs.candidates * 0.7 + last).astype(np.float32), k)


@pytest.fixture(scope="module")
def prepare(played_days):
    """Makes an experiment of 56 users, in seven blocks by default."""

    def make(policies, block_users=8, **keys):
        size = Size(USERS, 300, 0.04)
        return played_days.prepared(
            WORLD, size, policies, ARM_OF, rounds=ROUNDS, block_users=block_users, trace=0.0, **keys
        )

    return make


@pytest.fixture(scope="module")
def play(played_days):
    """Plays days of a timeline."""
    return played_days.play


@pytest.fixture(scope="module")
def two(played_days, prepare):
    """Makes an experiment whose arms are `Noisy` and `ByHistory`."""
    return lambda **keys: prepare([played_days.Noisy(), ByHistory()], **keys)


@pytest.fixture(scope="module")
def noisy(play, two):
    """What `Noisy` does to everybody."""
    return play(two(), "all:a").totals


@pytest.fixture(scope="module")
def by_history(play, two):
    """What `ByHistory` does to everybody."""
    return play(two(), "all:b").totals


def learner_of(played_days):
    """A policy that ranks by how much feedback it has been given."""

    class ByFeedback(played_days.Learner):
        def rank(self, obs, k, noise):
            return top_k(obs, np.sin(obs.candidates * (1.0 + sum(map(len, self.updates)))).astype(np.float32), k)

    return ByFeedback()


def test_workers_do_not_matter(play, two, noisy, by_history):
    assert np.array_equal(play(two(), "all:a", workers=4).totals, noisy)
    assert np.array_equal(play(two(), "all:b", workers=4).totals, by_history)


def test_the_number_of_workers_does_not_matter_to_what_is_learnt(played_days, prepare, play):
    runs = []
    for workers in (1, 4):
        learner = learner_of(played_days)
        runs.append((play(prepare([learner]), workers=workers).totals, learner.updates))
    assert np.array_equal(runs[0][0], runs[1][0])
    assert len(runs[0][1]) == DAYS * ROUNDS
    for one, other in zip(runs[0][1], runs[1][1], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def test_seven_shards_give_the_rows_of_one(play, two, monkeypatch):
    shards = play(two(), "mixed").user_days
    monkeypatch.setattr("simulator.experiment.engine.FEWEST_SHARDS", 1)
    whole = play(two(), "mixed").user_days
    assert all(one.equals(other) for one, other in zip(shards, whole, strict=True))


def test_the_size_of_blocks_does_not_matter_to_policies_that_rank_row_by_row(play, two, by_history):
    assert np.array_equal(play(two(block_users=2048), "all:b").totals, by_history)


def test_a_run_that_is_cut_and_continued_is_the_same_run(play, two, noisy):
    setting = two()
    first = play(setting, "all:a", days=(0,)).totals
    continued = replace(setting, blocks=[block.copy() for block in setting.blocks])
    assert np.array_equal(np.concatenate([first, play(continued, "all:a", days=(1,)).totals]), noisy)


def test_other_policies_give_other_days(noisy, by_history):
    assert not np.array_equal(noisy, by_history)


def test_the_mixed_timeline_is_a_selection_from_those_of_the_arms(play, two, noisy, by_history):
    assert np.array_equal(play(two(), "mixed").totals, np.where(ARM_OF[None, :, None] == 0, noisy, by_history))


def in_order(feedback, *columns):
    """Whether rows are sorted by these columns, the first one first."""
    keys = np.stack([getattr(feedback, column) for column in columns])
    return np.array_equal(keys, keys[:, np.lexsort(keys[::-1])])


def test_a_learner_hears_of_its_own_users_only_and_in_canonical_order(played_days, prepare, play):
    learners = [learner_of(played_days), learner_of(played_days)]
    totals = play(prepare(learners), "mixed").totals
    for arm, learner in enumerate(learners):
        assert len(learner.updates) == DAYS * ROUNDS
        for feedback in learner.updates:
            assert (ARM_OF[feedback.user_id] == arm).all()
            assert in_order(feedback, "user_id", "request", "position")
    heard = sum(len(feedback) for learner in learners for feedback in learner.updates)
    assert heard == totals[:, :, COUNTS.index("views")].sum()


def test_pooled_learners_hear_of_everybody(played_days, prepare, play):
    learners = [learner_of(played_days), learner_of(played_days)]
    views = play(prepare(learners, learning="pooled"), "mixed").totals[:, :, COUNTS.index("views")].sum()
    assert [sum(map(len, learner.updates)) for learner in learners] == [views, views]


def test_a_log_holds_the_first_users_in_canonical_order(play, two):
    days = play(two(training_users=20), "all:a", days=(-2, -1))
    views = days.totals[:, :20, COUNTS.index("views")].sum(0)
    assert np.array_equal(np.bincount(days.log.user_id, minlength=USERS)[:20], views)
    assert days.log.user_id.max() < 20
    assert in_order(days.log, "user_id", "day", "request", "position")


def test_those_who_stay_away_have_a_row_of_zeros(play, two):
    frame = play(two(), "all:a").user_days[-1]
    assert frame["user_id"].tolist() == list(range(USERS))
    away = frame[~frame["active"]]
    assert len(away) > 0
    assert not away[["views", "requests", "watch_s"]].to_numpy().any()
    assert (frame.loc[frame["active"], "views"] > 0).all()
