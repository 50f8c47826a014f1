"""Agents trained in the environment, served as arms: the same actions, and worth more than chance."""

import re
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from torch import nn

import simulator.registration  # noqa: F401 # registers askew/Feed-v0
from policies.agents.agent_policy import AgentPolicy
from policies.noise import KeyedNoise
from policies.registry import build_policy
from policies.storage import PolicyFolderError
from policies.testing.conformance import check_policy
from simulator.environment.agents import AgentError, save_agent
from simulator.environment.vector_env import FeedVectorEnv
from simulator.environment.wrappers import CandidateWeights, FlatNumbers, SingleVideo
from simulator.run import run
from simulator.spec.experiment import parse_spec
from user_models.testing import toy_world

WORLD = toy_world()
SMALL = {"world": WORLD, "users": 30, "videos": 300, "candidates": 10, "slate_size": 2}


def flat(wrap=lambda env: env, **changes):
    return FlatNumbers(wrap(gymnasium.make("askew/Feed-v0", **(SMALL | changes))))


def met(env, steps=12):
    """Some observations, as the environment and as a policy sees them."""
    observed, _ = env.reset(seed=4)
    for _ in range(steps):
        yield observed, env.unwrapped.offer
        observed, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            observed, _ = env.reset()


def slates(policy, offer):
    return policy.rank(offer, 2, KeyedNoise(np.zeros(1, np.uint64)))[0]


@pytest.mark.parametrize(("wrap", "action"), [(lambda env: env, "scores"), (CandidateWeights, "weights")])
def test_a_ppo_agent_serves_what_it_would_do_in_the_environment(wrap, action, tmp_path):
    sb3 = pytest.importorskip("stable_baselines3")
    env = flat(wrap)
    model = sb3.PPO("MlpPolicy", env, n_steps=32, batch_size=32, seed=0)
    model.learn(64)
    save_agent(model, tmp_path / "agent", action)
    policy = build_policy("agent", {"folder": str(tmp_path / "agent")})
    for observed, offer in met(env):
        said = model.predict(observed, deterministic=True)[0]
        scores = said if action == "scores" else env.env.action(said)
        assert policy.scores(offer)[0] == pytest.approx(scores, abs=1e-5)
        assert slates(policy, offer)[0] == offer.candidates[0, np.argmax(scores)]


def test_a_dqn_agent_serves_its_favourite_first(tmp_path):
    sb3 = pytest.importorskip("stable_baselines3")
    env = flat(SingleVideo, slate_size=1)
    model = sb3.DQN("MlpPolicy", env, learning_starts=10, buffer_size=500, seed=0)
    model.learn(60)
    save_agent(model, tmp_path / "agent")
    policy = AgentPolicy(str(tmp_path / "agent"))
    for observed, offer in met(env):
        assert slates(policy, offer)[0] == offer.candidates[0, int(model.predict(observed, deterministic=True)[0])]


def test_a_torchrl_network_serves_its_outputs(tmp_path):
    modules = pytest.importorskip("torchrl.modules")
    env = flat()
    n_inputs = env.observation_space.shape[0]
    with torch.random.fork_rng():
        network = modules.MLP(n_inputs, 10, num_cells=[16, 8], activation_class=nn.ReLU)
    save_agent(network, tmp_path / "agent")
    policy = AgentPolicy(str(tmp_path / "agent"))
    for observed, offer in met(env):
        with torch.no_grad():
            assert policy.scores(offer)[0] == pytest.approx(network(torch.from_numpy(observed)).numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (object(), "an agent of type object given, want a PPO, A2C or DQN"),
        (nn.Sequential(nn.Linear(3, 2), nn.Softmax(1)), "a network of Linear, Softmax given"),
        (nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)), "a network of Linear, Linear given"),
        (
            nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)),
            "with one of tanh and",
        ),
        (nn.Sequential(), "a network of nothing given"),
    ],
)
def test_what_cannot_be_written_is_refused(model, message, tmp_path):
    with pytest.raises(AgentError, match=message):
        save_agent(model, tmp_path / "agent")


def test_an_agent_for_other_candidates_is_refused_in_one_line(tmp_path):
    save_agent(nn.Sequential(nn.Linear(7, 10)), tmp_path / "agent")
    env = flat()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="agent reads 7 numbers, but 10 candidates give"):
        AgentPolicy(str(tmp_path / "agent")).scores(env.unwrapped.offer)


def test_a_damaged_folder_is_refused_in_one_line(tmp_path):
    save_agent(nn.Sequential(nn.Linear(7, 10)), tmp_path / "agent")
    path = tmp_path / "agent" / "policy.json"
    path.write_text(path.read_text().replace('"tanh"', '"sin"'))
    with pytest.raises(PolicyFolderError, match="activation 'sin' and action 'scores' found"):
        AgentPolicy(str(tmp_path / "agent"))
    path.write_text(path.read_text().replace('"layers": 1', '"layers": "many"'))
    with pytest.raises(PolicyFolderError, match="layers 'many' found, want 1 to 100"):
        AgentPolicy(str(tmp_path / "agent"))


