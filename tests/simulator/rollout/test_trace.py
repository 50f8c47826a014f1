"""The trace: the same events as the totals count, one row per impression."""

import numpy as np
import pandas as pd
import pytest

from policies.simple.random import RandomPolicy
from simulator.assignment import hash_share
from simulator.rollout.catalogue import Size
from simulator.rollout.ranking import InvalidSlateError
from simulator.user_days import COUNTS, STRONG_COUNTS, SUMS
from user_models.testing import toy_world
from user_models.world.parameters import PRESETS

USERS = 90
TRACED = np.flatnonzero(hash_share(np.arange(USERS), "trace") < 1 / 3)


@pytest.fixture(scope="module")
def played(played_days):
    """Two days: the traced impressions as a frame, and the totals of all users."""
    world, size = toy_world().with_values(PRESETS["dense"]), Size(USERS, 300, 0.15)
    setting = played_days.prepared(world, size, [played_days.Noisy()], seed=2, block_users=40, trace=1 / 3)
    days = played_days.play(setting, workers=2)
    totals = days.totals.sum(0)
    return pd.concat(days.traces, ignore_index=True), totals[:, : len(COUNTS)].astype(int), totals[:, len(COUNTS) :]


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
    order = trace.sort_values(["day", "user_id", "request", "position"], kind="stable")
    assert order.index.tolist() == trace.index.tolist()


def test_nothing_is_traced_twice(played):
    trace, *_ = played
    assert not trace.duplicated(["user_id", "day", "request", "position"]).any()


def test_what_was_not_asked_was_not_answered(played):
    trace, *_ = played
    assert not (trace["answered"] & ~trace["asked"]).any()
    assert ((trace["answer"] > 0) == trace["answered"]).all()
    assert trace["answered"].any()


def test_forms_of_questionnaires_stand_in_totals_and_trace_where_there_are_two(played_days):
    values = {**PRESETS["dense"], "questionnaire.strong_share": 0.4}
    world, size = toy_world().with_values(values), Size(USERS, 300, 0.15)
    setting = played_days.prepared(world, size, [played_days.Noisy()], seed=2, block_users=40, trace=1.0)
    days = played_days.play(setting)
    trace, counts = pd.concat(days.traces, ignore_index=True), days.totals.sum(0)[:, : len(COUNTS)].astype(int)
    strong = trace[trace["asked_strongly"]]
    assert strong["asked"].all()
    by_user = {
        "strong_asked": strong["asked"],
        "strong_answered": strong["answered"],
        "strong_satisfied": strong["satisfied"],
    }
    for total, happened in by_user.items():
        per_user = happened.groupby(strong["user_id"]).sum().reindex(np.arange(USERS), fill_value=0)
        assert per_user.tolist() == counts[:, COUNTS.index(total)].tolist()


def test_files_say_nothing_of_a_strong_form_that_nobody_meets(played_days):
    """As before there was one: neither user-days nor trace have columns of it."""
    setting = played_days.prepared(
        toy_world().with_values(PRESETS["dense"]), Size(20, 300, 0.15), [played_days.Noisy()], trace=1.0
    )
    days = played_days.play(setting)
    assert set(STRONG_COUNTS).isdisjoint(days.user_days[0].columns)
    assert "asked_strongly" not in days.traces[0].columns
    assert days.traces[0]["asked"].any()


def test_propensities_are_those_of_the_slates_shown(played_days):
    world, size = toy_world(), Size(30, 300, 0.15)
    random, noisy = (
        pd.concat(played_days.play(played_days.prepared(world, size, [policy], trace=1.0), workers=1).traces)
        for policy in (RandomPolicy(), played_days.Noisy())
    )
    n, k = 20, 6
    np.testing.assert_allclose(np.exp(random["log_propensity"]), 1 / (n - random["position"]))
    np.testing.assert_allclose(random["slate_log_propensity"], -np.log(n - np.arange(k)).sum())
    assert (random.groupby(["user_id", "day", "request"]).size() < k).any()  # slates left early are among them
    assert noisy[["log_propensity", "slate_log_propensity"]].isna().all(axis=None)


class Overconfident(RandomPolicy):
    def rank_with_propensity(self, obs, k, noise):
        slates, chances = super().rank_with_propensity(obs, k, noise)
        return slates, chances + 5


def test_chances_above_one_are_refused(played_days):
    setting = played_days.prepared(toy_world(), Size(30, 300, 0.15), [Overconfident()], trace=1.0)
    with pytest.raises(InvalidSlateError, match="want finite numbers up to 0"):
        played_days.play(setting, workers=1)
