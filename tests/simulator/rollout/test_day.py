"""Lines: the same bytes however users are spread, and feedback only where it belongs."""

import numpy as np
import pytest

from policies.base import top_k
from simulator.rollout.answer_model import constant_model
from simulator.rollout.day import Engine, LoggingScope, Timeline, canonical, play_day
from simulator.rollout.population import Block, Size, make_blocks, make_stage
from simulator.rollout.request import RolloutSettings
from simulator.rollout.user_day_table import Buckets, user_day_table
from simulator.user_days import COUNTS
from user_models.testing import toy_world
from user_models.world.parameters import PRESETS

USERS, DAYS, ROUNDS = 56, 2, 2
STAGE, PEOPLE = make_stage(toy_world().with_values(PRESETS["dense"]), Size(USERS, 300, 0.04), seed=0)
COURSE = RolloutSettings(STAGE, 0, 6, 20, constant_model())
BUCKETS = Buckets(("a", "b"), (np.arange(USERS) % 3 == 0).astype(np.int32), ("all",), np.zeros(USERS, np.int32))


class Noisy:
    """Ranks at random, from its noise."""

    def rank(self, obs, k, noise):
        return top_k(obs, noise.uniform("test", obs.candidates.shape[1]), k)


class ByHistory:
    """Ranks by what the user saw last, so that a wrong history would show."""

    def rank(self, obs, k, noise):
        last = obs.history.video_id[:, -1:]
        return top_k(obs, np.sin(obs.candidates * 0.7 + last).astype(np.float32), k)


class Learner(Noisy):
    """Keeps what it is told, and ranks by how much of it there was."""

    def __init__(self):
        self.tower_features = []

    def rank(self, obs, k, noise):
        return top_k(obs, np.sin(obs.candidates * (1.0 + sum(map(len, self.tower_features)))).astype(np.float32), k)

    def update(self, feedback):
        self.tower_features.append(feedback)

    def fit(self, log, seed): ...

    def save(self, folder): ...

    @classmethod
    def load(cls, folder): ...


def fresh_blocks(size=8) -> list[Block]:
    return make_blocks(PEOPLE, ROUNDS, STAGE.rules, size)


def line_of(policies, blocks, served_by=None):
    served_by = served_by or [np.zeros(len(block.user_id), np.int32) for block in blocks]
    return Timeline("mixed", tuple(policies), served_by, blocks)


def play(line, workers=1, wanted=None, days=range(DAYS)):
    """Each day's block-days."""
    engine = Engine(workers)
    try:
        return [play_day(COURSE, line, day, ROUNDS, wanted or LoggingScope(), engine) for day in days]
    finally:
        engine.close()


def totals(played):
    """Bytes of all totals, in order of day and user."""
    counts = [block_day.totals.counts for block_days in played for block_day in block_days]
    sums = [block_day.totals.sums for block_days in played for block_day in block_days]
    return np.concatenate(counts).tobytes() + np.concatenate(sums).tobytes()


def by_user(played):
    """All totals with one row per day and user."""
    days = [np.concatenate([np.hstack([b.totals.counts, b.totals.sums]) for b in block_days]) for block_days in played]
    return np.stack(days)


@pytest.fixture(scope="module")
def noisy():
    """What a line under `Noisy` does."""
    return play(line_of([Noisy()], fresh_blocks()))


@pytest.fixture(scope="module")
def by_history():
    """What a line under `ByHistory` does."""
    return play(line_of([ByHistory()], fresh_blocks()))


def test_workers_do_not_matter(noisy, by_history):
    assert totals(play(line_of([Noisy()], fresh_blocks()), 4)) == totals(noisy)
    assert totals(play(line_of([ByHistory()], fresh_blocks()), 4)) == totals(by_history)


