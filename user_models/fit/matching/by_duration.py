"""Pass logits by length of video: shifted until random exposures of each class of duration give its target rates.

Axes: `knots` durations, one per class; `parts` of the thresholds; `classes` of duration; `thresholds`.
"""

from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from user_models.dynamics.watch_thresholds import CLICK_THRESHOLD, COMPLETE_THRESHOLD, LONG_VIEW_THRESHOLD
from user_models.fit.matching.expected_outcomes import expected_watching
from user_models.fit.matching.random_exposure import PART, Crowd, draw_crowd
from user_models.targets import DURATION_EDGES, RATES
from user_models.world.world import World

_KNOTS: Final = np.log([10.0, 25.0, 50.0, 100.0, 220.0])
"""Where the shifts of the classes apply in full; between them they are interpolated."""
_THRESHOLDS: Final = (CLICK_THRESHOLD, LONG_VIEW_THRESHOLD, COMPLETE_THRESHOLD)
_ROUNDS: Final = 8
_LARGEST: Final = 1.0
_STEP: Final = 0.05
_LEAST: Final = 0.05
"""A figure that a shift moves less than this (log per logit) is left: to finish a short video is to view it long."""


def shape_by_duration(world: World) -> World:
    """Shift a world's pass logits by part and duration to its targets' random rates of each duration class.

    Quasi-Newton: each part of the thresholds moves its own figure in its own class, by log(wanted / found) over the
    effect that shifting that part everywhere has. Deterministic.
    """
    crowd = draw_crowd(world, 20_000, 5)
    shift = np.zeros((len(_THRESHOLDS), len(_KNOTS)))
    wanted = _nested(np.array([world.targets.random_by_duration.figures()[name] for name in RATES]))
    for _ in range(_ROUNDS):
        now = _class_figures(world, crowd, shift)
        gains = [_class_figures(world, crowd, shift + _STEP * part[:, None]) - now for part in np.eye(len(_THRESHOLDS))]
        slopes = np.stack([gain[part] for part, gain in enumerate(gains)]) / _STEP
        step = np.where(slopes > _LEAST, (wanted - now) / np.maximum(slopes, _LEAST), 0)
        shift = shift + np.clip(step, -_LARGEST, _LARGEST)
    return _shaped(world, shift)


def _nested(rates: Float64[np.ndarray, "parts classes"]) -> Float64[np.ndarray, "parts classes"]:
    """Logs, each figure as a share of the one before."""
    return np.log(rates) - np.concatenate([np.zeros((1, rates.shape[1])), np.log(rates[:-1])])


def _class_figures(
    world: World, crowd: Crowd, shift: Float64[np.ndarray, "parts knots"]
) -> Float64[np.ndarray, "parts classes"]:
    """Figures of each class under random exposures after a shift."""
    videos = crowd.videos
    moved = np.exp(-_by_threshold(shift, np.log(videos.duration_s))).astype(np.float32)
    rules = world.rules(1.0)
    stages = expected_watching(
        crowd.users, videos._replace(stop_odds=videos.stop_odds * moved), crowd.slates, rules
    ).stages
    kind = np.searchsorted(DURATION_EDGES, videos.duration_s)[crowd.slates]
    counts = np.bincount(kind.ravel(), minlength=len(_KNOTS)).astype(np.float64)
    counts[counts == 0] = np.nan  # a class without videos stays as it is
    rates = [_by_class(stages[:, :, threshold + 1 :].sum(axis=2), kind) / counts for threshold in _THRESHOLDS]
    return _nested(np.array(rates))


def _by_class(
    chance: Float32[np.ndarray, "users k"], kind: Int64[np.ndarray, "users k"]
) -> Float64[np.ndarray, " classes"]:
    """Sums over each class."""
    return np.bincount(kind.ravel(), weights=chance.ravel(), minlength=len(_KNOTS))


def _shaped(world: World, shift: Float64[np.ndarray, "parts knots"]) -> World:
    """Add the shift to the pass logits; knots are nodes, so interpolation between them is exact."""
    stage = world.tables.stage + _by_threshold(shift, world.tables.node_log_duration)
    return world.with_tables(stage=stage.astype(np.float32))


def _by_threshold(
    shift: Float64[np.ndarray, "parts knots"], log_duration: Float32[np.ndarray, " videos"]
) -> Float64[np.ndarray, "videos thresholds"]:
    """The shift of each threshold at each duration; constant beyond the outer knots."""
    parts = [np.interp(log_duration, _KNOTS, along) for along in shift]
    return np.stack(parts, axis=1)[:, PART]
