"""Train PPO or DQN of Stable-Baselines3, unmodified, in `askew/Feed-v0`, and store it as an arm of a test.

    python docs/agents/train.py ppo runs/ppo
    python docs/agents/train.py dqn runs/dqn
    python docs/agents/train.py ppo runs/pleaser --reward satisfied --truth

Prints the mean reward per episode beside that of random slates, for the same users and seeds, with the standard error
of the difference.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.vec_env import VecNormalize

from policies.agents.flat_observation import numbers_of
from policies.base import Observation
from simulator.environment.agents import save_agent
from simulator.environment.sb3 import FlatFeeds
from simulator.environment.vector_env import FeedVectorEnv

ENVS = 256
SEED_OF_THE_COMPARISON = 1_000_000
"""Far from the seeds of training."""


def feeds(given: argparse.Namespace, num_envs: int) -> FeedVectorEnv:
    """PPO weighs the numbers of candidates for slates of six; DQN chooses one video."""
    size = 1 if given.kind == "dqn" else 6
    return FeedVectorEnv(
        num_envs, candidates=given.candidates, slate_size=size, reward=given.reward, reveal_truth=given.truth
    )


def first_episodes(envs: FeedVectorEnv, score: Callable[[Observation], np.ndarray]) -> np.ndarray:
    """Reward of one episode per environment; the same seed, and so the same users, whoever scores."""
    observed, _ = envs.reset(seed=SEED_OF_THE_COMPARISON)
    totals, going = np.zeros(envs.num_envs), np.ones(envs.num_envs, bool)
    scores = np.zeros(observed["candidate_id"].shape, np.float32)
    while going.any():
        for rows, obs in envs.requests():
            scores[rows] = score(obs)
        _, paid, terminated, truncated, _ = envs.step(scores)
        totals += paid * going
        going &= ~(terminated | truncated)
    return totals


def scorer(model: PPO | DQN) -> Callable[[Observation], np.ndarray]:
    """What the agent does without exploring."""

    def score(obs: Observation) -> np.ndarray:
        numbers = numbers_of(obs)
        action, _ = model.predict(numbers.flat, deterministic=True)
        if isinstance(model, DQN):
            return np.eye(obs.candidates.shape[1], dtype=np.float32)[action]
        return np.einsum("unp,up->un", numbers.candidates, action)

    return score


def main() -> None:
    """Train, compare, store."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("kind", choices=["ppo", "dqn"])
    words.add_argument("out", type=Path)
    words.add_argument("--steps", type=int, default=400_000)
    words.add_argument("--gamma", type=float, default=0.0, help="what a slate does to later ones drowns in their noise")
    words.add_argument("--candidates", type=int, default=20)
    words.add_argument("--reward", default="watch_s")
    words.add_argument("--truth", action="store_true")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--users", type=int, default=4_000)
    given = words.parse_args()
    torch.set_num_threads(1)
    action = "video" if given.kind == "dqn" else "weights"
    env = VecNormalize(FlatFeeds(feeds(given, ENVS), action), norm_obs=False, gamma=given.gamma)
    start = time.perf_counter()
    if given.kind == "dqn":
        model = DQN(
            "MlpPolicy",
            env,
            seed=given.seed,
            gamma=given.gamma,
            learning_rate=3e-4,
            buffer_size=300_000,
            learning_starts=20_000,
            batch_size=1024,
            gradient_steps=8,
            exploration_fraction=0.5,
        )
    else:
        model = PPO(
            "MlpPolicy",
            env,
            seed=given.seed,
            gamma=given.gamma,
            n_steps=64,
            batch_size=4096,
            n_epochs=10,
            learning_rate=3e-4,
            policy_kwargs={"log_std_init": -0.5},
        )
    model.learn(given.steps)
    spent = time.perf_counter() - start
    rng = np.random.default_rng(given.seed)
    envs = feeds(given, given.users)
    agent = first_episodes(envs, scorer(model))
    chance = first_episodes(envs, lambda obs: rng.uniform(-1, 1, obs.candidates.shape).astype(np.float32))
    gain, error = (agent - chance).mean(), (agent - chance).std(ddof=1) / np.sqrt(given.users)
    print(  # noqa: T201 # a script
        f"{given.kind}, {given.reward}, {given.steps:,} steps in {spent:.0f} s: {agent.mean():.1f} per episode, "
        f"random {chance.mean():.1f}, difference {gain:+.1f} +- {error:.1f} ({gain / error:.1f} standard errors)"
    )
    save_agent(model, given.out, "scores" if given.kind == "dqn" else "weights")


if __name__ == "__main__":
    main()
