"""The ladder of watch time: the rungs a view climbs before the viewer swipes on.

For a video of `d` seconds the rungs are absolute at first (has the viewer decided yet?), then relative (how much of
it is left?), then replays. A rung that lies beyond the end of the video has no length and is always passed.
KuaiRand's own thresholds are rungs, so click, long view and complete play are read off the climb.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32

SECONDS: Final = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 13.0, 18.0])
"""Absolute rungs, in seconds."""
STEPS: Final = np.array([1, 2, 3, 4, 5]) / 6
"""Rungs between 18 s and the end, as shares of the way on a logarithmic scale."""
REPLAYS: Final = np.array([1.0, 1.02, 1.1, 1.5, 2.0, 3.0])
"""The end of the video and the rungs beyond it, in video lengths."""
N_RUNGS: Final = len(SECONDS) + len(STEPS) + len(REPLAYS)
CLICK_RUNG: Final = 8
"""Rung at 7 s: reaching it is KuaiRand's `is_click` on autoplay pages."""
LONG_RUNG: Final = 11
"""Rung at 18 s: `long_view`."""
COMPLETE_RUNG: Final = len(SECONDS) + len(STEPS)
"""Rung at the end of the video."""
STRETCH: Final = np.array([0, 0, 0] + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 6 + [5] * 5)
"""Which stretch of the ladder each rung is on; appeal pulls with one strength per stretch."""
N_STRETCHES: Final = 6
LONGEST: Final = 8.0
"""No view lasts longer than this many video lengths."""


def rungs(duration_s: Float32[np.ndarray, " videos"]) -> Float32[np.ndarray, "videos rungs"]:
    """Where each rung of each video lies, in seconds; never decreasing along a row."""
    d = duration_s.astype(np.float64)[:, None]
    absolute = np.minimum(SECONDS, d)
    start = np.minimum(SECONDS[-1], d)
    return np.concatenate([absolute, start * (d / start) ** STEPS, d * REPLAYS], axis=1).astype(np.float32)
