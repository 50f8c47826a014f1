"""Record an episode of the environment, served by a ranking policy, as pictures."""

import numpy as np

from policies.base import Policy, TrainablePolicy
from policies.noise import KeyedNoise
from policies.registry import build_policy
from simulator.environment.env import FeedEnv
from simulator.environment.phone_render import Picture
from simulator.environment.wrappers import slate_scores
from simulator.errors import SpecError


def record_episode(env: FeedEnv, policy: Policy, seed: int, user_id: int | None, most_views: int) -> list[Picture]:
    """Draw the phone after each view, from the user's first request to the end of the episode.

    Args:
        env: The environment; `reveal_truth` adds the user's mood to the pictures.
        policy: The serving policy; fitted, if it is trainable.
        seed: Experiment seed.
        user_id: The user, or None for a user drawn by the seed.
        most_views: Maximum number of views to draw.

    Raises:
        SpecError: There is no such user, or the user never comes.
    """
    try:
        env.reset(seed=seed, options={} if user_id is None else {"user_id": user_id})
    except ValueError as error:
        raise SpecError(str(error)) from None
    frames, is_over, request = env.pictures(), False, 0
    while not is_over and len(frames) <= most_views:
        obs = env.offer
        noise = KeyedNoise(np.array([request], np.uint64) + np.uint64(seed))
        slate = policy.rank(obs, env.settings.slate_size, noise)[0]
        positions = np.argsort(obs.candidates[0])[np.searchsorted(np.sort(obs.candidates[0]), slate)]
        _, _, terminated, truncated, _ = env.step(slate_scores(positions, env.settings.n_candidates))
        is_over = terminated or truncated
        frames += env.pictures()
        request += 1
    return frames[: most_views + 1]


def untrained(name: str, folder: str | None) -> Policy:
    """Build a policy that needs no training log: `random`, an `agent` from its folder, or a plug-in.

    Raises:
        SpecError: The policy is unknown or has to be fitted first.
    """
    try:
        policy = build_policy(name, {} if folder is None else {"folder": folder})
    except ValueError as error:
        raise SpecError(str(error)) from None
    if isinstance(policy, TrainablePolicy):
        raise SpecError(f"policy {name!r} learns from a log before it serves; give random, an agent or a plug-in")
    return policy
