"""A log as views, without its random exposures.

Axes: `rows` of the log; `users`, `videos` of the folder's tables; `columns` public user columns of the world.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int16, Int32, UInt16

from policies.base import Event
from simulator.assignment import hash_share
from simulator.validation.views import ValidationViews
from user_models.data.log import LogData, open_log
from user_models.errors import DataError
from user_models.fit.generators.mixtures import UNKNOWN, topics
from user_models.fit.rows.features import first_topic
from user_models.fit.rows.log_rows import CLICK_S, LONG_VIEW_S, places
from user_models.world.world import World

MOST_ROWS: Final = 4_000_000
"""Rows held at once; of a longer log, as many users as that allows are read."""
_EVENTS: Final = {
    Event.CLICK: "click",
    Event.LONG_VIEW: "long_view",
    Event.LIKE: "like",
    Event.FOLLOW: "follow",
    Event.COMMENT: "comment",
    Event.FORWARD: "forward",
    Event.HATE: "hate",
    Event.PROFILE_ENTER: "profile_visit",
}


@final
@dataclass(frozen=True)
class RealRows:
    """Real views, and whether their topics can be compared.

    Attributes:
        views: Rows of the log, exact duplicates, random exposures and videos of unknown length left out.
        same_tags: Whether topics have the same codes as in the world.
    """

    views: ValidationViews
    same_tags: bool


def read_real(data: Path, world: World) -> RealRows:
    """A log without its random exposures, in the codes of a world.

    Raises:
        DataError: Missing or damaged files, or none with a usable row.
    """
    opened = open_log(data)
    log, videos = _log(opened), opened.items()
    video_row = places(log["item"], videos["item"])
    table_duration_s = videos["duration_s"].to_numpy(np.float64)[video_row]
    logged_s = log["duration_s"].to_numpy(np.float64) if "duration_s" in log else np.zeros(len(log))
    duration_s = np.where(logged_s > 0, logged_s, table_duration_s)
    has_length = duration_s > 0
    if not has_length.any():
        raise DataError(f"{data}: no row of the log has an item of known length; give the complete data")
    tag, same_tags = _tags(videos, world)
    users = opened.users()
    profile = _profiles(users, world)[places(log["user"], users["user"])]
    views = _views(log, duration_s, tag[video_row], profile)
    return RealRows(views.take(has_length), same_tags)


def _log(data: LogData) -> pd.DataFrame:
    """The log without exact duplicates; whole users are left out where it is too long."""
    share = min(1.0, MOST_ROWS / max(1, data.n_rows()))
    parts = [
        part[(hash_share(part["user"].to_numpy(np.int64), "validation") <= share) & (part["is_random"] == 0)]
        for part in data.batches()
    ]
    if not parts:
        raise DataError(f"{data.path}: the log has no row; give the complete data")
    return pd.concat(parts, ignore_index=True).drop_duplicates()


def _tags(videos: pd.DataFrame, world: World) -> tuple[Int32[np.ndarray, " videos"], bool]:
    """Codes of topics, numbered as the fit numbers them, and whether they are those of this world."""
    kinds = topics(first_topic(videos), (videos["duration_s"] > 0).to_numpy())
    return kinds.kind.astype(np.int32), len(kinds.share) == len(world.tables.tag_share)


def _profiles(users: pd.DataFrame, world: World) -> Int16[np.ndarray, "users columns"]:
    """Return the codes of the public columns; -1 for levels that the world lacks."""
    codes = [
        pd.Index(column.levels).get_indexer(pd.Index(users[column.name].fillna(UNKNOWN).astype(str)))
        for column in world.columns
    ]
    return np.stack(codes, axis=1).astype(np.int16)


def _views(
    log: pd.DataFrame,
    duration_s: Float64[np.ndarray, " rows"],
    tag: Int32[np.ndarray, " rows"],
    profile: Int16[np.ndarray, "rows columns"],
) -> ValidationViews:
    """The log in the form of views."""
    watch_s = log["watch_s"].to_numpy(np.float64)
    return ValidationViews(
        user=log["user"].to_numpy(np.int64),
        video=log["item"].to_numpy(np.int64),
        hour=log["hour"].to_numpy(np.int16),
        duration_s=duration_s.astype(np.float32),
        watch_s=watch_s.astype(np.float32),
        events=_events(log, watch_s, duration_s),
        tag=tag,
        profile=profile,
    )


def _events(
    log: pd.DataFrame, watch_s: Float64[np.ndarray, " rows"], duration_s: Float64[np.ndarray, " rows"]
) -> UInt16[np.ndarray, " rows"]:
    """Flags of the log as bits; what it does not tell of clicks and long views follows from the watch time."""
    complete = watch_s >= duration_s
    told = {"click": complete | (watch_s >= CLICK_S), "long_view": complete | (watch_s >= LONG_VIEW_S)}
    told |= {name: log[name].to_numpy(bool) for name in _EVENTS.values() if name in log}
    events = np.where(complete, np.uint16(Event.COMPLETE), np.uint16(0))
    for event, name in _EVENTS.items():
        if name in told:
            events |= np.where(told[name], np.uint16(event), np.uint16(0))
    return events
