"""The watch time that a view of known appeal has on average.

Axes: `b` views.
"""

import numpy as np
from jaxtyping import Float32, Float64, Int

from user_models.dynamics.state import Videos
from user_models.dynamics.watch_thresholds import COMPLETE_THRESHOLD, LONGEST, N_THRESHOLDS, SEGMENT

_LOGARITHMIC_S = 7.0
"""From here on a view stops evenly on a log scale between two thresholds, see `user_models.dynamics.kernel.seconds`."""


def expected_watch_s(
    videos: Videos, video_id: Int[np.ndarray, "*b"], appeal: Float32[np.ndarray, "*b"]
) -> Float64[np.ndarray, "*b"]:
    """Average the watch seconds over the thresholds at which a view may stop.

    Args:
        videos: Whose thresholds.
        video_id: The video of each view.
        appeal: Attraction of each view, all effects included.
    """
    expected = np.zeros(video_id.shape)
    reached = np.ones(video_id.shape)
    for threshold in range(N_THRESHOLDS):
        against = videos.stop_odds[video_id, threshold] * np.exp(-videos.slope[video_id, SEGMENT[threshold]] * appeal)
        passed = reached / (1.0 + against)
        expected += (reached - passed) * _mean_seconds(videos, video_id, threshold)
        reached = passed
    return expected + reached * _mean_seconds(videos, video_id, N_THRESHOLDS)


def _mean_seconds(videos: Videos, video_id: Int[np.ndarray, "*b"], passed: int) -> Float64[np.ndarray, "*b"]:
    """Average the watch seconds of views that stop after so many thresholds."""
    if passed == 0:
        return np.zeros(video_id.shape)
    low = videos.thresholds_s[video_id, passed - 1].astype(float)
    if passed < N_THRESHOLDS:
        high = videos.thresholds_s[video_id, passed].astype(float)
    else:
        high = LONGEST * videos.thresholds_s[video_id, COMPLETE_THRESHOLD].astype(float)
    growth = np.log(np.maximum(high, 1e-9) / np.maximum(low, 1e-9))
    logarithmic = np.where(growth > 1e-6, (high - low) / np.where(growth > 1e-6, growth, 1.0), low)
    return np.where(low < _LOGARITHMIC_S, (low + high) / 2, logarithmic)
