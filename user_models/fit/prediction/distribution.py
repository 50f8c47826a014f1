"""Predicted distributions of watch time, and their agreement with logged watch times.

A watch time between two thresholds is spread between their seconds: evenly where the lower one is below 7 s, evenly on
a log scale above, as in the kernel.

Axes: `rows` views; `thresholds` of watch time; `stages` thresholds passed, 0 to all.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from user_models.dynamics.watch_thresholds import LONGEST, threshold_seconds

BUCKETS_S: Final = (0, 7, 15, 18, 30, 60, 120, 300)
"""Edges of the buckets of durations (s); each holds its upper edge."""
DECILES: Final = 10
_LOG_EVEN_S: Final = 7.0
_POINTS: Final = 300
"""Watch times at which two distributions are compared."""


def stage_chances(survival: Float32[np.ndarray, "rows thresholds"]) -> Float64[np.ndarray, "rows stages"]:
    """Chance to stop after 0, 1, ... all thresholds."""
    edge = np.ones((len(survival), 1))
    return -np.diff(np.concatenate([edge, survival.astype(np.float64), 0 * edge], axis=1), axis=1)


def mean_rank(
    survival: Float32[np.ndarray, "rows thresholds"], duration_s: Float32[np.ndarray, " rows"]
) -> Float64[np.ndarray, " rows"]:
    """Mean of the share of all views that a view outlasts, each stage at its middle.

    All views are those foreseen, not those that came. Of all forecasts, this one is most in line with the ranks of what
    comes, if the distributions are right: its squared distance from them is the least.
    """
    chances, seconds = stage_chances(survival).ravel(), _middles(duration_s).ravel()
    _, of_length = np.unique(seconds, return_inverse=True)
    total = np.bincount(of_length, chances)
    outlasted = (np.cumsum(total) - total / 2) / total.sum()
    return (chances * outlasted[of_length]).reshape(len(survival), -1).sum(axis=1)


def mean_watch_s(
    survival: Float32[np.ndarray, "rows thresholds"], duration_s: Float32[np.ndarray, " rows"]
) -> Float64[np.ndarray, " rows"]:
    """Mean seconds, each stage at its middle."""
    return (stage_chances(survival) * _middles(duration_s)).sum(axis=1)


def cumulative(
    survival: Float32[np.ndarray, "rows thresholds"],
    duration_s: Float32[np.ndarray, " rows"],
    watch_s: Float32[np.ndarray, " rows"],
) -> Float64[np.ndarray, " rows"]:
    """Predicted chance that each view lasts at most so long; at 0 s the chance that nothing is played."""
    edges = _edges(duration_s)
    stage = (edges[:, :-1] <= watch_s[:, None]).sum(axis=1) * (watch_s > 0)
    rows = np.arange(len(survival))
    low, high = edges[rows, np.maximum(stage - 1, 0)], edges[rows, np.maximum(stage, 1)]
    chances = stage_chances(survival)
    below = np.cumsum(chances, axis=1) - chances
    part = np.where(stage > 0, _position(watch_s.astype(np.float64), low, high), 1.0)
    return below[rows, stage] + part * chances[rows, stage]


def transform(
    survival: Float32[np.ndarray, "rows thresholds"],
    duration_s: Float32[np.ndarray, " rows"],
    watch_s: Float32[np.ndarray, " rows"],
    rng: np.random.Generator,
) -> Float64[np.ndarray, " rows"]:
    """Randomised probability integral transform: uniform where predictions are calibrated.

    Where nothing was played the distribution jumps, and the value is drawn evenly from the jump (Czado, Gneiting and
    Held, Biometrics 2009, https://doi.org/10.1111/j.1541-0420.2009.01191.x).
    """
    value = cumulative(survival, duration_s, watch_s)
    return np.where(watch_s > 0, value, value * rng.random(len(value)))


def decile_shares(values: Float64[np.ndarray, " rows"]) -> Float64[np.ndarray, " 10"]:
    """Share of the values in each tenth of [0, 1]."""
    at = np.minimum((values * DECILES).astype(np.int64), DECILES - 1)
    return np.bincount(at, minlength=DECILES) / len(values)


def duration_bucket(duration_s: Float32[np.ndarray, " rows"]) -> Int64[np.ndarray, " rows"]:
    """Return the index in `BUCKETS_S` of each duration; one past the last for longer videos."""
    return (np.searchsorted(BUCKETS_S, duration_s, side="left") - 1).astype(np.int64)


def ks_distance(
    survival: Float32[np.ndarray, "rows thresholds"],
    duration_s: Float32[np.ndarray, " rows"],
    watch_s: Float32[np.ndarray, " rows"],
) -> float:
    """Largest distance of the mean predicted and the observed cumulative distribution (Kolmogorov-Smirnov).

    Looked for at 0 s and at quantiles of the observed times, on both sides of each.
    """
    points = np.unique(np.quantile(watch_s, np.linspace(0, 1, _POINTS), method="inverted_cdf"))
    points = np.union1d(points, [0.0]).astype(np.float32)
    ordered = np.sort(watch_s)
    upto, below = (np.searchsorted(ordered, points, side=side) / len(ordered) for side in ("right", "left"))
    predicted = np.array([cumulative(survival, duration_s, np.full_like(watch_s, point)).mean() for point in points])
    gaps = np.maximum(np.abs(predicted - upto), np.where(points > 0, np.abs(predicted - below), 0))
    return float(gaps.max())


def _edges(duration_s: Float32[np.ndarray, " rows"]) -> Float64[np.ndarray, "rows edges"]:
    """Seconds of all thresholds, and the longest view possible."""
    return np.concatenate([threshold_seconds(duration_s), LONGEST * duration_s[:, None]], axis=1).astype(np.float64)


def _middles(duration_s: Float32[np.ndarray, " rows"]) -> Float64[np.ndarray, "rows stages"]:
    """Seconds in the middle of each stage; 0 for the first."""
    edges = _edges(duration_s)
    return np.concatenate([np.zeros((len(edges), 1)), (edges[:, :-1] + edges[:, 1:]) / 2], axis=1)


def _position(
    at: Float64[np.ndarray, " rows"], low: Float64[np.ndarray, " rows"], high: Float64[np.ndarray, " rows"]
) -> Float64[np.ndarray, " rows"]:
    """Return the position between the lower and the upper edge, 0 to 1; 1 where the edges are equal."""
    wide = high > low
    top = np.where(wide, high, low + 1)
    even = (at - low) / (top - low)
    bottom = np.maximum(low, 1e-9)
    log_even = np.log(np.maximum(at, 1e-9) / bottom) / np.log(top / bottom)
    return np.where(wide, np.clip(np.where(low < _LOG_EVEN_S, even, log_even), 0, 1), 1.0)
