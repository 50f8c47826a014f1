"""A simulated log in the files of KuaiRand-Pure: what reads KuaiRand, reads it.

Days keep their day of the week: the first is in the week of 11 April 2022. Requests of a user and hour are spread
evenly over it; the rows of one have one timestamp. What a world has not is 0, or "not known" where KuaiRand has a code
for that: stays on profiles and in comments, authors other than one of each video, and numbers behind the ranges of
users. Counts of videos are those of the exported rows.

Axes: `rows` views, by user, then time.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from jaxtyping import Int64

from policies.base import VideoTable
from simulator.environment.export import ExportError
from simulator.environment.transitions import read_trace
from simulator.experiment.setup import platform_of, world_of
from simulator.spec.experiment import load_spec
from user_models.data.kuairand import (
    LOG_HEADER,
    STATISTIC_HEADER,
    USER_HEADER,
    VIDEO_HEADER,
    OfficialTable,
    official_names,
)
from user_models.world.world import Population, World

_MONDAY: Final = np.datetime64("2022-04-11", "D")
_LAST: Final = np.datetime64("2022-05-08", "D")
"""The last day in the names of KuaiRand's files."""
_LATE: Final = 20220422
"""The first day of the later file."""
_HOUR_MS: Final = 3_600_000
_UTC_HOURS: Final = 8
"""Hours by which local time is ahead of UTC."""
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
    spec = load_spec(str(folder / "spec.toml"))
    arm = arm or spec.control.name
    trace = read_trace(folder, spec, arm)
    world = world_of(spec)
    platform, people = platform_of(spec, world)
    policy = next(each.policy for each in spec.arms if each.name == arm)
    log = _log(trace, platform.video_table, random=policy == "random")
    frames = {
        "standard": log,
        "users": _users(world, people),
        "videos": _videos(platform.video_table),
        "video_statistics": _statistics(log, len(platform.video_table.duration_s)),
    }
    files = {
        name: _part(frames[kind], table) if kind == "standard" else frames[kind]
        for kind, tables in official_names("pure").items()
        for name, table in tables.items()
        if kind in frames
    }
    return _write(files, out / "data")


def _write(files: dict[str, pd.DataFrame], to: Path) -> Path:
    """Write files into a new folder."""
    try:
        to.mkdir(parents=True, exist_ok=True)
        if any(to.iterdir()):
            raise ExportError(f"{to}: is not empty; give another --out or remove it")
        for name, frame in files.items():
            frame.to_csv(to / name, index=False, lineterminator="\n")
    except OSError as error:
        raise ExportError(f"{to}: cannot be written: {error.strerror}; make room or give another --out") from None
    return to


def _part(log: pd.DataFrame, table: OfficialTable) -> pd.DataFrame:
    """The rows of the earlier or of the later file."""
    return log[(log["date"] >= _LATE) == (table.first_date >= _LATE)]


def _log(trace: pd.DataFrame, videos: VideoTable, *, random: bool) -> pd.DataFrame:
    """Views in KuaiRand's columns."""
    video = trace["video_id"].to_numpy(np.int64)
    day, hour = trace["day"].to_numpy(np.int64), trace["hour"].to_numpy(np.int64)
    date = _dates(day)
    start_ms = date.astype("datetime64[ms]").astype(np.int64) + (hour - _UTC_HOURS) * _HOUR_MS
    columns = {
        "user_id": trace["user_id"].to_numpy(np.int64),
        "video_id": video,
        "date": np.char.replace(date.astype(str), "-", "").astype(np.int64),
        "hourmin": 100 * hour,
        "time_ms": start_ms + _within_hour_ms(trace),
        "play_time_ms": np.rint(1000 * trace["watch_s"].to_numpy(np.float64)).astype(np.int64),
        "duration_ms": np.rint(1000 * videos.duration_s[video].astype(np.float64)).astype(np.int64),
        "is_rand": np.full(len(trace), int(random)),
        "tab": np.ones(len(trace), np.int64),
        **{ours: trace[event].to_numpy(np.int64) for ours, event in _EVENTS.items()},
    }
    return pd.DataFrame({name: columns.get(name, 0) for name in LOG_HEADER})


def _dates(day: Int64[np.ndarray, " rows"]) -> np.ndarray:
    """Days of the calendar."""
    date = _MONDAY + (day - 7 * (day.min() // 7))
    if date.max() > _LAST:
        room = int((_LAST - date.min()).astype(np.int64)) + 1
        given = int(day.max() - day.min()) + 1
        raise ExportError(f"{given} days given, KuaiRand's files have room for {room}; run fewer days")
    return date


def _within_hour_ms(trace: pd.DataFrame) -> Int64[np.ndarray, " rows"]:
    """Time within the hour, ms: requests of a user and hour are spread evenly."""
    hours = trace.groupby(["user_id", "day", "hour"], sort=False)["request"]
    nth, n = hours.rank("dense").to_numpy() - 1, hours.transform("nunique").to_numpy()
    return (nth * _HOUR_MS // n).astype(np.int64)


def _users(world: World, people: Population) -> pd.DataFrame:
    """Public columns of all users."""
    codes = people.profile_code
    told = {
        column.name: np.asarray(column.levels, object)[codes[:, at]]
        for at, column in enumerate(world.columns)
        if column.name in USER_HEADER
    }
    columns = {**_USER, **told, "user_id": np.arange(len(codes))}
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
