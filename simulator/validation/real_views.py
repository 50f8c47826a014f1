"""The standard log of a KuaiRand folder as views.

Axes: `rows` of the log; `users`, `videos` of the folder's tables; `columns` public user columns of the world.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int16, Int32, Int64, UInt16

from policies.base import Event
from simulator.assignment import hash_share
from simulator.validation.views import ValidationViews
from user_models.data.folder import KuaiRandFolder, open_folder
from user_models.errors import DataError
from user_models.fit.generators.mixtures import topics
from user_models.fit.rows.features import first_tag
from user_models.world.world import World

MOST_ROWS: Final = 4_000_000
"""Maximum number of rows; a longer log is read for a share of its users."""
_BATCH: Final = 500_000
_EVENTS: Final = {
    Event.CLICK: "is_click",
    Event.LONG_VIEW: "long_view",
    Event.LIKE: "is_like",
    Event.FOLLOW: "is_follow",
    Event.COMMENT: "is_comment",
    Event.FORWARD: "is_forward",
    Event.HATE: "is_hate",
    Event.PROFILE_ENTER: "is_profile_enter",
}
_WATCH: Final = ("play_time_ms", "duration_ms", "profile_stay_time", "comment_stay_time", "is_rand")
_COLUMNS: Final = ("user_id", "video_id", "date", "hourmin", "time_ms", "tab", *_EVENTS.values(), *_WATCH)


@final
@dataclass(frozen=True)
class RealRows:
    """Real views, and whether their topics can be compared.

    Attributes:
        views: Rows of the standard log, without exact duplicates and videos of unknown length.
        same_tags: Whether topics have the same codes as in the world.
    """

    views: ValidationViews
    same_tags: bool


def read_real(data: Path, world: World) -> RealRows:
    """Read the standard log of a folder, in the codes of a world.

    Raises:
        DataError: The folder is missing or damaged, or has no usable row.
    """
    folder = open_folder(data)
    log = _log(folder)
    videos = folder.videos(("video_id", "duration_s", "tag"))
    video_row = _table_rows(log["video_id"], videos["video_id"])
    table_duration_s = videos["duration_s"].to_numpy(np.float64)[video_row]
    duration_ms = log["duration_ms"].to_numpy(np.float64)
    duration_s = np.where(duration_ms > 0, duration_ms / 1000, table_duration_s)
    has_length = duration_s > 0
    if not has_length.any():
        raise DataError(f"{data}: no row of the standard log has a video of known length; give the complete folder")
    tag, same_tags = _tags(videos, world)
    users = folder.users(("user_id", *(column.name for column in world.columns)))
    profile = _profiles(users, world)[_table_rows(log["user_id"], users["user_id"])]
    views = _views(log, duration_s, tag[video_row], profile)
    return RealRows(views.take(has_length), same_tags)


def _log(folder: KuaiRandFolder) -> pd.DataFrame:
    """Read the log without exact duplicates, for a share of the users if it is too long."""
    share = min(1.0, MOST_ROWS / max(1, folder.n_rows("standard")))
    batches = [
        rows[hash_share(rows["user_id"].to_numpy(np.int64), "validation") <= share]
        for rows in folder.batches("standard", _BATCH, _COLUMNS)
    ]
    return pd.concat(batches, ignore_index=True).drop_duplicates()


def _table_rows(ids: "pd.Series[int]", table: "pd.Series[int]") -> Int64[np.ndarray, " rows"]:
    """Return the table row of each id."""
    table_rows = pd.Index(table.to_numpy()).get_indexer(pd.Index(ids.to_numpy()))
    if (table_rows < 0).any():
        missing_id = ids.to_numpy()[table_rows < 0][0]
        raise DataError(f"{ids.name} {missing_id} is in the log but not in its feature file; give the complete file")
    return table_rows.astype(np.int64)


def _tags(videos: pd.DataFrame, world: World) -> tuple[Int32[np.ndarray, " videos"], bool]:
    """Codes of topics as in the fit, and whether they are those of this world."""
    mixture = topics(first_tag(videos), (videos["duration_s"] > 0).to_numpy())
    return mixture.kind.astype(np.int32), len(mixture.share) == len(world.tables.tag_share)


def _profiles(users: pd.DataFrame, world: World) -> Int16[np.ndarray, "users columns"]:
    """Return the codes of the public columns; -1 for levels that the world lacks."""
    codes = [pd.Index(column.levels).get_indexer(pd.Index(users[column.name].astype(str))) for column in world.columns]
    return np.stack(codes, axis=1).astype(np.int16)


def _views(
    log: pd.DataFrame,
    duration_s: Float64[np.ndarray, " rows"],
    tag: Int32[np.ndarray, " rows"],
    profile: Int16[np.ndarray, "rows columns"],
) -> ValidationViews:
    """Turn the log into views."""
    watch_s = log["play_time_ms"].to_numpy(np.float64) / 1000
    return ValidationViews(
        user=log["user_id"].to_numpy(np.int64),
        video=log["video_id"].to_numpy(np.int64),
        hour=(log["hourmin"].to_numpy(np.int64) // 100).astype(np.int16),
        duration_s=duration_s.astype(np.float32),
        watch_s=watch_s.astype(np.float32),
        events=_events(log, watch_s >= duration_s),
        tag=tag,
        profile=profile,
    )


def _events(log: pd.DataFrame, complete: np.ndarray) -> UInt16[np.ndarray, " rows"]:
    """Turn the log's flags into event bits."""
    events = np.where(complete, np.uint16(Event.COMPLETE), np.uint16(0))
    for event, name in _EVENTS.items():
        events |= np.where(log[name].to_numpy(bool), np.uint16(event), np.uint16(0))
    return events
