"""`askew/Feed-v0`: Gymnasium's contract, and the same events as a rollout."""

import copy
import warnings
from dataclasses import replace
from functools import cache

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env, data_equivalence
from hypothesis import given, settings
from hypothesis import strategies as st

import simulator.registration  # noqa: F401 # registers askew/Feed-v0
from policies.base import Event, top_k
from policies.events import events_logged
from simulator.environment.episode import ROUNDS_PER_DAY
from simulator.environment.wrappers import FlatNumbers
from simulator.rollout.catalogue import Size
from simulator.rollout.day import canonical
from simulator.rollout.history_buffer import HISTORY
from user_models.testing import toy_world
from user_models.world.parameters import PRESETS

WORLD = toy_world()
SATISFIED_ABOVE = WORLD.value("satisfaction.satisfied_above")
SMALL = {"world": WORLD, "users": 30, "videos": 300, "candidates": 20, "slate_size": 4}


def make(**settings_):
    return gymnasium.make("askew/Feed-v0", **(SMALL | settings_)).unwrapped


@pytest.fixture(scope="module")
def env():
    """A small environment of two days that shows the truth."""
    return make(horizon_days=2, reveal_truth=True)


def taste_of(candidates):
    """Scores that depend on the videos alone."""
    return np.sin(candidates * 0.7).astype(np.float32)


def episode(env, seed, user_id):
    """All steps of an episode under fixed scores."""
    observed, info = env.reset(seed=seed, options={"user_id": user_id})
    steps, over = [], False
    while not over:
        observed, reward, terminated, over, info = env.step(taste_of(observed["candidate_id"]))
        assert not terminated
        steps.append((observed, reward, info))
    return steps


