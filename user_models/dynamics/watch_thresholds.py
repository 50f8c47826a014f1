"""The watch-time thresholds that a view passes before the viewer swipes on.

For a video of `d` seconds the thresholds are absolute at first (has the viewer decided yet?), then relative (how much
of it is left?), then replays. A threshold that lies beyond the end of the video has no length and is always passed.
KuaiRand's own thresholds are among them, so click, long view and complete play follow from how many are passed.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32

SECONDS: Final = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 13.0, 18.0])
"""Absolute thresholds, in seconds."""
STEPS: Final = np.array([1, 2, 3, 4, 5]) / 6
"""Thresholds between 18 s and the end, as shares of the way on a logarithmic scale."""
REPLAYS: Final = np.array([1.0, 1.02, 1.1, 1.5, 2.0, 3.0])
"""The end of the video and the thresholds beyond it, in video lengths."""
N_THRESHOLDS: Final = len(SECONDS) + len(STEPS) + len(REPLAYS)
CLICK_THRESHOLD: Final = 8
"""Threshold at 7 s: reaching it is KuaiRand's `is_click` on autoplay pages."""
LONG_VIEW_THRESHOLD: Final = 11
"""Threshold at 18 s: `long_view`."""
COMPLETE_THRESHOLD: Final = len(SECONDS) + len(STEPS)
"""Threshold at the end of the video."""
SEGMENT: Final = np.array([0, 0, 0] + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 6 + [5] * 5)
"""Which segment of the thresholds each threshold is on; appeal pulls with one strength per segment."""
N_SEGMENTS: Final = 6
LONGEST: Final = 8.0
"""No view lasts longer than this many video lengths."""


def threshold_seconds(duration_s: Float32[np.ndarray, " videos"]) -> Float32[np.ndarray, "videos thresholds"]:
    """Return each video's watch thresholds in seconds; never decreasing along a row."""
    d = duration_s.astype(np.float64)[:, None]
    absolute = np.minimum(SECONDS, d)
    start = np.minimum(SECONDS[-1], d)
    return np.concatenate([absolute, start * (d / start) ** STEPS, d * REPLAYS], axis=1).astype(np.float32)
