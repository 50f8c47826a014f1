"""The vector environment: the same events as single environments, whoever is served beside them."""

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

import simulator.registration  # noqa: F401 # registers askew/Feed-v0
from simulator.vector_env import Queue
from user_models.toy import toy_world

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
    n, n_steps = 64, 25
    envs = vector(n, **settings)
    observed, info = envs.reset(seed=11)
    replays = [Replay(single(**settings), info["seed"][i], info["user_id"][i]) for i in range(n)]
    over, begun = np.zeros(n, bool), n
    for _ in range(n_steps):
        before = over
        observed, paid, over, truncated, info = envs.step(taste_of(observed["candidate_id"]))
        assert not truncated.any()
        for i in range(n):
            if before[i]:
                begun += 1
                replays[i] = Replay(replays[i].env, info["seed"][i], info["user_id"][i])
                assert same_observation(observed, i, replays[i].seen[0])
                assert paid[i] == 0
                assert not over[i]
                continue
            one, reward, ended, _, told = replays[i].step()
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
    queue = Queue(np.random.default_rng(0), 7, 3)
    users, seeds = (np.concatenate(parts) for parts in zip(*(queue.take(n) for n in (5, 5, 18)), strict=True))
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
