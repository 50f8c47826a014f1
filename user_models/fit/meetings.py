"""Meetings: views as they came about in a simulation, with the latents that decided them, noise integrated out.

The chance of every climb is exact given appeal, and so is the chance of every action given the climb and satisfaction.
A world's levels and slopes can thus be tried on the same meetings without simulating again.

Axes: `n` meetings; `stages` rungs passed, 0 to all; `rungs`; `actions`; `classes` of duration.
"""

from dataclasses import dataclass, fields
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from user_models.ladder import CLICK_RUNG, COMPLETE_RUNG, LONG_RUNG, LONGEST, STRETCH, rungs
from user_models.world import World

LOG_EVEN_S: Final = 7.0
"""From here on the kernel places watch times between rungs evenly on a log scale."""


@final
@dataclass(frozen=True)
class Meetings:
    """Views under one policy.

    Attributes:
        duration_s: Of the video.
        appeal: As the kernel drew on it.
        match: Of taste and topic, drift left out.
        satisfaction: True.
        luck: How far the user's appeal is above the mean of their profile.
        action: Mean effect of user and video on each action, over users who are alike in everything else.
        action_spread: Standard deviation of such users' effects.
        group: Code of the user's first public column.
    """

    duration_s: Float32[np.ndarray, " n"]
    appeal: Float32[np.ndarray, " n"]
    match: Float32[np.ndarray, " n"]
    satisfaction: Float32[np.ndarray, " n"]
    luck: Float32[np.ndarray, " n"]
    action: Float32[np.ndarray, "n actions"]
    action_spread: Float32[np.ndarray, "n actions"]
    group: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.appeal)

    def take(self, chosen: Int64[np.ndarray, " chosen"] | Bool[np.ndarray, " n"]) -> "Meetings":
        """Some of the meetings."""
        return Meetings(*(getattr(self, field.name)[chosen] for field in fields(self)))


@final
@dataclass(frozen=True)
class Outcome:
    """What becomes of meetings, on average.

    Attributes:
        stages: Chance to stop after 0, 1, ... all rungs.
        stands: Where a rung has a length.
        seconds: Mean seconds of a view that stopped at each stage.
    """

    stages: Float32[np.ndarray, "n stages"]
    stands: Bool[np.ndarray, "n rungs"]
    seconds: Float32[np.ndarray, "n stages"]

    def passing(self, rung: int) -> Float64[np.ndarray, " n"]:
        """Chance to pass a rung."""
        return self.stages[:, rung + 1 :].sum(axis=1, dtype=np.float64)

    def nested(self) -> Float64[np.ndarray, "3 n"]:
        """Chances of click, long view and complete play."""
        return np.stack([self.passing(rung) for rung in (CLICK_RUNG, LONG_RUNG, COMPLETE_RUNG)])

    def watch_s(self) -> Float64[np.ndarray, " n"]:
        """Mean seconds of each meeting."""
        return (self.stages * self.seconds).sum(axis=1, dtype=np.float64)


def outcome(world: World, met: Meetings) -> Outcome:
    """The climbs of meetings in a world."""
    rungs_s = rungs(met.duration_s)
    pull = np.exp(-met.appeal[:, None] * world.slopes(met.duration_s))[:, STRETCH]
    survival = np.cumprod(1 / (1 + world.barriers(met.duration_s) * pull), axis=1)
    edge = np.ones((len(met), 1), np.float32)
    stages = -np.diff(np.concatenate([edge, survival, 0 * edge], axis=1), axis=1)
    stands = np.diff(rungs_s, axis=1, prepend=-1) > 0
    return Outcome(stages.astype(np.float32), stands, mean_seconds(rungs_s))


def mean_seconds(rungs_s: Float32[np.ndarray, "n rungs"]) -> Float32[np.ndarray, "n stages"]:
    """Mean seconds of a climb that stopped at each stage: even below 7 s, log-even above, as in the kernel."""
    low = rungs_s.astype(np.float64)
    high = np.concatenate([low[:, 1:], LONGEST * low[:, [COMPLETE_RUNG]]], axis=1)
    ratio = np.where(high > low, high / np.maximum(low, 1e-9), 2.0)
    mean = np.where(low < LOG_EVEN_S, (low + high) / 2, (high - low) / np.log(np.maximum(ratio, 1 + 1e-9)))
    mean = np.where(high > low, mean, low)
    return np.concatenate([np.zeros((len(low), 1)), mean], axis=1).astype(np.float32)
