"""Levels, slopes and pulls are found again from meetings whose figures are known."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from user_models.dynamics.kernel import MOST_FELT, count_passed, seconds
from user_models.dynamics.watch_thresholds import (
    CLICK_THRESHOLD,
    COMPLETE_THRESHOLD,
    LONG_VIEW_THRESHOLD,
    N_THRESHOLDS,
    threshold_seconds,
)
from user_models.fit.matching.action_levels import match_actions
from user_models.fit.matching.expected_outcomes import SampledImpressions, outcome
from user_models.fit.matching.random_exposure import RandomTargets
from user_models.fit.matching.watch_levels import (
    KNOTS,
    N_LENGTH_CLASSES,
    LevelTargets,
    PassCounts,
    classes,
    length_classes,
    match_watching,
    pass_counts,
)
from user_models.testing import toy_world
from user_models.world.tables import ACTIONS

WORLD = toy_world().with_tables(action_match=np.linspace(-0.5, 1.0, len(ACTIONS)).astype(np.float32))
N = 6_000
LIFT = 1.2


def meetings(lift: float, seed: int) -> SampledImpressions:
    """Views of random lengths; a ranker lifts appeal and satisfaction."""
    rng = np.random.default_rng(seed)
    f32 = np.float32
    return SampledImpressions(
        duration_s=np.exp(rng.uniform(np.log(6.0), np.log(400.0), N)).astype(f32),
        appeal=rng.normal(lift, 1.0, N).astype(f32),
        match=rng.normal(lift / 2, 0.9, N).astype(f32),
        satisfaction=rng.normal(lift / 2, 0.7, N).astype(f32),
        appeal_residual=np.zeros(N, f32),
        action=rng.normal(0, 0.5, (N, len(ACTIONS))).astype(f32),
        action_spread=np.full((N, len(ACTIONS)), 2.0, f32),
        group=np.zeros(N, np.int64),
    )


RANDOM, BASE = meetings(0.0, 1), meetings(LIFT, 2)


def figures(world, met):
    found = outcome(world, met)
    return (*found.nested().mean(axis=1), found.watch_s().mean())


def targets(world, met):
    click, long_view, complete, watch_s = (float(x) for x in figures(world, met))
    return RandomTargets(click, long_view, complete, watch_s, (0.01,) * len(ACTIONS))


def by_length(world, met):
    kind, nested = length_classes(met), outcome(world, met).nested()
    return np.stack([nested[:, kind == c].mean(axis=1) for c in range(N_LENGTH_CLASSES)], axis=1)


def expected_passes(world, met):
    """PassCounts by class, straight from the chances."""
    found = outcome(world, met)
    survival = 1 - np.cumsum(found.stages, axis=1)[:, :-1].astype(np.float64)
    before = np.concatenate([np.ones((N, 1)), survival[:, :-1]], axis=1)
    kind = classes(met.duration_s.astype(np.float64))
    by_class = [
        [np.where(found.exists, x, 0)[kind == c].sum(axis=0) for c in range(len(KNOTS))] for x in (before, survival)
    ]
    return PassCounts(np.array(by_class[0]), np.array(by_class[1]))


def other_world():
    """Easier and flatter than the world that is to be found."""
    t = WORLD.tables
    nodes = np.linspace(t.node_log_duration[0], t.node_log_duration[-1], 12).astype(np.float32)
    stage = np.stack([np.interp(nodes, t.node_log_duration, column) for column in t.stage.T], axis=1)
    slope = np.stack([np.interp(nodes, t.node_log_duration, column) for column in t.slope.T], axis=1)
    flatter = slope * np.array([0.6, 0.6, 0.6, 0.6, 0.6, 0.8])
    return WORLD.with_tables(
        node_log_duration=nodes, stage=(stage + 0.6).astype(np.float32), slope=flatter.astype(np.float32)
    )


@pytest.fixture(scope="module")
def aims():
    lengths = (by_length(WORLD, met) for met in (BASE, RANDOM))
    return LevelTargets(expected_passes(WORLD, BASE), targets(WORLD, BASE), targets(WORLD, RANDOM), *lengths)


@pytest.fixture(scope="module")
def matched(aims):
    return match_watching(other_world(), RANDOM, BASE, aims)


def test_both_regimes_are_met(matched, aims):
    for met in (RANDOM, BASE):
        wanted = figures(WORLD, met)
        np.testing.assert_allclose(figures(matched, met), wanted, rtol=0.02)
        np.testing.assert_allclose(by_length(matched, met), by_length(WORLD, met), rtol=0.05)


def test_slopes_up_to_the_end_are_found_again(matched):
    """Up to what it costs to take the videos of a class as one length; short ones pass few."""
    nodes = matched.tables.node_log_duration
    real = np.stack([np.interp(nodes, WORLD.tables.node_log_duration, s) for s in WORLD.tables.slope.T], axis=1)
    np.testing.assert_allclose(matched.tables.slope[:, :4], real[:, :4], rtol=0.08)
    longer = nodes > np.log(18)
    np.testing.assert_allclose(matched.tables.slope[longer, 4], real[longer, 4], rtol=0.08)


def test_half_the_way_leaves_random_exposures_right(aims):
    start = other_world()
    half = match_watching(start, RANDOM, BASE, aims, damping=0.5)
    whole = match_watching(start, RANDOM, BASE, aims)
    turns = [np.log(world.slopes(BASE.duration_s) / start.slopes(BASE.duration_s)) for world in (half, whole)]
    common = [turn.mean(axis=0) for turn in turns]
    np.testing.assert_allclose(common[0], common[1] / 2, atol=0.02)
    apart = [
        np.log(world.tables.slope / start.tables.slope) - all_
        for world, all_ in zip((half, whole), common, strict=True)
    ]
    np.testing.assert_allclose(apart[0], apart[1] / 4, atol=0.02)
    np.testing.assert_allclose(figures(half, RANDOM)[:3], figures(WORLD, RANDOM)[:3], rtol=0.02)


def test_expected_passes_are_those_of_the_kernel():
    met = BASE.take(np.arange(60))
    rng = np.random.default_rng(5)
    stop_odds, slope = WORLD.stop_odds(met.duration_s), WORLD.slopes(met.duration_s)
    u = rng.random((60, 800))
    passed = np.array([[count_passed(stop_odds[i], slope[i], met.appeal[i], x) for x in u[i]] for i in range(60)])
    thresholds_s = threshold_seconds(met.duration_s)
    within = rng.random(passed.shape)
    watch_s = np.array([[seconds(thresholds_s[i], passed[i, j], within[i, j]) for j in range(800)] for i in range(60)])
    found = outcome(WORLD, met)
    for threshold in (CLICK_THRESHOLD, LONG_VIEW_THRESHOLD, COMPLETE_THRESHOLD):
        chance = found.passing(threshold)
        error = np.sqrt((chance * (1 - chance)).sum() / 800) / 60
        assert abs((passed > threshold).mean() - chance.mean()) < 4 * error
    error = np.sqrt((watch_s.var(axis=1) / 800).sum()) / 60
    assert abs(watch_s.mean() - found.watch_s().mean()) < 4 * error


def test_passes_of_a_log_are_counted_by_length(known):
    rows = known.rows
    found = pass_counts(rows)
    assert found.reached.shape == (len(KNOTS), N_THRESHOLDS)
    kind = classes(np.exp(rows.log_duration.astype(np.float64)))
    for c in np.unique(kind):
        mine = kind == c
        assert found.reached[c, 0] == mine.sum()
        assert found.passed[c, CLICK_THRESHOLD] == (rows.passed[mine] > CLICK_THRESHOLD).sum()


@pytest.mark.parametrize(("length_s", "kind"), [(7.0, 0), (7.01, 1), (18.0, 2), (18.5, 3), (300.0, 6), (400.0, 7)])
def test_a_length_on_an_edge_belongs_below_it(length_s, kind):
    assert classes(np.array([length_s]))[0] == kind


def test_levels_and_pulls_of_actions_are_found_again():
    some = [met.take(np.arange(1500)) for met in (RANDOM, BASE)]
    rates = np.array([[act(WORLD, met, a) for a in range(len(ACTIONS))] for met in some])
    t = WORLD.tables
    lost = WORLD.with_tables(action_base=t.action_base + 1, action_match=t.action_match + 0.7)
    found = match_actions(lost, *some, rates).tables
    np.testing.assert_allclose(found.action_base, t.action_base, atol=0.02)
    np.testing.assert_allclose(found.action_match, t.action_match, atol=0.02)
    np.testing.assert_array_equal(found.action_satisfaction, t.action_satisfaction)


def test_where_no_pull_is_enough_random_exposures_are_met():
    some = [met.take(np.arange(1500)) for met in (RANDOM, BASE)]
    rates = np.array([[act(WORLD, some[0], a) for a in range(len(ACTIONS))], [0.9] * len(ACTIONS)])
    found = match_actions(WORLD, *some, rates)
    got = [act(found, some[0], a) for a in range(len(ACTIONS))]
    np.testing.assert_allclose(got, rates[0], rtol=0.02)


def act(world, met, action):
    """Rate of an action, straight from its logit, over all users who are alike for each view."""
    t = world.tables
    mean = (
        t.action_base[action]
        + met.action[:, action]
        + t.action_satisfaction[action] * np.clip(met.satisfaction, -MOST_FELT, MOST_FELT)
        + t.action_match[action] * met.match
    )
    stages, rate = outcome(world, met).stages, 0.0
    for own in np.arange(-7, 7, 0.25):
        logit = (mean + own * met.action_spread[:, action])[:, None] + t.action_stage[action]
        rate += 0.25 * norm.pdf(own) * float((stages / (1 + np.exp(-logit))).sum(axis=1).mean())
    return rate


def test_more_appeal_never_shortens_a_view():
    more = replace(BASE, appeal=BASE.appeal + 0.5)
    assert (outcome(WORLD, more).nested() >= outcome(WORLD, BASE).nested() - 1e-6).all()
