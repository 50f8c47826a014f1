"""Expected outcomes of views: the kernel's equations with its noise integrated out.

Calibration needs figures without sampling noise. Given appeal, the chance of every watch time is exact, and so is the
chance of every action given watch time and satisfaction; what is left is averaged over the noise of satisfaction
(Gauss-Hermite). Two kinds of views: users with given slates, where the click of the view before is at its stationary
rate for each user, and impressions sampled in a simulation, on which levels and slopes can be tried again.

Axes: `users`; `k` videos of each; `n` impressions; `thresholds`; `stages` thresholds passed, 0 to all; `actions`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from user_models.dynamics.kernel import MOST_FELT
from user_models.dynamics.state import KernelParameters, Users, Videos
from user_models.dynamics.watch_thresholds import (
    CLICK_THRESHOLD,
    COMPLETE_THRESHOLD,
    LONG_VIEW_THRESHOLD,
    LONGEST,
    SEGMENT,
    threshold_seconds,
)
from user_models.world.tables import ACTIONS
from user_models.world.world import World

LOG_EVEN_S: Final = 7.0
"""From here on the kernel places watch times between thresholds evenly on a log scale."""
_PAIRS: Final = 100_000
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(3)
_SHARES = (_WEIGHTS / _WEIGHTS.sum()).astype(np.float32)


@final
@dataclass(frozen=True)
class Watching:
    """Expected outcome of each pair of user and video.

    Attributes:
        stages: Chance to stop after 0, 1, ... all thresholds.
        match: Of taste and topic.
        satisfaction: Its mean, the noise left out.
        watch_s: Mean seconds.
    """

    stages: Float32[np.ndarray, "users k stages"]
    match: Float32[np.ndarray, "users k"]
    satisfaction: Float32[np.ndarray, "users k"]
    watch_s: Float32[np.ndarray, "users k"]

    def passing(self, threshold: int) -> Float64[np.ndarray, " users"]:
        """Each user's mean chance to pass a threshold."""
        return self.stages[:, :, threshold + 1 :].sum(axis=2, dtype=np.float64).mean(axis=1)

    @property
    def click(self) -> float:
        """Share of views played over 7 s or to the end."""
        return float(self.passing(CLICK_THRESHOLD).mean())

    @property
    def long_view(self) -> float:
        """Share of views played 18 s or to the end."""
        return float(self.passing(LONG_VIEW_THRESHOLD).mean())

    @property
    def complete(self) -> float:
        """Share of views played to the end."""
        return float(self.passing(COMPLETE_THRESHOLD).mean())

    @property
    def mean_watch_s(self) -> float:
        """Seconds per view."""
        return float(self.watch_s.mean(dtype=np.float64))