@pytest.mark.parametrize(("action", "n_outputs"), [("scores", 12), ("weights", 6)])
def test_an_agent_keeps_the_contract(action, n_outputs, tmp_path):
    n_inputs = 2 + 7 + 12 * (2 + 4)  # the check's users have 2 features, its videos 2, its requests 12 candidates
    with torch.random.fork_rng():
        save_agent(nn.Sequential(nn.Linear(n_inputs, 8), nn.Tanh(), nn.Linear(8, n_outputs)), tmp_path / "a", action)
    check_policy(lambda: AgentPolicy(str(tmp_path / "a")))


def test_an_agent_is_an_arm_by_its_folder(world, tmp_path):
    env = flat(CandidateWeights)
    env.reset(seed=0)
    n_inputs, n_weights = env.observation_space.shape[0], env.action_space.shape[0]
    network = nn.Sequential(nn.Linear(n_inputs, n_weights))
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].bias.zero_()
        network[0].bias[0] = 1.0  # longest first
    save_agent(network, tmp_path / "agent", "weights")
    spec = {
        "name": "agent", "world": world, "users": 300, "videos": 300, "candidates": 10, "slate_size": 2,
        "days": 1, "pre_days": 1, "launch_days": 1, "pre_policy": "random",
        "arms": [
            {"name": "control", "policy": "random"},
            {"name": "treatment", "policy": "agent", "options": {"folder": str(tmp_path / "agent")}},
        ],
    }  # fmt: skip
    report = run(parse_spec(spec, "test"))
    avt = next(row for row in report.metrics if row.metric == "AVT")
    assert avt.true_relative_effect > 0.1


def feeds_and_single(action, slate_size):
    sb3_feeds = pytest.importorskip("simulator.environment.sb3")
    settings = SMALL | {"slate_size": slate_size, "horizon_days": 2}
    feeds = sb3_feeds.FlatFeeds(FeedVectorEnv(6, **settings), action)
    single = FlatNumbers(
        (SingleVideo if action == "video" else CandidateWeights)(gymnasium.make("askew/Feed-v0", **settings))
    )
    return feeds, single


@pytest.mark.parametrize(("action", "slate_size"), [("weights", 2), ("video", 1)])
def test_feeds_side_by_side_are_those_of_single_wrapped_environments(action, slate_size):
    feeds, single = feeds_and_single(action, slate_size)
    feeds.seed(9)
    observed = feeds.reset()
    rng = np.random.default_rng(0)
    who = feeds._envs._user_info(feeds._envs._episodes)
    first, _ = single.reset(seed=int(who["seed"][2]), options={"user_id": int(who["user_id"][2])})
    assert np.array_equal(observed[2], first)
    ended = False
    while not ended:
        actions = (
            np.stack([feeds.action_space.sample() for _ in range(6)]) if action == "weights" else rng.integers(0, 10, 6)
        )
        observed, paid, over, infos = feeds.step(actions)
        one, reward, gone, truncated, _ = single.step(actions[2])
        ended = gone or truncated
        assert paid[2] == pytest.approx(reward, rel=1e-5)
        assert over[2] == ended
        assert not ended or infos[2]["TimeLimit.truncated"] == truncated
        assert np.array_equal(infos[2]["terminal_observation"] if ended else observed[2], one)
    assert observed.shape == (6, *feeds.observation_space.shape)
    assert not feeds._envs._episodes.over.any()


def test_videos_one_by_one_want_slates_of_one():
    sb3_feeds = pytest.importorskip("simulator.environment.sb3")
    with pytest.raises(ValueError, match="slate_size: 2 given, want 1"):
        sb3_feeds.FlatFeeds(FeedVectorEnv(2, **SMALL), "video")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "steps"), [("ppo", 100_000), ("dqn", 150_000)])
def test_an_agent_of_stable_baselines3_learns_to_be_watched(kind, steps, tmp_path):
    """The documented script, in the bundled world: more than three standard errors above random slates."""
    pytest.importorskip("stable_baselines3")
    script = Path(__file__).parents[3] / "docs" / "agents" / "train.py"
    words = [kind, tmp_path / "agent", "--steps", str(steps), "--users", "1500"]
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=True)
    found = re.search(r"\((-?[0-9.]+) standard errors\)", done.stdout)
    assert found is not None
    assert float(found[1]) > 3
    assert build_policy("agent", {"folder": str(tmp_path / "agent")})