@pytest.mark.parametrize("settings_", [{"users": 31}, {"horizon_days": 3, "reveal_truth": True, "reward": "satisfied"}])
def test_gymnasium_finds_no_fault(settings_):
    """It plays seed 123, whose user has to ask for more than one slate: it refuses to be truncated after one step."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(**settings_))


def test_gymnasium_makes_it_by_module_and_by_name():
    for name in ("askew/Feed-v0", "simulator.registration:askew/Feed-v0"):
        assert gymnasium.make(name, **SMALL).reset(seed=0)[1]["user_id"] in range(30)


def test_the_same_seed_gives_the_same_episodes(env):
    runs = []
    for _ in range(2):
        env.reset(seed=7)
        env.action_space.seed(7)
        seen = []
        for _ in range(40):
            *step, _, over, info = env.step(env.action_space.sample())
            seen.append((step, over, info))
            if over:
                seen.append(env.reset())
        runs.append(seen)
    assert data_equivalence(runs[0], runs[1], exact=True)


def test_seeds_differ_and_so_do_the_episodes_after_one(env):
    users = [env.reset(seed=seed)[1]["user_id"] for seed in range(20)] + [env.reset()[1]["user_id"] for _ in range(20)]
    assert len(set(users)) > 10


@cache
def rollout_log(played_days, seed, days=3):
    """What a rollout logs of all users under the same scores."""

    class ByTaste(played_days.Learner):
        def rank(self, obs, k, noise):
            return top_k(obs, taste_of(obs.candidates), k)

    policy, world = ByTaste(), WORLD.with_values(PRESETS["dense"])
    setting = played_days.prepared(world, Size(30, 300, 0.1), [policy], slate_size=4, rounds=ROUNDS_PER_DAY)
    played_days.play(replace(setting, rollout=replace(setting.rollout, seed=seed)), days=range(days))
    return canonical(policy.updates)


@pytest.mark.parametrize(("user_id", "seed"), [(0, 0), (3, 0), (17, 5), (29, 5)])
def test_an_episode_is_the_rollout_of_its_user(played_days, user_id, seed):
    steps = episode(make(horizon_days=2), seed, user_id)
    log = rollout_log(played_days, seed)
    log = log.take(log.user_id == user_id)
    first = int(log.day[0])
    assert first <= 1
    log = log.take(log.day < first + 2)
    viewed = np.concatenate([info["viewed"] for *_, info in steps])
    for name, want in [("slate", log.video_id), ("watch_s", log.watch_s), ("events", log.events)]:
        assert np.array_equal(np.concatenate([info[name] for *_, info in steps])[viewed], want)
    assert np.array_equal(np.concatenate([info["answer"] for *_, info in steps])[viewed], log.answer)
    assert sum(reward for _, reward, _ in steps) == pytest.approx(log.watch_s.sum(dtype=np.float64))


def test_history_and_context_tell_what_happened(env):
    env.reset(seed=3, options={"user_id": 4})
    assert not env.reset(seed=3, options={"user_id": 4})[0]["history_mask"].any()
    watched, answers, today = [], [0], 0
    for observed, _, info in episode(env, 3, 4):
        viewed = info["viewed"]
        watched += list(zip(info["slate"][viewed].tolist(), info["watch_s"][viewed].tolist(), strict=True))
        answers += info["answer"][info["answer"] > 0].tolist()
        mask = observed["history_mask"].astype(bool)
        seen = (observed[f"history_{name}"][mask].tolist() for name in ("video_id", "watch_s"))
        assert list(zip(*seen, strict=True)) == watched[-HISTORY:]
        assert observed["last_answer"] == answers[-1]
        today = today + viewed.sum() if observed["position"][0] else 0
        assert observed["position"][0] == today
    assert len(answers) > 1
    assert observed["history_events"].shape == (HISTORY, len(events_logged(asks_strongly=False)))


@settings(max_examples=15)
@given(st.integers(0, 2**63 - 1), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6))
def test_no_action_breaks_an_invariant(env, seed, action_seeds):
    observed, _ = env.reset(seed=seed)
    for action_seed in action_seeds:
        action = np.random.default_rng(action_seed).uniform(-1, 1, 20).round(1).astype(np.float32)
        offered = observed["candidate_id"].tolist()
        observed, _, _, over, info = env.step(action)
        assert observed in env.observation_space
        best = sorted(range(20), key=lambda i, scores=action: (-scores[i], i))[:4]
        assert info["slate"].tolist() == [offered[i] for i in best]
        watch_s, viewed = info["watch_s"], info["viewed"]
        length_s = env.settings.platform.videos.duration_s[info["slate"]]
        clicked = (info["events"] & Event.CLICK) > 0
        assert (watch_s >= 0).all()
        assert np.array_equal(clicked, viewed & ((watch_s > 7) | (watch_s >= length_s)))
        assert not info["events"][~viewed].any()
        assert not info["answer"][~viewed].any()
        if over:
            break


def test_truth_is_hidden_unless_revealed():
    hidden, revealed = make(), make(reveal_truth=True)
    for env, shown in ((hidden, False), (revealed, True)):
        observed, info = env.reset(seed=0)
        assert ("truth" in info) == shown
        *_, info = env.step(taste_of(observed["candidate_id"]))
        assert ("truth" in info) == shown
    assert set(info["truth"]) == {"mood", "satisfaction", "appeal"}


def test_a_true_reward_follows_the_truth():
    for observed, reward, info in episode(make(reveal_truth=True, reward="satisfied"), 1, 2):
        satisfied = info["truth"]["satisfaction"][info["viewed"]] > SATISFIED_ABOVE
        assert reward == satisfied.sum() - (~satisfied).sum()
        assert observed is not None


def test_a_reward_may_be_any_function_of_the_log():
    env = make(reward=len)
    for _, reward, info in episode(env, 1, 2):
        assert reward == info["viewed"].sum()
        assert isinstance(reward, float)


def test_a_longer_horizon_goes_on_where_the_shorter_ends():
    short, long = (episode(make(horizon_days=days), 5, 6) for days in (1, 4))
    assert len(long) > len(short)
    for one, other in zip(short, long, strict=False):
        assert np.array_equal(one[2]["slate"], other[2]["slate"])
    assert [int(observed["day"]) for observed, *_ in long] == sorted(int(observed["day"]) for observed, *_ in long)


LEAVES = WORLD.with_tables(return_logit=np.full(3, 9, np.float32)).with_values({"returning.satisfaction": 200.0})
"""Whoever is displeased comes no more."""


@pytest.mark.parametrize("user_id", range(12))
def test_the_horizon_truncates_and_leaving_for_good_terminates(user_id):
    ends = []
    for days in (2, 365):
        env = make(world=LEAVES, horizon_days=days)
        observed, _ = env.reset(seed=1, options={"user_id": user_id})
        n_steps, terminated, truncated = 0, False, False
        while not (terminated or truncated):
            observed, _, terminated, truncated, _ = env.step(taste_of(observed["candidate_id"]))
            n_steps += 1
        assert terminated != truncated
        ends.append((n_steps, terminated))
    (short, left), (long, _) = ends
    assert left == (short == long)


def test_some_leave_for_good_and_some_do_not():
    env = make(world=LEAVES, horizon_days=2)
    ends = []
    for user_id in range(12):
        env.reset(seed=1, options={"user_id": user_id})
        flags = (False, False)
        while not any(flags):
            flags = env.step(np.zeros(20, np.float32))[2:4]
        ends.append(flags)
    assert {(True, False), (False, True)} == set(ends)


def test_a_time_limit_truncates():
    env = gymnasium.make("askew/Feed-v0", max_episode_steps=2, **(SMALL | {"horizon_days": 30}))
    env.reset(seed=0)
    env.step(np.zeros(20, np.float32))
    assert env.step(np.zeros(20, np.float32))[3]


def test_ties_go_to_the_earlier_candidate(env):
    observed, _ = env.reset(seed=0)
    *_, info = env.step(np.zeros(20, np.float32))
    assert np.array_equal(info["slate"], observed["candidate_id"][:4])


def test_ansi_shows_the_user_and_the_last_slate():
    env = make(render_mode="ansi")
    assert env.render() is None
    observed, info = env.reset(seed=0)
    assert env.render().startswith(f"user {info['user_id']} · day ")
    *_, info = env.step(taste_of(observed["candidate_id"]))
    lines = env.render().splitlines()
    assert len(lines) == 5
    for line, video_id, viewed in zip(lines[1:], info["slate"], info["viewed"], strict=True):
        assert f"video {video_id:6d}" in line
        assert ("not reached" in line) == (not viewed)


def test_step_needs_a_reset(env):
    fresh = make()
    with pytest.raises(ResetNeeded, match="call reset first"):
        fresh.step(np.zeros(20, np.float32))
    episode(env, 0, 0)
    with pytest.raises(ResetNeeded, match="call reset first"):
        env.step(np.zeros(20, np.float32))


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"horizon_days": 0}, "horizon_days: 0 given, want a whole number from 1 to 365"),
        ({"slate_size": 21}, "slate_size: 21 given, want a whole number from 1 to 20"),
        ({"candidates": 301}, "candidates: 301 given, want a whole number from 1 to 300"),
        ({"users": 0}, "users: 0 given, want a whole number from 1"),
        ({"views_scale": 0.0}, "views_scale: 0.0 given, want a number above 0 and at most 1"),
        ({"questionnaire": "daily"}, "questionnaire: 'daily' given, want one of easq, saqrec, dense, or None"),
        ({"reward": "clicks"}, "reward: 'clicks' given"),
    ],
)
def test_a_bad_setting_is_refused_by_name(settings_, message):
    with pytest.raises(ValueError, match=message):
        make(**settings_)


@pytest.mark.parametrize(
    ("seed", "options", "message"),
    [
        (0, {"user": 3}, "options: unknown key 'user'; want 'user_id' or nothing"),
        (0, {"user_id": 30}, "options: user_id: 30 given, want a whole number from 0 to 29"),
        (0, {"user_id": "3"}, "options: user_id: '3' given, want a whole number"),
        (2**63, {}, "seed: 9223372036854775808 given, want a whole number from 0 to"),
    ],
)
def test_a_bad_reset_is_refused_by_name(env, seed, options, message):
    with pytest.raises(ValueError, match=message):
        env.reset(seed=seed, options=options)


def test_a_user_who_never_comes_is_named():
    env = make(world=WORLD.with_tables(return_logit=np.full(3, -60, np.float32)))
    with pytest.raises(ValueError, match="user 3 does not come within 365 days of seed 0"):
        env.reset(seed=0, options={"user_id": 3})


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.zeros(19, np.float32), r"scores of shape \(19,\) given, want one per candidate: \(20,\)"),
        (np.full(20, np.nan, np.float32), "score nan given, want finite numbers"),
    ],
)
def test_a_bad_action_is_refused(env, action, message):
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)


def test_the_phone_shows_the_last_view():
    env = make(render_mode="rgb_array", reveal_truth=True)
    assert env.render() is None
    observed, _ = env.reset(seed=0)
    loading = env.render()
    assert loading.shape == (540, 300, 3)
    assert loading.dtype == np.uint8
    *_, info = env.step(taste_of(observed["candidate_id"]))
    assert len(env.pictures()) == info["viewed"].sum()
    assert not np.array_equal(env.render(), loading)
    assert np.array_equal(env.render(), env.pictures()[-1])


def test_the_mood_is_on_the_phone_only_where_truth_is_revealed():
    shown = []
    for reveal_truth in (False, True):
        env = make(render_mode="rgb_array", reveal_truth=reveal_truth)
        env.reset(seed=0)
        shown.append(env.render())
    differs = (shown[0] != shown[1]).any(axis=(1, 2))
    assert differs.any()
    assert not differs[50:].any()


def act(action_seed):
    """Scores by a seed of their own."""
    return np.random.default_rng(action_seed).uniform(-1, 1, 20).astype(np.float32)


def behaviour(env, action_seed, n_steps=12):
    """What the next steps show; a new episode is begun where one ends, and in the end one more."""
    shown = []
    for i in range(n_steps):
        step = env.step(act(action_seed + i))
        shown.append(step)
        if step[2] or step[3]:
            shown.append(env.reset())
    return [*shown, env.reset(), env.action_space.sample()]


def view_of(env):
    """Everything that a policy may read of the waiting request."""
    offer = env.unwrapped.offer
    return vars(offer.history), offer.candidates, offer.day, offer.hour, offer.position


@settings(max_examples=15)
@given(
    st.integers(0, 2**20),
    st.lists(st.integers(0, 99), max_size=4),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 99)), min_size=1, max_size=10),
)
def test_a_copy_and_its_original_never_touch_each_other(seed, before, turns):
    settings_ = {"horizon_days": 30, "reveal_truth": True, "render_mode": "ansi"}
    env = make(**settings_)
    env.reset(seed=seed)
    for action_seed in before:
        env.step(act(action_seed))
    both, histories = (env, copy.deepcopy(env)), (list(before), list(before))
    shown = ([], [])
    for who, action_seed in turns:
        histories[who].append(action_seed)
        shown[who].append((both[who].step(act(action_seed)), view_of(both[who]), both[who].render()))
        assert data_equivalence(view_of(both[1 - who]), view_of(both[1 - who]), exact=True)
    for who in (0, 1):
        alone = make(**settings_)
        alone.reset(seed=seed)
        again = [(alone.step(act(i)), view_of(alone), alone.render()) for i in histories[who]]
        assert data_equivalence(again[len(before) :], shown[who], exact=True)
        assert data_equivalence(view_of(alone), view_of(both[who]), exact=True)


def test_a_copy_keeps_its_waiting_request_while_the_original_goes_on():
    env = make(horizon_days=30)
    env.reset(seed=0)
    env.step(act(0))
    other = copy.deepcopy(env)
    before = copy.deepcopy(view_of(other))
    first = [env.step(act(i)) for i in (1, 2, 3)]
    assert data_equivalence(before, view_of(other), exact=True)
    assert data_equivalence(first, [other.step(act(i)) for i in (1, 2, 3)], exact=True)


def test_a_request_that_is_held_keeps_its_history():
    env = make(horizon_days=30)
    env.reset(seed=0)
    offer = env.offer
    env.step(act(0))
    assert not offer.history.mask.any()
    assert env.offer.history.mask.any()


class Growing:
    """A reward that counts the slates it has paid for."""

    def __init__(self):
        self.n = 0

    def __call__(self, feedback):
        self.n += 1
        return self.n


def test_a_copy_has_a_reward_of_its_own():
    env = make(reward=Growing(), horizon_days=30)
    env.reset(seed=0)
    other = copy.deepcopy(env)
    assert [env.step(act(0))[1], env.step(act(0))[1], other.step(act(0))[1]] == [1, 2, 1]


@pytest.mark.parametrize("n_steps", [None, 0, 5])
@pytest.mark.parametrize("settings_", [{}, {"reward": "satisfied", "reveal_truth": True}])
def test_a_stored_environment_goes_on_as_the_original(stored, n_steps, settings_):
    env = gymnasium.make("askew/Feed-v0", max_episode_steps=20, **(SMALL | {"horizon_days": 3} | settings_))
    if n_steps is not None:
        env.reset(seed=3)
        for i in range(n_steps):
            env.step(act(i))
    else:
        env.unwrapped.np_random = np.random.default_rng(4)
    env.action_space.seed(9)
    other = stored(env)
    if n_steps is None:
        assert data_equivalence(env.reset(), other.reset(), exact=True)
    assert data_equivalence(behaviour(env, 50), behaviour(other, 50), exact=True)


@pytest.mark.parametrize("given", [{}, {"max_episode_steps": 3}, {"render_mode": "ansi", "reward": "p2n"}])
def test_a_spec_comes_back_from_json_and_makes_the_same_environment(given):
    plain = {key: value for key, value in SMALL.items() if key != "world"}
    env = FlatNumbers(gymnasium.make("askew/Feed-v0", **plain, **given))
    read = EnvSpec.from_json(env.spec.to_json())
    assert read == env.spec
    for spec in (read, env.spec):
        other = gymnasium.make(spec)
        assert other.spec == env.spec
        assert str(other) == str(env)
        assert data_equivalence(env.reset(seed=1), other.reset(seed=1), exact=True)
        assert data_equivalence(env.step(act(0)), other.step(act(0)), exact=True)


def test_a_spec_with_a_world_makes_the_same_environment():
    env = gymnasium.make("askew/Feed-v0", **SMALL)
    assert data_equivalence(env.reset(seed=1), gymnasium.make(env.spec).reset(seed=1), exact=True)


def test_the_form_of_a_questionnaire_is_seen_where_there_are_two():
    """The last column of `history_events`, and a bit of what was logged."""
    values = {"questionnaire.ask": 1.0, "questionnaire.most_per_day": 1000.0, "questionnaire.cool_down_days": 0.0}
    world = toy_world().with_values({**values, "questionnaire.strong_share": 0.5})
    env = make(world=world, questionnaire=None)
    assert env.observation_space["history_events"].shape == (HISTORY, len(Event))
    env.reset(seed=3)
    logged = []
    for _ in range(3):
        observed, _, _, over, info = env.step(np.zeros(20, np.float32))
        if over:
            break
        logged += [int(events) for events, viewed in zip(info["events"], info["viewed"], strict=True) if viewed]
        strong = observed["history_events"][observed["history_mask"] > 0][-len(logged) :, -1]
        assert strong.tolist() == [int(events & Event.ASKED_STRONGLY > 0) for events in logged]
    assert len({events & Event.ASKED_STRONGLY for events in logged}) == 2
