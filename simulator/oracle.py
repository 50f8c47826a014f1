"""The one place where truth is handed to a policy, in plain sight."""

from typing import Any

import numpy as np
from jaxtyping import Float32, Int32

from policies.base import Policy
from policies.oracle import OraclePolicy
from simulator.crowd import Stage
from user_models.kernel import Users


def hand_truth(options: dict[str, Any], stage: Stage, users: Users) -> Policy:
    """An oracle that ranks by `appeal + weight * satisfaction`, both expected for this user and video.

    Args:
        options: `satisfaction`: the weight, 0 by default.
        stage: World and catalogue.
        users: Latents of every user, by id.

    Raises:
        ValueError: Another option, or a weight that is no number.
    """
    unknown = sorted(set(options) - {"satisfaction"})
    if unknown:
        raise ValueError(f"option {unknown[0]!r} given, but oracle takes only 'satisfaction'")
    weight = options.get("satisfaction", 0.0)
    if not isinstance(weight, int | float):
        raise ValueError(f"option 'satisfaction': {weight!r} given, want a number")
    rules, videos = stage.rules, stage.videos

    def value(
        user_id: Int32[np.ndarray, " users"], candidates: Int32[np.ndarray, "users n"]
    ) -> Float32[np.ndarray, "users n"]:
        match = np.einsum("ud,und->un", users.taste[user_id], videos.topic[candidates])
        appeal = videos.appeal[candidates] + rules.taste * match
        quality = rules.weight_quality * videos.quality[candidates] - rules.weight_bait * videos.bait[candidates]
        return (appeal + weight * (rules.weight_taste * match + quality)).astype(np.float32)

    return OraclePolicy(value)
