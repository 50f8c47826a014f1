"""A simulated log in the files of KuaiRand-Pure: what reads KuaiRand, reads it.

For days and times of day see `simulator.exports.traced_views`. What a world has not is 0, or "not known" where KuaiRand
has a code for that: stays on profiles and in comments, authors other than one of each video, and numbers behind the
ranges of users. Counts of videos are those of the exported rows.

Axes: `rows` views, by user, then time.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from policies.base import VideoTable
from simulator.errors import ExportError
from simulator.exports.new_folder import new_folder
from simulator.exports.traced_views import TracedViews, read_views
from user_models.data.kuairand import (
    LOG_HEADER,
    STATISTIC_HEADER,
    USER_HEADER,
    VIDEO_HEADER,
    OfficialTable,
    official_names,
)

_LAST: Final = np.datetime64("2022-05-08", "D")
"""The last day in the names of KuaiRand's files."""
_LATE: Final = 20220422
"""The first day of the later file."""
_EVENTS: Final = {
    "is_click": "click",
    "is_like": "like",
    "is_follow": "follow",
    "is_comment": "comment",
    "is_forward": "forward",
    "is_hate": "hate",
    "long_view": "long_view",
    "is_profile_enter": "profile_enter",
}
_USER: Final = {
    "user_active_degree": "UNKNOWN",
    "is_live_streamer": "-124",
    "follow_user_num_range": "0",
    "fans_user_num_range": "0",
    "friend_user_num_range": "0",
    "register_days_range": "730+",
}
"""What is said of users where a world has no such column; all else is 0."""
_VIDEO: Final = {
    "video_type": "NORMAL",
    "upload_dt": "2022-04-08",
    "upload_type": "LongImport",
    "server_width": 720.0,
    "server_height": 1280.0,
    "music_type": "",
}
_COUNTED: Final = {
    "like_cnt": "is_like",
    "follow_cnt": "is_follow",
    "comment_cnt": "is_comment",
    "share_cnt": "is_forward",
    "valid_play_cnt": "is_click",
    "long_time_play_cnt": "long_view",
}


def write_kuairand(folder: Path, arm: str | None, out: Path) -> Path:
    """Write the traced views of one arm as a folder of KuaiRand-Pure.

    Args:
        folder: A run folder with a trace.
        arm: Whose views; the control's if None.
        out: Folder to create.

    Returns:
        The folder of the files.

    Raises:
        RunFolderError: No trace, or a damaged one.
        SpecError: An unknown arm.
        ExportError: More days than KuaiRand's files have names for, or `out` holds something or cannot be written.
    """
    views = read_views(folder, arm)
    log = _log(views)
    frames = {
        "standard": log,
        "users": _users(views),
        "videos": _videos(views.videos),
        "video_statistics": _statistics(log, len(views.videos.duration_s)),
    }
    files = {
        name: _part(frames[kind], table) if kind == "standard" else frames[kind]
        for kind, tables in official_names("pure").items()
        for name, table in tables.items()
        if kind in frames
    }
    with new_folder(out / "data") as data:
        for name, frame in files.items():
            frame.to_csv(data / name, index=False, lineterminator="\n")
    return out / "data"


def _part(log: pd.DataFrame, table: OfficialTable) -> pd.DataFrame:
    """The rows of the earlier or of the later file."""
    return log[(log["date"] >= _LATE) == (table.first_date >= _LATE)]


def _log(views: TracedViews) -> pd.DataFrame:
    """Views in KuaiRand's columns."""
    _check_calendar(views.date)
    trace = views.trace
    video = trace["video_id"].to_numpy(np.int64)
    columns = {
        "user_id": trace["user_id"].to_numpy(np.int64),
        "video_id": video,
        "date": np.char.replace(views.date.astype(str), "-", "").astype(np.int64),
        "hourmin": 100 * trace["hour"].to_numpy(np.int64),
        "time_ms": views.time_ms,
        "play_time_ms": np.rint(1000 * trace["watch_s"].to_numpy(np.float64)).astype(np.int64),
        "duration_ms": np.rint(1000 * views.videos.duration_s[video].astype(np.float64)).astype(np.int64),
        "is_rand": np.full(len(trace), int(views.random)),
        "tab": np.ones(len(trace), np.int64),
        **{ours: trace[event].to_numpy(np.int64) for ours, event in _EVENTS.items()},
    }
    return pd.DataFrame({name: columns.get(name, 0) for name in LOG_HEADER})


def _check_calendar(date: np.ndarray) -> None:
    """Check that KuaiRand's files have a name for the last day."""
    if date.max() > _LAST:
        room = int((_LAST - date.min()).astype(np.int64)) + 1
        given = int((date.max() - date.min()).astype(np.int64)) + 1
        raise ExportError(f"{given} days given, KuaiRand's files have room for {room}; run fewer days")


def _users(views: TracedViews) -> pd.DataFrame:
    """Public columns of all users."""
    columns = {**_USER, **views.user_columns, "user_id": np.arange(len(views.users.profile_code))}
    return pd.DataFrame({name: columns.get(name, 0) for name in USER_HEADER})


def _videos(videos: VideoTable) -> pd.DataFrame:
    """Public columns of all videos; each has an author of its own."""
    ids = np.arange(len(videos.duration_s))
    seconds = videos.duration_s.astype(np.float64)
    columns = {
        **_VIDEO,
        "video_id": ids,
        "author_id": ids,
        "video_duration": (1000 * seconds).round(),
        "tag": videos.tag,
    }
    return pd.DataFrame({name: columns.get(name, 0) for name in VIDEO_HEADER})


def _statistics(log: pd.DataFrame, n_videos: int) -> pd.DataFrame:
    """Counts of all videos in the exported rows."""
    complete = log["play_time_ms"] >= log["duration_ms"]
    each = pd.DataFrame(
        {
            "show_cnt": 1,
            "play_cnt": log["play_time_ms"] > 0,
            "play_duration": log["play_time_ms"],
            "play_progress": (log["play_time_ms"] / log["duration_ms"]).clip(upper=1),
            "complete_play_cnt": complete,
            "short_time_play_cnt": (log["play_time_ms"] < 3000) & ~complete,
            **{count: log[flag] for count, flag in _COUNTED.items()},
        }
    )
    sums = each.astype(np.float64).groupby(log["video_id"]).sum().reindex(range(n_videos), fill_value=0.0)
    sums["play_progress"] /= sums["show_cnt"].clip(lower=1)
    columns = {**{str(name): sums[name].to_numpy() for name in sums}, "video_id": np.arange(n_videos), "counts": 1}
    return pd.DataFrame({name: columns.get(name, 0.0) for name in STATISTIC_HEADER})
