"""The trace: the same events as the totals count, one row per impression."""

import numpy as np
import pytest

from policies.base import top_k
from simulator.rollout.answer_model import constant_model
from simulator.rollout.day import Engine, LoggingScope, Timeline, play_day
from simulator.rollout.population import Size, make_blocks, make_stage
from simulator.rollout.request import RolloutSettings
from simulator.rollout.trace import trace_table
from simulator.user_days import COUNTS, SUMS
from user_models.testing import toy_world
from user_models.world.parameters import PRESETS

USERS = 90
TRACED = np.arange(0, USERS, 3)


class Noisy:
    """Ranks at random."""

    def rank(self, obs, k, noise):
        return top_k(obs, noise.uniform("test", obs.candidates.shape[1]), k)


@pytest.fixture(scope="module")
def played():
    """Two days: the traced impressions as a frame, and the totals of all users."""
    world = toy_world().with_values(PRESETS["dense"])
    stage, people = make_stage(world, Size(USERS, 300, 0.15), seed=2)
    course = RolloutSettings(stage, 2, 6, 20, constant_model())
    blocks = make_blocks(people, 2, stage.rules, size=40)
    line = Timeline("all:a", (Noisy(),), [np.zeros(len(block.user_id), np.int32) for block in blocks], blocks)
    engine = Engine(2)
    days = [play_day(course, line, day, 2, LoggingScope(trace=TRACED), engine) for day in (0, 1)]
    engine.close()
    parts = [part for block_days in days for block_day in block_days for part in block_day.trace]
    counts = sum(np.concatenate([block_day.totals.counts for block_day in block_days]) for block_days in days)
    sums = sum(np.concatenate([block_day.totals.sums for block_day in block_days]) for block_days in days)
    return trace_table(parts, "all:a").to_pandas(), counts, sums


@pytest.mark.parametrize(
    ("event", "total"),
    [
        ("click", "clicks"),
        ("long_view", "long_views"),
        ("complete", "completes"),
        ("skip", "skips"),
        ("like", "likes"),
        ("follow", "follows"),
        ("comment", "comments"),
        ("forward", "forwards"),
        ("hate", "hates"),
        ("profile_enter", "profile_enters"),
        ("asked", "asked"),
        ("answered", "answered"),
    ],
)
def test_events_add_up_to_the_totals(played, event, total):
    trace, counts, _ = played
    per_user = trace.groupby("user_id")[event].sum().reindex(TRACED, fill_value=0)
    assert per_user.tolist() == counts[TRACED, COUNTS.index(total)].tolist()


def test_views_requests_and_seconds_add_up(played):
    trace, counts, sums = played
    groups = trace.groupby("user_id")
    assert groups.size().reindex(TRACED, fill_value=0).tolist() == counts[TRACED, COUNTS.index("views")].tolist()
    requests = trace.drop_duplicates(["user_id", "day", "request"]).groupby("user_id").size()
    assert requests.reindex(TRACED, fill_value=0).tolist() == counts[TRACED, COUNTS.index("requests")].tolist()
    seconds = groups["watch_s"].sum().reindex(TRACED, fill_value=0)
    np.testing.assert_allclose(seconds, sums[TRACED, SUMS.index("watch_s")], rtol=1e-5)


@pytest.mark.parametrize(("answer", "total"), [(3, "satisfied"), (2, "uncertain"), (1, "dissatisfied")])
def test_answers_add_up(played, answer, total):
    trace, counts, _ = played
    per_user = (trace["answer"] == answer).groupby(trace["user_id"]).sum().reindex(TRACED, fill_value=0)
    assert per_user.tolist() == counts[TRACED, COUNTS.index(f"answers_{total}")].tolist()


def test_true_satisfaction_adds_up(played):
    trace, counts, _ = played
    per_user = (
        (trace["true_satisfaction"] > toy_world().value("satisfaction.satisfied_above"))
        .groupby(trace["user_id"])
        .sum()
        .reindex(TRACED, fill_value=0)
    )
    assert per_user.tolist() == counts[TRACED, COUNTS.index("true_satisfied")].tolist()


def test_only_the_chosen_are_traced_in_canonical_order(played):
    trace, *_ = played
    assert set(trace["user_id"]) <= set(TRACED.tolist())
    order = trace.sort_values(["user_id", "day", "request", "position"], kind="stable")
    assert order.index.tolist() == trace.index.tolist()


def test_nothing_is_traced_twice(played):
    trace, *_ = played
    assert not trace.duplicated(["user_id", "day", "request", "position"]).any()


def test_what_was_not_asked_was_not_answered(played):
    trace, *_ = played
    assert not (trace["answered"] & ~trace["asked"]).any()
    assert ((trace["answer"] > 0) == trace["answered"]).all()
    assert trace["answered"].any()
