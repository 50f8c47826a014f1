"""A world is tuned towards real figures from what was simulated in it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from policies.base import Event
from simulator.calibration.calibrate import UNCERTAIN_ANSWERS, cut_answers, gain, mean_world
from simulator.calibration.exposure_mix import _mean_and_spread, by_degree, by_hour, match_exposure_mix, share_ratio
from simulator.calibration.simulated_impressions import drawn_users, play
from simulator.validation.views import ValidationViews
from user_models.dynamics.watch_thresholds import threshold_seconds
from user_models.fit.matching.expected_outcomes import outcome
from user_models.targets import KUAIRAND
from user_models.testing import toy_world
from user_models.world.table_checks import table_faults
from user_models.world.tables import USER_LATENTS, PublicColumn

WORLD = toy_world()


@pytest.fixture(scope="module")
def trial():
    return play(WORLD, 4, 300, 2)


def as_log(seen, world) -> ValidationViews:
    """The sampled views as a log would have them, without their events."""
    n = len(seen.user)
    codes = drawn_users(world, seen.spec).profile_code[seen.user].astype(np.int16)
    return ValidationViews(
        user=seen.user,
        video=seen.video,
        hour=seen.hour.astype(np.int16),
        duration_s=seen.videos.duration_s[seen.video],
        watch_s=np.zeros(n, np.float32),
        events=np.full(n, Event.CLICK.value, np.uint16),
        tag=seen.tag.astype(np.int32),
        profile=codes,
    )


def test_meetings_in_the_world_that_was_played_are_as_they_were(trial):
    seen = trial.samples["base"]
    met = seen.as_impressions_in(WORLD, WORLD)
    np.testing.assert_array_equal(met.appeal, seen.appeal)
    clicks = trial.days.timelines["all:base"].per("clicks", "views")
    assert outcome(WORLD, met).nested()[0].mean() == pytest.approx(clicks, abs=0.02)


def test_meetings_in_another_world_follow_its_users(trial):
    seen = trial.samples["random"]
    stretched = WORLD.with_scaled_latent("appeal", 2.0)
    gained = seen.as_impressions_in(stretched, WORLD).appeal - seen.appeal
    np.testing.assert_allclose(gained, drawn_users(WORLD, seen.spec).latents.appeal[seen.user], atol=1e-5)


def test_stretching_moves_one_latent_of_all_users():
    doubled, at = WORLD.with_scaled_latent("like", 2.0), USER_LATENTS.index("like")
    before, after = (w.draw_users(np.arange(50), 1).latents for w in (WORLD, doubled))
    np.testing.assert_allclose(after.action[:, 0], 2 * before.action[:, 0], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(after.appeal, before.appeal)
    assert np.array_equal(doubled.tables.user_mean[:, :at], WORLD.tables.user_mean[:, :at])


def test_a_log_like_the_simulation_changes_no_shares(trial):
    seen = trial.samples["base"]
    same = match_exposure_mix(WORLD, seen, as_log(seen, WORLD), 1.0).tables
    np.testing.assert_allclose(same.tag_share, WORLD.tables.tag_share, rtol=1e-6)
    np.testing.assert_allclose(same.length_share, WORLD.tables.length_share, rtol=1e-6)
    np.testing.assert_allclose(same.hour_share, WORLD.tables.hour_share, rtol=1e-6)
    np.testing.assert_allclose(same.user_mean, WORLD.tables.user_mean, atol=1e-6)


def test_what_the_log_has_more_of_comes_more_often(trial):
    seen = trial.samples["base"]
    log = as_log(seen, WORLD)
    log = log.take(np.flatnonzero((log.tag != 0) & (log.hour != 12)))
    moved = match_exposure_mix(WORLD, seen, log, 0.5).tables
    assert moved.tag_share[0] < 0.9 * WORLD.tables.tag_share[0]
    assert moved.hour_share[12] < 0.9 * WORLD.tables.hour_share[12]
    assert moved.tag_share.sum() == pytest.approx(1)


def test_lengths_that_the_log_has_more_of_come_more_often(trial):
    seen = trial.samples["base"]
    log = as_log(seen, WORLD)
    long = log.duration_s > 60
    before, after = (
        world.draw_videos(4000, 1).latents.duration_s
        for world in (WORLD, match_exposure_mix(WORLD, seen, log.take(np.flatnonzero(long)), 1.0))
    )
    assert (after > 60).mean() > (before > 60).mean() + 0.05


def test_hours_get_the_published_curve_of_clicks(trial):
    """With one curve for both regimes it is met; the world's own two are met half-way."""
    random, base = (trial.samples[name].as_impressions_in(WORLD, WORLD) for name in ("random", "base"))
    world = by_hour(WORLD, random, base)
    effect = world.tables.hour_effect
    assert world.tables.hour_share @ effect == pytest.approx(0, abs=1e-6)
    for met, curve in ((random, KUAIRAND.random_click_by_hour), (base, KUAIRAND.base_click_by_hour)):
        assert np.corrcoef(effect, np.array(curve))[0, 1] > 0.5
        noon, night = (
            outcome(WORLD, replace(met, appeal=met.appeal + effect[hour])).nested()[0].mean() for hour in (12, 22)
        )
        assert curve[12] > curve[22]
        assert noon > night


