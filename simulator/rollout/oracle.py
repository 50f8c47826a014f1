"""The oracle policy, the only policy that reads the truth, and expected true satisfaction for evaluation."""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from policies.base import Policy
from policies.simple.oracle import OraclePolicy, Value
from simulator.rollout.catalogue import Platform
from user_models.dynamics.expected_watch import expected_watch_s
from user_models.dynamics.state import Users


def build_oracle(options: dict[str, Any], platform: Platform, users: Users) -> Policy:
    """Build the oracle, which ranks by `attraction + weight * satisfaction`, both expected for this user and video.

    Args:
        options: `satisfaction`: the weight, 0 by default. `attraction`: "appeal", by default, or "watch": the log of
            the expected watch time and one second.
        platform: World and catalogue.
        users: Latents of every user, by id.

    Raises:
        ValueError: An option is unknown, the weight is not a number, or the attraction is another one.
    """
    unknown = sorted(set(options) - {"satisfaction", "attraction"})
    if unknown:
        raise ValueError(f"option {unknown[0]!r} given, but oracle takes only 'satisfaction' and 'attraction'")
    weight, attraction = options.get("satisfaction", 0.0), options.get("attraction", "appeal")
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise ValueError(f"option 'satisfaction': {weight!r} given, want a number")
    if attraction not in ("appeal", "watch"):
        raise ValueError(f"option 'attraction': {attraction!r} given, want 'appeal' or 'watch'")
    satisfaction_of, appeal_of = satisfaction_value(platform, users), appeal_value(platform, users)

    def value(
        user_id: Int[np.ndarray, " users"], candidates: Int[np.ndarray, "users n"]
    ) -> Float32[np.ndarray, "users n"]:
        attracted = appeal_of(user_id, candidates)
        if attraction == "watch":
            attracted = np.log1p(expected_watch_s(platform.videos, candidates, attracted))
        return (attracted + weight * satisfaction_of(user_id, candidates)).astype(np.float32)

    return OraclePolicy(value)


def appeal_value(platform: Platform, users: Users) -> Value:
    """Function from user and candidate to expected true appeal: user, video and match, without hour, mood or habit."""
    rules, videos = platform.rules, platform.videos

    def value(
        user_id: Int[np.ndarray, " users"], candidates: Int[np.ndarray, "users n"]
    ) -> Float32[np.ndarray, "users n"]:
        match = np.einsum("ud,und->un", users.taste[user_id], videos.topic[candidates])
        return (users.appeal[user_id][:, None] + videos.appeal[candidates] + rules.taste * match).astype(np.float32)

    return value


def satisfaction_value(platform: Platform, users: Users) -> Value:
    """Function from user and candidate to expected true satisfaction, from match, quality and bait, without mood."""
    rules, videos = platform.rules, platform.videos

    def value(
        user_id: Int[np.ndarray, " users"], candidates: Int[np.ndarray, "users n"]
    ) -> Float32[np.ndarray, "users n"]:
        match = np.einsum("ud,und->un", users.taste[user_id], videos.topic[candidates])
        quality = rules.weight_quality * videos.quality[candidates] - rules.weight_bait * videos.bait[candidates]
        return (rules.weight_taste * match + quality).astype(np.float32)

    return value
