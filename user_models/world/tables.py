"""The array-valued parameters of a world, and the public user columns that they are of.

Axes: `thresholds` and `segments` of watch time; `nodes` log-durations at which the pass logits are tabulated;
`profiles` kinds of user; `columns` public user columns; `tags` kinds of video; `lengths` bins of length; `u` user
latents (see `USER_LATENTS`, then taste); `v` video latents (see `VIDEO_LATENTS`, then topic).
"""

from dataclasses import dataclass, fields
from typing import Final, final

import numpy as np
from jaxtyping import Float32, Float64, Int32

ACTIONS: Final = ("like", "follow", "comment", "forward", "hate", "profile_enter")
USER_LATENTS: Final = ("appeal", *ACTIONS, "answering", "log_sessions", "log_views", "return_intercept")
VIDEO_LATENTS: Final = ("log_duration", "appeal", "quality", "bait", *ACTIONS)
N_LENGTHS: Final = 64
"""Bins of video length: the range of the nodes, cut evenly in log-seconds."""


@final
@dataclass(frozen=True)
class Tables:
    """The array-valued parameters of a world.

    Attributes:
        node_log_duration: Increasing log-seconds.
        stage: Logit of passing each threshold at each node, at appeal 0.
        slope: Pull of appeal per segment of the thresholds at each node, at least 0.
        hour_effect: Added to appeal.
        hour_share: Share of sessions by hour of day; sums to 1.
        weekday: Sessions beyond the first, Monday to Sunday, over their mean; day 0 of an experiment is a Monday.
        action_base: Logit of each action, before user, video and watch.
        action_stage: Added by how many thresholds were passed.
        action_satisfaction: Added per unit of satisfaction.
        action_match: Added per standard deviation of the match, beyond what satisfaction takes of it.
        return_logit: Logit of coming back after 0, 1, ... days away; the last also for longer.
        profile_code: Category of each public column.
        profile_share: Sums to 1.
        user_mean: Mean user latents of each profile.
        user_root: Lower Cholesky root of their covariance within profiles.
        appeal_scale: Of each profile, how far its users' appeal lies from their mean, over what `user_root` says.
        tag_share: Sums to 1.
        length_share: Of each tag's videos; every row sums to 1. The latent `log_duration` is the normal score of a
            video's length in it, so that lengths have their own distribution and go with the other latents.
        video_mean: Mean video latents of each tag.
        video_root: Lower Cholesky root of their covariance within tags.
    """

    node_log_duration: Float32[np.ndarray, " nodes"]
    stage: Float32[np.ndarray, "nodes thresholds"]
    slope: Float32[np.ndarray, "nodes segments"]
    hour_effect: Float32[np.ndarray, " 24"]
    hour_share: Float64[np.ndarray, " 24"]
    weekday: Float32[np.ndarray, " 7"]
    action_base: Float32[np.ndarray, " actions"]
    action_stage: Float32[np.ndarray, "actions stages"]
    action_satisfaction: Float32[np.ndarray, " actions"]
    action_match: Float32[np.ndarray, " actions"]
    return_logit: Float32[np.ndarray, " gaps"]
    profile_code: Int32[np.ndarray, "profiles columns"]
    profile_share: Float64[np.ndarray, " profiles"]
    user_mean: Float32[np.ndarray, "profiles u"]
    user_root: Float32[np.ndarray, "u u"]
    appeal_scale: Float32[np.ndarray, " profiles"]
    tag_share: Float64[np.ndarray, " tags"]
    length_share: Float64[np.ndarray, "tags lengths"]
    video_mean: Float32[np.ndarray, "tags v"]
    video_root: Float32[np.ndarray, "v v"]


@final
@dataclass(frozen=True)
class PublicColumn:
    """A public user column: its name and the labels of its categories, in code order."""

    name: str
    levels: tuple[str, ...]


def table_names() -> tuple[str, ...]:
    """Names of the array-valued parameters, in order."""
    return tuple(f.name for f in fields(Tables))
