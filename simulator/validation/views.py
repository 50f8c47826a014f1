"""Views in one form, simulated or real, for the same counting.

Axes: `rows` views; `columns` public user columns of the world; `users`; `videos`.
"""

from dataclasses import dataclass, fields
from typing import Final, final

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Float32, Float64, Int16, Int32, Int64, UInt16

from policies.base import Event
from simulator.experiment.runner import PreparedExperiment

ASKING: Final = Event.ASKED | Event.ANSWERED | Event.SATISFIED | Event.DISSATISFIED | Event.ASKED_STRONGLY
"""Events of questionnaires, which no real log has."""
TRACED: Final = tuple(event for event in Event if event not in ASKING | Event.SKIP)
"""Events that real logs have."""


@final
@dataclass(frozen=True)
class ValidationViews:
    """Simulated or real views.

    Attributes:
        user: Id of the user, unique within one side.
        video: Id of the video, unique within one side.
        hour: Hour of day.
        duration_s: Length of the video.
        watch_s: Seconds watched.
        events: `policies.base.Event` bits.
        tag: Code of the video's topic, -1 if not known.
        profile: Codes of the user's public columns, -1 for a level that the world lacks.
    """

    user: Int64[np.ndarray, " rows"]
    video: Int64[np.ndarray, " rows"]
    hour: Int16[np.ndarray, " rows"]
    duration_s: Float32[np.ndarray, " rows"]
    watch_s: Float32[np.ndarray, " rows"]
    events: UInt16[np.ndarray, " rows"]
    tag: Int32[np.ndarray, " rows"]
    profile: Int16[np.ndarray, "rows columns"]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Int64[np.ndarray, " chosen"] | Bool[np.ndarray, " rows"]) -> "ValidationViews":
        """Select views."""
        return ValidationViews(*(getattr(self, f.name)[rows] for f in fields(self)))

    def had(self, event: Event) -> Bool[np.ndarray, " rows"]:
        """Return which views have an event."""
        return (self.events & np.uint16(event)) > 0

    @staticmethod
    def concatenate(views: "list[ValidationViews]") -> "ValidationViews":
        """Concatenate views, in order."""
        return ValidationViews(
            *(np.concatenate([getattr(some_views, f.name) for some_views in views]) for f in fields(ValidationViews))
        )


@final
@dataclass(frozen=True)
class PublicFeatures:
    """Public features of a simulated experiment's videos and users.

    Attributes:
        duration_s: Length of each video in seconds.
        tag: Topic of each video.
        profile: Codes of each user's public columns.
    """

    duration_s: Float32[np.ndarray, " videos"]
    tag: Int32[np.ndarray, " videos"]
    profile: Int16[np.ndarray, "users columns"]


def public_features(setting: PreparedExperiment) -> PublicFeatures:
    """Read the public features of an experiment from the tables that policies get."""
    platform = setting.rollout.platform
    level_ends = np.cumsum([len(column.levels) for column in platform.world.columns])
    indicators = np.split(platform.user_table.features[:, : level_ends[-1]], level_ends[:-1], axis=1)
    profile = np.stack([levels.argmax(axis=1) for levels in indicators], axis=1).astype(np.int16)
    return PublicFeatures(platform.video_table.duration_s, platform.video_table.tag, profile)


def traced_views(table: pa.Table, features: PublicFeatures) -> ValidationViews:
    """Turn a trace into views; watch time is in whole milliseconds, as in real logs."""
    user = np.asarray(table["user_id"]).astype(np.int64)
    video = np.asarray(table["video_id"])
    events = np.zeros(len(user), np.uint16)
    for event in TRACED:
        events |= np.where(np.asarray(table[str(event.name).lower()]), np.uint16(event), np.uint16(0))
    return ValidationViews(
        user=user,
        video=video.astype(np.int64),
        hour=np.asarray(table["hour"]).astype(np.int16),
        duration_s=features.duration_s[video],
        watch_s=np.round(np.asarray(table["watch_s"]).astype(np.float64), 3).astype(np.float32),
        events=events,
        tag=features.tag[video],
        profile=features.profile[user],
    )


@final
@dataclass(frozen=True)
class ReservoirSample:
    """Uniform reservoir sample of views (Efraimidis and Spirakis 2006, equal weights).

    Attributes:
        views: Views with the smallest keys.
        key: A uniform number per view.
    """

    views: ValidationViews
    key: Float64[np.ndarray, " rows"]

    @staticmethod
    def of(views: ValidationViews, size: int, rng: np.random.Generator) -> "ReservoirSample":
        """Sample at most `size` views."""
        return ReservoirSample(views, rng.random(len(views))).smallest(size)

    def merge(self, other: "ReservoirSample", size: int) -> "ReservoirSample":
        """Merge two samples into one of all their views."""
        joined = ReservoirSample(
            ValidationViews.concatenate([self.views, other.views]), np.concatenate([self.key, other.key])
        )
        return joined.smallest(size)

    def smallest(self, size: int) -> "ReservoirSample":
        """Return the `size` views with the smallest keys, in their original order."""
        if len(self.key) <= size:
            return self
        kept_rows = np.sort(np.argpartition(self.key, size)[:size])
        return ReservoirSample(self.views.take(kept_rows), self.key[kept_rows])
