"""What views leave behind in users: satiation, drift, habituation, and who is asked."""

import numpy as np
import pytest
from scipy.special import logit

from user_models.dynamics import kernel
from user_models.dynamics.kernel import MOST_FELT
from user_models.dynamics.state import Response
from user_models.testing import toy_world

D = 8
STILL = {"drift.gain": 0.0, "drift.noise": 0.0, "satiation.strength": 0.0, "habituation.strength": 0.0}


def lived(world, slates, day=0, state=None, rested=None):
    """Responses to slates of users 0, 1, ... who never tire, and the state after."""
    n, k = slates.shape
    users = world.draw_users(np.arange(n), seed=1).latents
    videos = world.draw_videos(200, seed=2).latents
    state = rested(n) if state is None else state
    out = Response(
        *(np.zeros((n, k), t) for t in (bool, np.float32, np.uint16, np.int8, np.float32, np.float32, np.float32))
    )
    keys = np.arange(n, dtype=np.uint64) * np.uint64(977)
    kernel.respond(keys, np.arange(n), slates, day, users, videos, state, world.rules(1.0), out)
    return out, state, videos


def random_slates(n=50, k=40):
    return np.random.default_rng(0).integers(0, 200, (n, k), dtype=np.int32)


def test_appeal_falls_by_likeness_to_the_topics_just_seen(rested):
    tired, calm = (toy_world().with_values({**STILL, "satiation.strength": s}) for s in (0.5, 0.0))
    slates = np.zeros((1, 2), np.int32) + np.array([3, 9], np.int32)
    with_it, _, videos = lived(tired, slates, rested=rested)
    without, _, _ = lived(calm, slates, rested=rested)
    seen = videos.topic[3] / toy_world().value("satiation.memory_views")
    assert with_it.appeal[0, 0] == without.appeal[0, 0]
    assert without.appeal[0, 1] - with_it.appeal[0, 1] == pytest.approx(0.5 * seen @ videos.topic[9], abs=1e-5)


def test_the_same_topic_again_and_again_satiates(rested):
    world = toy_world().with_values({**STILL, "satiation.strength": 0.5})
    out, state, videos = lived(world, np.full((1, 60), 5, np.int32), rested=rested)
    assert (np.diff(out.appeal[0, 2:]) < 0.3).all()  # momentum aside
    drop = 0.5 * videos.topic[5] @ videos.topic[5]
    kept = (1 - 1 / world.value("satiation.memory_views")) ** 60
    np.testing.assert_allclose(state.seen[0], (1 - kept) * videos.topic[5], rtol=1e-4)
    assert out.appeal[0, :2].mean() - out.appeal[0, -2:].mean() == pytest.approx(drop * (1 - kept), abs=0.35)


def test_taste_leans_towards_the_topics_that_pleased(rested):
    world = toy_world().with_values({**STILL, "drift.gain": 0.1})
    out, state, videos = lived(world, random_slates(), rested=rested)
    step = world.rules(1.0).drift_step
    wanted = np.zeros_like(state.leaning)
    for felt, topic in zip(
        np.clip(out.satisfaction, -MOST_FELT, MOST_FELT).T, videos.topic[random_slates()].swapaxes(0, 1), strict=True
    ):
        wanted += step * (felt[:, None] * topic - wanted)
    np.testing.assert_allclose(state.leaning, wanted, atol=1e-6)


def test_taste_does_not_run_away(rested):
    """One video that pleases, seen a thousand times: the lean stays within what its topic can give."""
    world = toy_world().with_values({**STILL, "drift.gain": 10.0, "leaving.cost_scale": 0.001})
    slates = np.tile(np.array([[7]], np.int32), (1, 1000))
    _, state, videos = lived(world, slates, rested=rested)
    assert (np.abs(state.leaning) <= MOST_FELT * np.abs(videos.topic[7]) + 1e-5).all()
    assert np.abs(state.leaning).max() > 0.1


def test_bait_met_before_takes_from_the_appeal_of_bait(rested):
    world = toy_world().with_values({**STILL, "habituation.strength": 0.5})
    wary, naive = rested(2), rested(2)
    wary.wary[:] = 1.0
    slates = np.array([[4], [17]], np.int32)
    after, _, videos = lived(world, slates, state=wary)
    before, _, _ = lived(world, slates, state=naive)
    np.testing.assert_allclose((before.appeal - after.appeal)[:, 0], 0.5 * videos.bait[[4, 17]], atol=1e-5)


def test_whoever_met_less_bait_than_usual_is_not_drawn_to_it(rested):
    world = toy_world().with_values({**STILL, "habituation.strength": 0.5})
    spared = rested(1)
    spared.wary[:] = -1.0
    slate = np.array([[4]], np.int32)
    assert lived(world, slate, state=spared)[0].appeal == lived(world, slate, rested=rested)[0].appeal


def test_bait_is_remembered_for_days_of_average_viewing(rested):
    world = toy_world()
    _, state, videos = lived(world, np.full((1, 2000), 7, np.int32), rested=rested)
    kept = (1 - world.rules(1.0).wary_step) ** 2000
    assert state.wary[0] == pytest.approx((1 - kept) * videos.bait[7], rel=1e-3)


def nights(world, n_users, n_nights, rested):
    state, users = rested(n_users), world.draw_users(np.arange(n_users), seed=1).latents
    for night in range(n_nights):
        keys = np.empty(n_users, np.uint64)
        kernel.hash_keys(np.uint64(5), np.arange(n_users), night, np.zeros(n_users, np.int32), keys)
        kernel.open_day(keys, night, users, state, world.rules(1.0))
    return state


