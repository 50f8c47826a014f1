"""The vector environment: the same events as single environments, whoever is served beside them."""

import copy

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

import simulator.registration  # noqa: F401 # registers askew/Feed-v0
from simulator.environment.vector_queue import UserQueue
from user_models.testing import toy_world

WORLD = toy_world()
SMALL = {"world": WORLD, "users": 90, "videos": 300, "candidates": 20, "slate_size": 4, "horizon_days": 2}
STEP_KEYS = ("slate", "viewed", "watch_s", "events", "answer")


def vector(num_envs, **settings):
    return gymnasium.make_vec("askew/Feed-v0", num_envs=num_envs, **(SMALL | settings)).unwrapped


def single(**settings):
    return gymnasium.make("askew/Feed-v0", **(SMALL | settings)).unwrapped


def taste_of(candidates):
    """Scores that depend on the videos alone."""
    return np.sin(candidates * 0.7).astype(np.float32)


class Replay:
    """The single environment that shows what one place of a vector environment shows."""

    def __init__(self, env, seed, user_id):
        self.env = env
        self.seen = env.reset(seed=int(seed), options={"user_id": int(user_id)})

    def step(self):
        return self.env.step(taste_of(self.seen[0]["candidate_id"]))


def same_observation(whole, row, one):
    return all(np.array_equal(whole[key][row], one[key]) for key in one)


@pytest.mark.parametrize("settings", [{}, {"reward": "satisfied", "reveal_truth": True}, {"reward": len}])
def test_every_place_shows_the_events_of_a_single_environment(settings):
    n, n_steps = 16, 25
    envs = vector(n, **settings)
    observed, info = envs.reset(seed=11)
    one_alone = single(**settings)
    replays = [Replay(copy.deepcopy(one_alone), info["seed"][i], info["user_id"][i]) for i in range(n)]
    over, begun = np.zeros(n, bool), n
    for _ in range(n_steps):
        before = over
        observed, paid, gone, over, info = envs.step(taste_of(observed["candidate_id"]))
        assert not gone.any()
        for i in range(n):
            if before[i]:
                begun += 1
                replays[i] = Replay(replays[i].env, info["seed"][i], info["user_id"][i])
                assert same_observation(observed, i, replays[i].seen[0])
                assert paid[i] == 0
                assert not over[i]
                continue
            one, reward, _, ended, told = replays[i].step()
            replays[i].seen = (one, told)
            assert same_observation(observed, i, one)
            assert paid[i] == pytest.approx(reward, abs=1e-4)
            assert over[i] == ended
            assert info["_slate"][i]
            for key in STEP_KEYS:
                assert np.array_equal(info[key][i], told[key])
            if "truth" in told:
                for key, value in told["truth"].items():
                    assert np.array_equal(info["truth"][key][i], value)
    assert begun > n


def test_everything_is_repeated_under_the_same_seed():
    runs = []
    for _ in range(2):
        envs = vector(8)
        observed, _ = envs.reset(seed=5)
        paid = []
        for _ in range(30):
            observed, reward, *_ = envs.step(taste_of(observed["candidate_id"]))
            paid.append(reward)
        runs.append(np.array(paid))
    assert np.array_equal(*runs)


def test_observations_lie_in_the_space_and_belong_to_the_caller():
    envs = vector(5)
    observed, _ = envs.reset(seed=0)
    assert observed in envs.observation_space
    kept = {key: array.copy() for key, array in observed.items()}
    observed["candidate_id"][:] = 0
    after, *_, info = envs.step(taste_of(kept["candidate_id"]))
    assert set(info["slate"][0]) <= set(kept["candidate_id"][0])
    assert after in envs.observation_space
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


def test_users_can_be_chosen_and_resets_without_a_seed_go_on():
    envs = vector(3)
    assert envs.reset(seed=1, options={"user_id": [4, 5, 4]})[1]["user_id"].tolist() == [4, 5, 4]
    first = vector(90).reset(seed=1)[1]["user_id"]
    assert sorted(first) == list(range(90))
    assert not np.array_equal(envs.reset()[1]["user_id"], envs.reset()[1]["user_id"])


