"""How fast the environments are, alone and many at once, with random scores and resets included."""

import time
from typing import Final

import numpy as np

from simulator.env import FeedEnv
from simulator.vector_env import FeedVectorEnv
from user_models.world import World

_SEED: Final = 0


def env_rate(env: FeedEnv, seconds: float) -> float:
    """Steps per second of wall time."""
    n_candidates = env.ground.n_candidates
    scores = np.random.default_rng(_SEED).uniform(-1, 1, (256, n_candidates)).astype(np.float32)
    env.reset(seed=_SEED)
    env.step(scores[0])  # compiles
    env.reset(seed=_SEED)
    n_steps, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        _, _, terminated, truncated, _ = env.step(scores[n_steps % len(scores)])
        if terminated or truncated:
            env.reset()
        n_steps += 1
    return n_steps / spent


def vector_rate(world: World, num_envs: int, seconds: float) -> float:
    """Views per second of wall time in that many environments at once."""
    envs = FeedVectorEnv(num_envs, world=world)
    scores = np.random.default_rng(_SEED).uniform(-1, 1, envs.action_space.shape or ()).astype(np.float32)
    envs.reset(seed=_SEED)
    envs.step(scores)  # compiles
    views, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        info = envs.step(scores)[4]
        views += int(info["viewed"].sum()) if "viewed" in info else 0
    return views / spent
