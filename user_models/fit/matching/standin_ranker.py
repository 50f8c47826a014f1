"""Stand-in for a production ranker: the best few of many random videos by a noisy score of appeal.

It shows what a good ranker makes of a world, without a ranker: strengths of taste and satisfaction start from it, and
`simulator.calibration.calibrate` refines them with the real one.

Axes: `users`; `n` candidates; `k` chosen.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float32

from user_models.fit.matching.expected_outcomes import match
from user_models.fit.matching.random_exposure import Crowd, draw_crowd
from user_models.world.world import World

_ROWS: Final = 2_000


@final
@dataclass(frozen=True)
class Selector:
    """Settings of the stand-in ranker.

    Attributes:
        candidates: Random videos per request.
        chosen: Best ones shown.
        reliability: Correlation, within a request, of the score with the true appeal.
    """

    candidates: int = 100
    chosen: int = 6
    reliability: float = 0.6


def selected_crowd(world: World, n_users: int, selector: Selector, seed: int = 23) -> Crowd:
    """Draw users with the videos that the stand-in ranker chooses."""
    crowd = draw_crowd(world, n_users, selector.candidates, seed=seed)
    rng = np.random.default_rng(seed + 1)
    chosen = [
        _chosen(world, crowd, rows, selector, rng) for rows in np.array_split(np.arange(n_users), n_users // _ROWS + 1)
    ]
    return Crowd(crowd.users, crowd.videos, np.concatenate(chosen))


def _chosen(world: World, crowd: Crowd, rows: np.ndarray, selector: Selector, rng: np.random.Generator) -> np.ndarray:
    """Slates of some of the users."""
    slates = crowd.slates[rows]
    taste = np.float32(world.value("watch.taste"))
    appeal = crowd.videos.appeal[slates] + taste * match(crowd.users, crowd.videos, rows, slates)
    score = _blurred(appeal, selector.reliability, rng)
    best = np.argpartition(-score, selector.chosen, axis=1)[:, : selector.chosen]
    return np.take_along_axis(slates, best, axis=1)


def _blurred(
    appeal: Float32[np.ndarray, "users n"], reliability: float, rng: np.random.Generator
) -> Float32[np.ndarray, "users n"]:
    """Appeal plus noise, such that the two correlate with the given reliability within requests."""
    spread = appeal.std(axis=1).mean() * np.sqrt(1 / reliability**2 - 1)
    return appeal + np.float32(spread) * rng.standard_normal(appeal.shape, dtype=np.float32)