def test_nobody_is_met_twice_under_one_seed():
    queue = UserQueue(np.random.default_rng(0), 7, 3)
    users, seeds = (
        np.concatenate(parts) for parts in zip(*(queue.take(np.arange(n)) for n in (5, 5, 18)), strict=True)
    )
    assert len(set(zip(users.tolist(), seeds.tolist(), strict=True))) == 28
    assert len(set(seeds.tolist())) == 4
    assert (seeds[:7] == 3).all()


def test_step_needs_a_reset():
    with pytest.raises(ResetNeeded, match="call reset first"):
        vector(2).step(np.zeros((2, 20), np.float32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": [1, 2]}, "options: unknown key 'user'"),
        ({"user_id": [1]}, r"user_id \[1\] given, want 2 whole numbers, one per environment"),
        ({"user_id": [1, 90]}, r"user_id \[1, 90\] given, want whole numbers from 0 to 89"),
        ({"user_id": [0.5, 1]}, "want 2 whole numbers"),
    ],
)
def test_a_bad_reset_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        vector(2).reset(seed=0, options=options)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros((2, 19), np.float32), r"scores of shape \(2, 19\) given, want \(2, 20\)"),
        (np.full((2, 20), np.inf, np.float32), "score inf given, want finite numbers"),
    ],
)
def test_a_bad_action_is_refused(actions, message):
    envs = vector(2)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        envs.step(actions)


def test_no_environment_is_refused():
    with pytest.raises(ValueError, match="num_envs: 0 given, want a whole number from 1"):
        vector(0)


def test_a_user_who_never_comes_is_named():
    envs = vector(2, world=WORLD.with_tables(return_logit=np.full(3, -60, np.float32)))
    with pytest.raises(ValueError, match="user 3 does not come within 365 days of seed 0"):
        envs.reset(seed=0, options={"user_id": [3, 3]})


LEAVES = WORLD.with_tables(return_logit=np.full(3, 9, np.float32)).with_values({"returning.satisfaction": 200.0})
"""Whoever is displeased comes no more."""


def own(mode, num_envs=5, **settings):
    """Gymnasium's own vector environment of single ones."""
    return gymnasium.make_vec("askew/Feed-v0", num_envs=num_envs, vectorization_mode=mode, **(SMALL | settings))


def same_step(one, other):
    """Whether two vector environments show the same; what is told of a step only where there was one."""
    *shown, info = one
    *others, told = other
    if not data_equivalence(shown[0], others[0], exact=True):
        return False
    if not all(np.allclose(a, b, atol=1e-4) for a, b in zip(shown[1:], others[1:], strict=True)):
        return False
    for key in ("user_id", "seed"):
        if not np.array_equal(info[key], told[key]):
            return False
    where = told.get("_slate", np.zeros(len(told["seed"]), bool))
    if not np.array_equal(where, info.get("_slate", np.zeros_like(where))):
        return False
    return not where.any() or all(np.array_equal(info[key][where], told[key][where]) for key in STEP_KEYS)


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("settings", [{}, {"max_episode_steps": 3}, {"world": LEAVES, "max_episode_steps": 9}])
def test_a_list_of_seeds_and_a_limit_of_steps_do_as_in_gymnasiums_own(mode, settings):
    seeds = [4, 9, 2**40, 4, 0]
    envs, others = vector(5, **settings), own(mode, **settings)
    before, after = envs.reset(seed=seeds), others.reset(seed=seeds)
    assert before[1]["seed"].tolist() == seeds
    assert data_equivalence(before[0], after[0], exact=True)
    ended = np.zeros(2, int)
    for i in range(45):
        actions = np.random.default_rng(i).uniform(-1, 1, (5, 20)).astype(np.float32)
        one, other = envs.step(actions), others.step(actions)
        assert same_step(one, other)
        ended += one[2].sum(), one[3].sum()
        if i == 30:
            assert data_equivalence(envs.reset()[0], others.reset()[0], exact=True)
    others.close()
    assert ended[1] > 5
    assert (ended[0] > 0) == ("world" in settings)


def test_an_environment_without_a_seed_goes_on_with_its_own_draws():
    envs, others = vector(3), own("sync", 3)
    for seeds in ([1, 2, 3], [7, None, None], [None, None, 5]):
        assert data_equivalence(envs.reset(seed=seeds)[0], others.reset(seed=seeds)[0], exact=True)


def test_a_reset_with_one_seed_after_a_list_plays_that_seed_for_all():
    envs = vector(3)
    first = envs.reset(seed=5)
    envs.reset(seed=[1, 2, 3])
    assert data_equivalence(first, envs.reset(seed=5), exact=True)