def expected_watching(
    users: Users, videos: Videos, slates: Int32[np.ndarray, "users k"], rules: KernelParameters
) -> Watching:
    """Compute the expected outcomes of users with the videos of their slates, averaged over hours of day."""
    k = slates.shape[1]
    hour = _hours(len(slates), rules)
    parts = [
        _watching(users, videos, slates[rows], rules, rows, hour[rows])
        for rows in _chunks(len(slates), max(1, _PAIRS // k))
    ]
    return Watching(*(np.concatenate([getattr(p, name) for p in parts]) for name in Watching.__dataclass_fields__))


def expected_actions(
    users: Users, videos: Videos, slates: Int32[np.ndarray, "users k"], rules: KernelParameters, watching: Watching
) -> Float64[np.ndarray, " actions"]:
    """Rate of each action per view."""
    total = np.zeros(len(ACTIONS))
    for rows in _chunks(len(slates), max(1, _PAIRS // slates.shape[1])):
        for action in range(len(ACTIONS)):
            video = slates[rows]
            fixed = rules.action_base[action] + users.action[rows, action, None] + videos.action[video, action]
            fixed = fixed + rules.action_match[action] * watching.match[rows]
            pull = rules.action_satisfaction[action]
            for node, share in zip(_NODES.astype(np.float32), _SHARES, strict=True):
                felt = np.clip(
                    watching.satisfaction[rows] + np.float32(rules.weight_noise) * node, -MOST_FELT, MOST_FELT
                )
                chance = 1 / (1 + np.exp(-((fixed + pull * felt)[..., None] + rules.action_stage[action])))
                total[action] += share * float((watching.stages[rows] * chance).sum(dtype=np.float64))
    return total / slates.size


def match(
    users: Users, videos: Videos, rows: Int64[np.ndarray, " rows"], slates: Int32[np.ndarray, "rows k"]
) -> Float32[np.ndarray, "rows k"]:
    """Products of taste and topic."""
    return np.einsum("rd,rkd->rk", users.taste[rows], videos.topic[slates])


def _watching(
    users: Users,
    videos: Videos,
    slates: Int32[np.ndarray, "rows k"],
    rules: KernelParameters,
    rows: Int64[np.ndarray, " rows"],
    hour: Int64[np.ndarray, " rows"],
) -> Watching:
    """`expected_watching` for some of the users."""
    fit = match(users, videos, rows, slates)
    appeal = users.appeal[rows, None] + videos.appeal[slates] + np.float32(rules.taste) * fit
    appeal = appeal + rules.hour_effect[hour][:, None]
    half = np.float32(rules.momentum / 2)
    after, without = (_stages(videos, slates, appeal + shift) for shift in (half, -half))
    share = _stationary(after, without)[:, None, None]
    stages = share * after + (1 - share) * without
    quality, bait = videos.quality[slates], videos.bait[slates]
    return Watching(
        stages=stages,
        match=fit,
        satisfaction=(rules.weight_taste * fit + rules.weight_quality * quality - rules.weight_bait * bait).astype(
            np.float32
        ),
        watch_s=(stages * mean_seconds(videos.thresholds_s)[slates]).sum(axis=2),
    )


def _stages(
    videos: Videos, slates: Int32[np.ndarray, "rows k"], appeal: Float32[np.ndarray, "rows k"]
) -> Float32[np.ndarray, "rows k stages"]:
    """Chance to stop after each number of thresholds, by slate."""
    return stop_chances(videos.stop_odds[slates], videos.slope[slates], appeal)


def stop_chances(
    stop_odds: Float32[np.ndarray, "*views thresholds"],
    slope: Float32[np.ndarray, "*views segments"],
    appeal: Float32[np.ndarray, "*views"],
) -> Float32[np.ndarray, "*views stages"]:
    """Chance to stop after 0, 1, ... all thresholds: the kernel's hazard model, exact given appeal."""
    pull = np.exp(-appeal[..., None] * slope)[..., SEGMENT]
    survival = np.cumprod(1 / (1 + stop_odds * pull), axis=-1)
    edge = np.ones((*survival.shape[:-1], 1), np.float32)
    return -np.diff(np.concatenate([edge, survival, 0 * edge], axis=-1), axis=-1).astype(np.float32)


def _stationary(
    after: Float32[np.ndarray, "rows k stages"], without: Float32[np.ndarray, "rows k stages"]
) -> Float32[np.ndarray, " rows"]:
    """Share of views that follow a click, when clicks depend on the view before: p = p p1 + (1 - p) p0."""
    p1, p0 = (stages[:, :, CLICK_THRESHOLD + 1 :].sum(axis=2).mean(axis=1) for stages in (after, without))
    return p0 / (1 - p1 + p0)


def _hours(n: int, rules: KernelParameters) -> Int64[np.ndarray, " users"]:
    """Hours for n users, in the shares of the world, spread evenly over the users."""
    at = (np.arange(n) * 0.6180339887498949) % 1
    return np.minimum(np.searchsorted(np.cumsum(rules.hour_share), at, side="right"), 23)


def _chunks(n: int, size: int) -> Iterator[Int64[np.ndarray, " rows"]]:
    """Consecutive rows."""
    for start in range(0, n, size):
        yield np.arange(start, min(n, start + size))


@final
@dataclass(frozen=True)
class SampledImpressions:
    """Views under one policy.

    Attributes:
        duration_s: Of the video.
        appeal: As the kernel drew on it.
        match: Of taste and topic, drift left out.
        satisfaction: True.
        appeal_residual: How far the user's appeal is above the mean of their profile.
        action: Mean effect of user and video on each action, over users who are alike in everything else.
        action_spread: Standard deviation of such users' effects.
        group: Code of the user's first public column.
    """

    duration_s: Float32[np.ndarray, " n"]
    appeal: Float32[np.ndarray, " n"]
    match: Float32[np.ndarray, " n"]
    satisfaction: Float32[np.ndarray, " n"]
    appeal_residual: Float32[np.ndarray, " n"]
    action: Float32[np.ndarray, "n actions"]
    action_spread: Float32[np.ndarray, "n actions"]
    group: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.appeal)

    def take(self, chosen: Int64[np.ndarray, " chosen"] | Bool[np.ndarray, " n"]) -> "SampledImpressions":
        """Some of the meetings."""
        return SampledImpressions(*(getattr(self, field.name)[chosen] for field in fields(self)))


@final
@dataclass(frozen=True)
class ExpectedOutcome:
    """Expected outcome of each impression.

    Attributes:
        stages: Chance to stop after 0, 1, ... all thresholds.
        exists: Where a threshold has a length.
        seconds: Mean seconds of a view that stopped at each stage.
    """

    stages: Float32[np.ndarray, "n stages"]
    exists: Bool[np.ndarray, "n thresholds"]
    seconds: Float32[np.ndarray, "n stages"]

    def passing(self, threshold: int) -> Float64[np.ndarray, " n"]:
        """Chance to pass a threshold."""
        return self.stages[:, threshold + 1 :].sum(axis=1, dtype=np.float64)

    def nested(self) -> Float64[np.ndarray, "3 n"]:
        """Chances of click, long view and complete play."""
        return np.stack(
            [self.passing(threshold) for threshold in (CLICK_THRESHOLD, LONG_VIEW_THRESHOLD, COMPLETE_THRESHOLD)]
        )

    def watch_s(self) -> Float64[np.ndarray, " n"]:
        """Mean seconds of each meeting."""
        return (self.stages * self.seconds).sum(axis=1, dtype=np.float64)


def outcome(world: World, met: SampledImpressions) -> ExpectedOutcome:
    """Compute the expected outcomes of impressions in a world."""
    thresholds_s = threshold_seconds(met.duration_s)
    stages = stop_chances(world.stop_odds(met.duration_s), world.slopes(met.duration_s), met.appeal)
    exists = np.diff(thresholds_s, axis=1, prepend=-1) > 0
    return ExpectedOutcome(stages, exists, mean_seconds(thresholds_s))


def mean_seconds(thresholds_s: Float32[np.ndarray, "n thresholds"]) -> Float32[np.ndarray, "n stages"]:
    """Mean seconds of a view that stopped at each stage: even below 7 s, log-even above, as in the kernel."""
    low = thresholds_s.astype(np.float64)
    high = np.concatenate([low[:, 1:], LONGEST * low[:, [COMPLETE_THRESHOLD]]], axis=1)
    ratio = np.where(high > low, high / np.maximum(low, 1e-9), 2.0)
    mean = np.where(low < LOG_EVEN_S, (low + high) / 2, (high - low) / np.log(np.maximum(ratio, 1 + 1e-9)))
    mean = np.where(high > low, mean, low)
    return np.concatenate([np.zeros((len(low), 1)), mean], axis=1).astype(np.float32)