def test_drift_of_taste_keeps_its_stationary_spread(rested):
    world = toy_world().with_values({"drift.noise": 0.05, "drift.kept": 0.8})
    state = nights(world, 2_000, 30, rested)
    spread = 0.05 / np.sqrt(1 - 0.8**2)
    error = 3 * spread / np.sqrt(2 * state.leaning.size)
    assert state.leaning.std() == pytest.approx(spread, abs=error)
    assert abs(np.corrcoef(state.leaning.T)[0, 1]) < 3 / np.sqrt(2_000)


def test_what_was_seen_fades_overnight(rested):
    world = toy_world().with_values({"satiation.kept": 0.25})
    state = rested(1)
    state.seen[:] = 1.0
    users = world.draw_users(np.arange(1), seed=1).latents
    kernel.open_day(np.ones(1, np.uint64), 0, users, state, world.rules(1.0))
    np.testing.assert_allclose(state.seen, 0.25)


def test_weekends_bring_more_sessions(rested):
    world = toy_world()
    weekday = np.array([0.5, 1, 1, 1, 1, 1.5, 1.5], np.float32)
    world = world.with_tables(weekday=weekday)
    users = world.draw_users(np.arange(4_000), seed=1).latents
    extra = []
    for day in (0, 5):
        state, keys = rested(4_000), np.empty(4_000, np.uint64)
        kernel.hash_keys(np.uint64(5), np.arange(4_000), day, np.zeros(4_000, np.int32), keys)
        kernel.open_day(keys, day, users, state, world.rules(1.0))
        came = state.sessions_left.sum(axis=1) > 0
        extra.append((state.sessions_left.sum(axis=1)[came] - 1).mean())
    assert extra[1] / extra[0] == pytest.approx(3, rel=0.1)


ASKED = {"questionnaire.ask": 1.0, "questionnaire.cool_down_days": 0.0, "questionnaire.most_per_day": 1000.0}


def asked(out):
    return (out.events & 1024) > 0


def test_no_more_questionnaires_than_the_cap(rested):
    world = toy_world().with_values({**ASKED, "questionnaire.most_per_day": 2.0})
    out, state, _ = lived(world, random_slates(), rested=rested)
    assert (asked(out).sum(axis=1) == 2).all()
    assert (state.asked == 2).all()


def test_long_views_are_asked_about_more_often_when_targeted(rested):
    world = toy_world().with_values({**ASKED, "questionnaire.ask": 0.1, "questionnaire.ask_long_views": 5.0})
    out, _, videos = lived(world, random_slates(400), rested=rested)
    duration_s = videos.duration_s[random_slates(400)]
    eligible = (out.watch_s >= 7) | (out.watch_s >= 0.5 * duration_s)
    long_view = (out.events & 2) > 0
    for group, chance in ((eligible & ~long_view, 0.1), (eligible & long_view, 0.5)):
        n = group.sum()
        assert asked(out)[group].mean() == pytest.approx(chance, abs=3 * np.sqrt(chance * (1 - chance) / n))


@pytest.fixture
def asked_in_both_forms(rested):
    """Questionnaires about the same views, none of them strong and a share of them, with the world of the latter."""
    values = {"questionnaire.ask": 1.0, "questionnaire.cool_down_days": 0.0, "questionnaire.most_per_day": 1000.0}
    plain = toy_world().with_values(values)
    strong = {"strong_share": 0.3, "strong_boost": 1.5, "strong_displeased": 0.4}
    world = plain.with_values({f"questionnaire.{name}": value for name, value in strong.items()})
    slates = random_slates(n=200)
    return (*(lived(each, slates, rested=rested)[0] for each in (plain, world)), world)


def test_the_strong_form_changes_nothing_but_who_answers(asked_in_both_forms):
    plain, mixed, _ = asked_in_both_forms
    strong = (mixed.events & kernel.ASKED_STRONGLY) > 0
    assert not (plain.events & kernel.ASKED_STRONGLY).any()
    for name in ("viewed", "watch_s", "satisfaction", "appeal"):
        assert np.array_equal(getattr(plain, name), getattr(mixed, name))
    assert np.array_equal(plain.events[~strong], mixed.events[~strong])
    assert np.array_equal(plain.propensity[~strong], mixed.propensity[~strong])
    answered_anyway = strong & (plain.answer > 0)
    assert np.array_equal(plain.answer[answered_anyway], mixed.answer[answered_anyway])


def test_a_random_share_is_asked_strongly(asked_in_both_forms):
    """Of asked views alone, whatever they were like."""
    _, mixed, _ = asked_in_both_forms
    asked, strong = (mixed.events & kernel.ASKED) > 0, (mixed.events & kernel.ASKED_STRONGLY) > 0
    assert not (strong & ~asked).any()
    assert strong.sum() == pytest.approx(0.3 * asked.sum(), abs=4 * np.sqrt(0.21 * asked.sum()))
    gap = mixed.satisfaction[strong].mean() - mixed.satisfaction[asked & ~strong].mean()
    assert abs(gap) < 4 * mixed.satisfaction[asked].std() / np.sqrt(0.7 * strong.sum())


def test_the_boost_works_better_on_the_displeased_if_the_world_says_so(asked_in_both_forms):
    plain, mixed, world = asked_in_both_forms
    strong = (mixed.events & kernel.ASKED_STRONGLY) > 0
    gained = logit(mixed.propensity[strong].astype(float)) - logit(plain.propensity[strong].astype(float))
    displeased = mixed.satisfaction[strong] < world.value("questionnaire.dissatisfied_below")
    assert displeased.any()
    np.testing.assert_allclose(gained, np.where(displeased, 1.5 * 1.4, 1.5), atol=1e-3)