def test_a_kind_that_is_seldom_seen_hardly_moves():
    ours, theirs = np.repeat([0, 1], [10_000, 2]), np.repeat([0, 1], [10_002, 0])
    assert share_ratio(ours, theirs, 2) == pytest.approx([1, 1], abs=0.02)


def test_degrees_move_towards_their_published_clicks(trial):
    """The toy's two degrees: the less active ones click more in the log."""
    flat = WORLD.tables.user_mean.copy()
    flat[:, USER_LATENTS.index("appeal")] = 0
    world = replace(WORLD.with_tables(user_mean=flat), columns=(PublicColumn("degree", ("full_active", "low_active")),))
    random, base = (trial.samples[name].as_impressions_in(world, WORLD) for name in ("random", "base"))
    found = by_degree(world, random, base)
    mean = found.tables.user_mean[:, USER_LATENTS.index("appeal")]
    assert mean[1] > mean[0] + 0.1
    half = by_degree(world, random, base, 0.5).tables
    np.testing.assert_allclose(half.user_mean[:, USER_LATENTS.index("appeal")], mean / 2, atol=1e-5)
    np.testing.assert_allclose(half.appeal_scale**2, found.tables.appeal_scale, rtol=1e-3)


def test_mean_and_spread_of_appeal_are_found_again_from_both_click_rates(trial):
    met = tuple(trial.samples[name].as_impressions_in(WORLD, WORLD) for name in ("random", "base"))
    moved = (
        replace(m, appeal=m.appeal + np.float32(0.2) * (1 + m.appeal_residual - m.appeal_residual.mean())) for m in met
    )
    wanted = np.array([logit(outcome(WORLD, m).nested()[0].mean()) for m in moved])
    assert _mean_and_spread(WORLD, met, wanted) == pytest.approx((0.2, 1.2), abs=0.02)


def test_the_mean_of_worlds_lies_between_them():
    t = WORLD.tables
    shares = np.array([0.1, 0.3, 0.6])
    other = WORLD.with_tables(stage=t.stage + 1, tag_share=shares).with_values({"leaving.cost_scale": 3.0})
    found = mean_world([WORLD, other])
    np.testing.assert_allclose(found.tables.stage, t.stage + 0.5, rtol=1e-6)
    np.testing.assert_allclose(found.tables.tag_share, (t.tag_share + shares) / 2)
    assert found.value("leaving.cost_scale") == pytest.approx((3 + WORLD.value("leaving.cost_scale")) / 2)
    assert not table_faults(vars(found.tables), found.columns)


def test_steps_shrink_but_not_too_fast():
    steps = np.array([gain(step) for step in range(1000)])
    assert (np.diff(steps) <= 0).all()
    assert steps.sum() > 10
    assert (steps**2).sum() < 10


def test_answers_are_cut_where_their_published_shares_are(trial):
    met = trial.samples["base"].as_impressions_in(WORLD, WORLD)
    world = cut_answers(WORLD, met)
    low, high = (world.value(f"questionnaire.{name}") for name in ("dissatisfied_below", "satisfied_above"))
    rng = np.random.default_rng(0)
    stages = outcome(WORLD, met).stages
    passed = (stages.cumsum(axis=1) < rng.random((len(met), 1))).sum(axis=1)
    thresholds_s = threshold_seconds(met.duration_s)
    reached = np.concatenate([np.zeros((len(met), 1)), thresholds_s], axis=1)[np.arange(len(met)), passed]
    eligible = (reached >= 7) | (reached >= met.duration_s / 2)
    willing = rng.normal(0, WORLD.value("questionnaire.answer_spread"), len(met))
    answered = eligible & (rng.random(len(met)) < expit(0.3 * met.satisfaction + willing))
    felt = met.satisfaction[answered] + 0.5 * rng.normal(size=answered.sum())
    error = 3 * np.sqrt(0.25 / answered.sum())
    assert (felt < low).mean() == pytest.approx(KUAIRAND.negative_answers, abs=error)
    assert (felt < high).mean() == pytest.approx(KUAIRAND.negative_answers + UNCERTAIN_ANSWERS, abs=error)
