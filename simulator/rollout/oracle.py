"""The one place where truth is handed to a policy, in plain sight; and the truth itself, for those who judge."""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from policies.base import Policy
from policies.simple.oracle import OraclePolicy, Value
from simulator.rollout.catalogue import Platform
from user_models.dynamics.expected_watch import expected_watch_s
from user_models.dynamics.state import Users


def hand_truth(options: dict[str, Any], stage: Platform, users: Users) -> Policy:
    """An oracle that ranks by `attraction + weight * satisfaction`, both expected for this user and video.

    Args:
        options: `satisfaction`: the weight, 0 by default. `attraction`: "appeal", by default, or "watch": the log of
            the expected watch time and one second.
        stage: World and catalogue.
        users: Latents of every user, by id.

    Raises:
        ValueError: Another option, a weight that is no number, or another attraction.
    """
    unknown = sorted(set(options) - {"satisfaction", "attraction"})
    if unknown:
        raise ValueError(f"option {unknown[0]!r} given, but oracle takes only 'satisfaction' and 'attraction'")
    weight, attraction = options.get("satisfaction", 0.0), options.get("attraction", "appeal")
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise ValueError(f"option 'satisfaction': {weight!r} given, want a number")
    if attraction not in ("appeal", "watch"):
        raise ValueError(f"option 'attraction': {attraction!r} given, want 'appeal' or 'watch'")
    felt, appeal_of = pleasure(stage, users), appeal(stage, users)

    def value(
        user_id: Int[np.ndarray, " users"], candidates: Int[np.ndarray, "users n"]
    ) -> Float32[np.ndarray, "users n"]:
        attracted = appeal_of(user_id, candidates)
        if attraction == "watch":
            attracted = np.log1p(expected_watch_s(stage.videos, candidates, attracted))
        return (attracted + weight * felt(user_id, candidates)).astype(np.float32)

    return OraclePolicy(value)


def appeal(stage: Platform, users: Users) -> Value:
    """True attraction of each user to each candidate: user, video and match, without hour, mood or habit."""
    rules, videos = stage.rules, stage.videos

    def value(
        user_id: Int[np.ndarray, " users"], candidates: Int[np.ndarray, "users n"]
    ) -> Float32[np.ndarray, "users n"]:
        match = np.einsum("ud,und->un", users.taste[user_id], videos.topic[candidates])
        return (users.appeal[user_id][:, None] + videos.appeal[candidates] + rules.taste * match).astype(np.float32)

    return value


def pleasure(stage: Platform, users: Users) -> Value:
    """True satisfaction expected of each user with each candidate: the match, quality and bait, without moods."""
    rules, videos = stage.rules, stage.videos

    def value(
        user_id: Int[np.ndarray, " users"], candidates: Int[np.ndarray, "users n"]
    ) -> Float32[np.ndarray, "users n"]:
        match = np.einsum("ud,und->un", users.taste[user_id], videos.topic[candidates])
        quality = rules.weight_quality * videos.quality[candidates] - rules.weight_bait * videos.bait[candidates]
        return (rules.weight_taste * match + quality).astype(np.float32)

    return value
