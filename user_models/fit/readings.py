"""Readings of a video's quality and bait from what the whole app did with it.

No public data say how satisfied viewers were. These two numbers are readings, not fits: *quality* is how often plays
end in a like, follow, share or collect, *bait* how often they end in "show me less like this", in a report, or in a
start without a finish; both beyond what appeal and length lead one to expect, and standardised.

Axes: `videos`; `f` explanatory numbers.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float32, Float64

from user_models.fit.features import log_rate


def quality(
    statistics: pd.DataFrame, appeal: Float64[np.ndarray, " videos"], log_duration: Float64[np.ndarray, " videos"]
) -> Float64[np.ndarray, " videos"]:
    """Approval per play beyond appeal; mean 0, standard deviation 1."""
    counts = ("like_cnt", "follow_cnt", "share_cnt", "collect_cnt")
    return _beyond([log_rate(statistics, name) for name in counts], appeal, log_duration)


def bait(
    statistics: pd.DataFrame, appeal: Float64[np.ndarray, " videos"], log_duration: Float64[np.ndarray, " videos"]
) -> Float64[np.ndarray, " videos"]:
    """Regret per play beyond appeal; mean 0, standard deviation 1."""
    regret = [log_rate(statistics, name) for name in ("reduce_similar_cnt", "report_cnt")]
    unfinished = log_rate(statistics, "valid_play_cnt") - log_rate(statistics, "complete_play_cnt")
    return _beyond([*regret, unfinished], appeal, log_duration)


def _beyond(
    signals: list[Float32[np.ndarray, " videos"]],
    appeal: Float64[np.ndarray, " videos"],
    log_duration: Float64[np.ndarray, " videos"],
) -> Float64[np.ndarray, " videos"]:
    """Mean of the standardised signals, less its regression on appeal and length, standardised."""
    length = _standardised(np.nan_to_num(log_duration, nan=float(np.nanmean(log_duration))))
    known = np.stack([np.ones_like(appeal), appeal, length, length**2], axis=1)
    signal = np.mean([_standardised(each.astype(np.float64)) for each in signals], axis=0)
    coefficients = np.linalg.lstsq(known, signal, rcond=None)[0]
    return _standardised(signal - known @ coefficients)


def _standardised(x: Float64[np.ndarray, " videos"]) -> Float64[np.ndarray, " videos"]:
    """Mean 0, standard deviation 1."""
    return (x - x.mean()) / x.std()