def test_numbers_of_an_array_are_seeds_too():
    envs = vector(3)
    assert envs.reset(seed=np.array([3, 1, 2]))[1]["seed"].tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ([1], "seed: 1 seeds given, want 2, one per environment"),
        ([1, -1], r"seed\[1\]: -1 given, want a whole number from 0 to"),
        ([1, 2**63], r"seed\[1\]: 9223372036854775808 given"),
    ],
)
def test_bad_seeds_are_refused(seeds, message):
    with pytest.raises(ValueError, match=message):
        vector(2).reset(seed=seeds)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_episode_steps": 0}, "max_episode_steps: 0 given, want a whole number from 1 to"),
        ({"max_episode_steps": True}, "max_episode_steps: True given"),
        ({"render_mode": "rgb_array"}, "render_mode: 'rgb_array' given, but feeds served together show nothing"),
    ],
)
def test_what_many_at_once_cannot_do_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        vector(2, **settings)


def actions_of(i, n):
    return np.random.default_rng(i).uniform(-1, 1, (n, 20)).astype(np.float32)


def behaviour(envs):
    """What the next steps show, and a reset after them."""
    return [*(envs.step(actions_of(i, 4)) for i in range(30)), envs.reset(), envs.action_space.sample()]


@pytest.mark.parametrize("begun", [None, 3, [5, 1, 8, 8]])
def test_a_stored_environment_goes_on_as_the_original(stored, begun):
    envs = gymnasium.make_vec("askew/Feed-v0", num_envs=4, max_episode_steps=20, **SMALL)
    envs.action_space.seed(9)
    if begun is not None:
        envs.reset(seed=begun)
        for i in range(25):
            envs.step(actions_of(i, 4))
    else:
        envs.np_random = np.random.default_rng(4)
    other = stored(envs)
    if begun is None:
        assert data_equivalence(envs.reset(), other.reset(), exact=True)
    assert data_equivalence(behaviour(envs), behaviour(other), exact=True)


@settings(max_examples=8)
@given(st.lists(st.integers(0, 99), max_size=4), st.lists(st.tuples(st.integers(0, 1), st.integers(0, 99)), max_size=8))
def test_a_copy_and_its_original_never_touch_each_other(before, turns):
    def begun():
        envs = vector(3)
        envs.reset(seed=2)
        return envs

    def step(envs, i):
        return envs.step(actions_of(i, 3)), [(rows, vars(obs.history)) for rows, obs in envs.requests()]

    envs = begun()
    for i in before:
        step(envs, i)
    both, shown, played = (envs, copy.deepcopy(envs)), ([], []), (list(before), list(before))
    for who, i in turns:
        shown[who].append(step(both[who], i))
        played[who].append(i)
    for who in (0, 1):
        alone = begun()
        assert data_equivalence([step(alone, i) for i in played[who]][len(before) :], shown[who], exact=True)


def test_a_spec_comes_back_from_json_and_makes_the_same_environments():
    plain = {key: value for key, value in SMALL.items() if key != "world"}
    envs = gymnasium.make_vec("askew/Feed-v0", num_envs=3, max_episode_steps=4, **plain)
    read = EnvSpec.from_json(envs.spec.to_json())
    assert read == envs.spec
    for spec in (read, envs.spec):
        other = gymnasium.make_vec(spec)
        assert other.spec == envs.spec
        assert data_equivalence(envs.reset(seed=1), other.reset(seed=1), exact=True)


@pytest.mark.parametrize("wrapper", ["RecordEpisodeStatistics", "DictInfoToList", "FlattenObservation"])
def test_gymnasiums_own_vector_wrappers_go_on_top(wrapper):
    import gymnasium.wrappers.vector as wrappers

    envs = getattr(wrappers, wrapper)(vector(3, max_episode_steps=2))
    envs.reset(seed=0)
    infos = [envs.step(actions_of(i, 3))[4] for i in range(4)]
    if wrapper == "DictInfoToList":
        assert [set(info) >= {"user_id", "seed", "slate"} for info in infos[0]] == [True] * 3
        assert all("slate" not in info for info in infos[2])
    if wrapper == "RecordEpisodeStatistics":
        assert infos[1]["episode"]["l"].tolist() == [2, 2, 2]