def test_the_number_of_workers_does_not_matter_to_what_is_learnt():
    runs = []
    for workers in (1, 4):
        learner = Learner()
        runs.append((totals(play(line_of([learner], fresh_blocks()), workers)), learner.tower_features))
    assert runs[0][0] == runs[1][0]
    assert len(runs[0][1]) == DAYS * ROUNDS
    for one, other in zip(runs[0][1], runs[1][1], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def test_seven_shards_give_the_bytes_of_one():
    """A shard is a set of whole blocks, played apart from the others."""
    served = BUCKETS.arm_of
    blocks = fresh_blocks()
    whole = line_of([Noisy(), ByHistory()], blocks, [served[block.user_id] for block in blocks])
    want = [user_day_table(whole, day, d, BUCKETS.arms, BUCKETS) for d, day in enumerate(play(whole))]
    parts = []
    for block in fresh_blocks():
        shard = line_of([Noisy(), ByHistory()], [block], [served[block.user_id]])
        parts.append([user_day_table(shard, day, d, BUCKETS.arms, BUCKETS) for d, day in enumerate(play(shard))])
    assert len(parts) == 7
    for day, table in enumerate(want):
        rows = [row for part in parts for row in part[day].to_pylist()]
        assert rows == table.to_pylist()


def test_the_size_of_blocks_does_not_matter_to_policies_that_rank_row_by_row(by_history):
    assert np.array_equal(by_user(play(line_of([ByHistory()], fresh_blocks(2048)))), by_user(by_history))


def test_a_run_that_is_cut_and_continued_is_the_same_run(noisy):
    blocks = fresh_blocks()
    line = line_of([Noisy()], blocks)
    first = play(line, days=range(1))
    continued = line_of([Noisy()], [block.copy() for block in blocks])
    assert totals(first + play(continued, days=range(1, DAYS))) == totals(noisy)


def test_equal_policies_give_equal_lines(noisy, by_history):
    assert totals(play(line_of([Noisy()], fresh_blocks()))) == totals(noisy)
    assert totals(noisy) != totals(by_history)


def test_the_mixed_line_is_a_selection_from_the_arms_lines(noisy, by_history):
    blocks = fresh_blocks()
    served = [BUCKETS.arm_of[block.user_id] for block in blocks]
    mixed = by_user(play(line_of([Noisy(), ByHistory()], blocks, served)))
    arm = BUCKETS.arm_of[None, :, None]
    assert np.array_equal(mixed, np.where(arm == 0, by_user(noisy), by_user(by_history)))


def test_a_learner_hears_of_its_own_users_only_and_in_canonical_order():
    blocks = fresh_blocks()
    learners = Learner(), Learner()
    played = play(line_of(learners, blocks, [BUCKETS.arm_of[block.user_id] for block in blocks]))
    for arm, learner in enumerate(learners):
        assert len(learner.tower_features) == DAYS * ROUNDS
        for feedback in learner.tower_features:
            assert (BUCKETS.arm_of[feedback.user_id] == arm).all()
            place = np.stack([feedback.user_id, feedback.request, feedback.position])
            assert np.array_equal(place, place[:, np.lexsort(place[::-1])])
    heard = sum(len(feedback) for learner in learners for feedback in learner.tower_features)
    assert heard == by_user(played)[:, :, COUNTS.index("views")].sum()


def test_a_log_holds_the_first_users_in_canonical_order():
    played = play(line_of([Noisy()], fresh_blocks()), wanted=LoggingScope(log_users=20))
    log = canonical([part for block_days in played for block_day in block_days for part in block_day.log])
    views = by_user(played)[:, :, COUNTS.index("views")]
    assert np.array_equal(np.bincount(log.user_id, minlength=USERS)[:20], views[:, :20].sum(0))
    assert log.user_id.max() < 20
    place = np.stack([log.user_id, log.day, log.request, log.position])
    assert np.array_equal(place, place[:, np.lexsort(place[::-1])])


def test_those_who_stay_away_have_a_row_of_zeros():
    line = line_of([Noisy()], fresh_blocks())
    table = user_day_table(line, play(line)[-1], DAYS - 1, ("a",), BUCKETS).to_pandas()
    assert table["user_id"].tolist() == list(range(USERS))
    away = table[~table["active"]]
    assert len(away) > 0
    assert not away[["views", "requests", "watch_s"]].to_numpy().any()
    assert (table.loc[table["active"], "views"] > 0).all()
