"""A world set by hand: nothing in it is fitted. For tests, benchmarks and first steps of plug-in authors."""

import numpy as np
from jaxtyping import Float32, Float64
from scipy.special import ndtr

from user_models.dynamics.watch_thresholds import N_SEGMENTS, N_THRESHOLDS
from user_models.world.tables import ACTIONS, N_LENGTHS, USER_LATENTS, VIDEO_LATENTS, PublicColumn, Tables
from user_models.world.world import World

_SHORTEST_AND_LONGEST_S = (5.0, 600.0)


def toy_world(d: int = 8) -> World:
    """Two kinds of user, three kinds of video, `d` taste dimensions; click is near a third under random slates."""
    n_user, n_video = len(USER_LATENTS) + d, len(VIDEO_LATENTS) + d
    user_sd = np.concatenate([[0.8, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 0.4, 0.5, 0.5], np.full(d, 1.0)])
    video_sd = np.concatenate([[0.9, 0.5, 1.0, 1.0], np.full(len(ACTIONS), 0.5), np.full(d, d**-0.5)])
    user_mean = np.zeros((2, n_user), np.float32)
    user_mean[:, USER_LATENTS.index("log_sessions")] = np.log(3.5)
    user_mean[:, USER_LATENTS.index("log_views")] = np.log(70.0)
    user_mean[1, USER_LATENTS.index("appeal")] = 0.5
    video_mean = np.zeros((3, n_video), np.float32)
    video_mean[:, VIDEO_LATENTS.index("log_duration")] = np.log([30.0, 60.0, 120.0])
    return World(
        name="toy",
        columns=(PublicColumn("user_active_degree", ("full_active", "middle_active")),),
        provenance=dict.fromkeys(Tables.__dataclass_fields__, "assumed: set by hand"),
        tables=Tables(
            node_log_duration=np.log(_SHORTEST_AND_LONGEST_S).astype(np.float32),
            stage=np.tile(np.linspace(3.0, 1.5, N_THRESHOLDS).astype(np.float32), (2, 1)),
            slope=np.tile(np.linspace(0.4, 1.0, N_SEGMENTS).astype(np.float32), (2, 1)),
            hour_effect=np.zeros(24, np.float32),
            hour_share=np.full(24, 1 / 24),
            weekday=np.ones(7, np.float32),
            action_base=np.array([-4.5, -7.0, -6.5, -7.5, -8.0, -4.5], np.float32),
            action_stage=np.tile(np.linspace(-0.5, 1.0, N_THRESHOLDS + 1).astype(np.float32), (len(ACTIONS), 1)),
            action_satisfaction=np.array([0.8, 0.8, 0.5, 0.8, -1.5, 0.5], np.float32),
            action_match=np.zeros(len(ACTIONS), np.float32),
            return_logit=np.array([3.1, 0.2, -0.4], np.float32),
            profile_code=np.array([[0], [1]], np.int32),
            profile_share=np.array([0.7, 0.3]),
            user_mean=user_mean,
            user_root=np.diag(user_sd).astype(np.float32),
            appeal_scale=np.ones(2, np.float32),
            tag_share=np.array([0.5, 0.3, 0.2]),
            length_share=_lengths(video_mean[:, 0], video_sd[0]),
            video_mean=video_mean,
            video_root=np.diag(video_sd).astype(np.float32),
        ),
    )


def _lengths(mean: Float32[np.ndarray, " tags"], spread: float) -> Float64[np.ndarray, "tags lengths"]:
    """Normal shares of log-lengths."""
    low, high = np.log(_SHORTEST_AND_LONGEST_S)
    edges = np.linspace(low, high, N_LENGTHS + 1)
    share = np.diff(ndtr((edges - mean[:, None]) / spread), axis=1)
    return share / share.sum(axis=1, keepdims=True)
