"""Log rows as the fit reads them: user, video, page, and the number of watch thresholds passed.

Axes: `rows` log rows; `thresholds` of watch time; `actions` as in `user_models.world.tables.ACTIONS`.
"""

from dataclasses import dataclass, fields
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int64

from user_models.data.folder import KuaiRandFolder
from user_models.dynamics.watch_thresholds import threshold_seconds
from user_models.errors import DataError

TABS: Final = (1, 0, 2, 4, 6)
"""Pages of the app with effects of their own, the main feed first; all others share one more code."""
SESSION_GAP_MS: Final = 30 * 60 * 1000
"""The view before counts if it is no older than this (ms)."""
_LABELS: Final = ("is_like", "is_follow", "is_comment", "is_forward", "is_hate", "is_profile_enter")
_COLUMNS: Final = (
    *("user_id", "video_id", "date", "hourmin", "time_ms", "tab", "play_time_ms", "duration_ms"),
    *("is_click", "long_view", "is_rand", *_LABELS, "watch_s", "duration_s"),
)


@final
@dataclass(frozen=True)
class LogRows:
    """Views of the standard and the random log, by user and time.

    Attributes:
        user: Row of the user table.
        video: Row of the video table.
        date: Local day, yyyymmdd.
        tab: Code of the page: place in `TABS`, or `len(TABS)` for the rest.
        page: The page as logged, 0 to 14.
        hour: Hour of day.
        before: 0.5 if the view before in the session was clicked, -0.5 if not, 0 if there is none.
        log_duration: Log-seconds.
        watch_s: Seconds watched.
        passed: Thresholds passed.
        exists: True where a threshold of this video has a length.
        acted: 1 where the action was taken.
        click: As logged.
        long_view: As logged.
        time_ms: Unix time of the request, ms.
        random: Shown at random rather than by the ranker.
    """

    user: Int64[np.ndarray, " rows"]
    video: Int64[np.ndarray, " rows"]
    date: Int64[np.ndarray, " rows"]
    tab: Int64[np.ndarray, " rows"]
    page: Int64[np.ndarray, " rows"]
    hour: Int64[np.ndarray, " rows"]
    before: Float32[np.ndarray, " rows"]
    log_duration: Float32[np.ndarray, " rows"]
    watch_s: Float32[np.ndarray, " rows"]
    passed: Int64[np.ndarray, " rows"]
    exists: Bool[np.ndarray, "rows thresholds"]
    acted: Float32[np.ndarray, "rows actions"]
    click: Bool[np.ndarray, " rows"]
    long_view: Bool[np.ndarray, " rows"]
    time_ms: Int64[np.ndarray, " rows"]
    random: Bool[np.ndarray, " rows"]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, chosen: Int64[np.ndarray, " chosen"] | Bool[np.ndarray, " rows"]) -> "LogRows":
        """Some of the rows."""
        return LogRows(*(getattr(self, field.name)[chosen] for field in fields(self)))


@final
@dataclass(frozen=True)
class LogReading:
    """Rows to fit on, and the counts of rows left out.

    Attributes:
        rows: What the fit reads.
        n_read: Rows in the files.
        n_duplicates: Exact repeats of another row, left out.
        n_lengthless: Rows whose video has no known length, left out.
    """

    rows: LogRows
    n_read: int
    n_duplicates: int
    n_lengthless: int

    @property
    def n_random(self) -> int:
        """Rows shown at random, of those the fit reads."""
        return int(self.rows.random.sum())


def read_rows(folder: KuaiRandFolder) -> LogReading:
    """The logs of a folder, the random one too if it has one; a length of 0 is looked up in the video table.

    Raises:
        DataError: Damage in the files, or a user or video of the log without features.
    """
    logs = [log for log in (folder.standard(_COLUMNS), folder.random(_COLUMNS)) if log is not None and len(log)]
    log = pd.concat(logs, ignore_index=True) if logs else folder.standard(_COLUMNS)
    videos = folder.videos(("video_id", "duration_s"))
    once = log.drop_duplicates()
    table_duration_s = videos.set_index("video_id")["duration_s"].reindex(once["video_id"]).to_numpy()
    duration_s = np.where(once["duration_s"] > 0, once["duration_s"], table_duration_s)
    lasting = duration_s > 0
    usable = once.assign(duration_s=duration_s)[lasting].sort_values(["user_id", "time_ms"], kind="stable")
    users = folder.users(("user_id",))
    return LogReading(
        rows=_rows(
            usable, _places(usable["user_id"], users["user_id"]), _places(usable["video_id"], videos["video_id"])
        ),
        n_read=len(log),
        n_duplicates=len(log) - len(once),
        n_lengthless=int((~lasting).sum()),
    )


def passed_thresholds(
    watch_s: Float32[np.ndarray, " rows"], thresholds_s: Float32[np.ndarray, "rows thresholds"]
) -> Int64[np.ndarray, " rows"]:
    """Count the thresholds a watch time passes: those at or below it, the first one only if anything was watched."""
    reached = thresholds_s <= watch_s[:, None]
    reached[:, 0] = watch_s > 0
    return np.where(reached.all(axis=1), thresholds_s.shape[1], np.argmin(reached, axis=1))


def _places(wanted: "pd.Series[int]", table: "pd.Series[int]") -> Int64[np.ndarray, " rows"]:
    """Return the table row of each id."""
    places = pd.Index(table.to_numpy()).get_indexer(pd.Index(wanted.to_numpy()))
    if (places < 0).any():
        missing = wanted.to_numpy()[places < 0][0]
        raise DataError(f"{wanted.name} {missing} is in the log but not in its feature file; give the complete file")
    return places.astype(np.int64)


def _rows(log: pd.DataFrame, user: Int64[np.ndarray, " rows"], video: Int64[np.ndarray, " rows"]) -> LogRows:
    """Columns of the sorted log in the units of the fit."""
    watch_s = log["watch_s"].to_numpy(np.float32)
    duration_s = log["duration_s"].to_numpy(np.float32)
    thresholds_s = threshold_seconds(duration_s)
    page = log["tab"].to_numpy(np.int64)
    places = {tab: code for code, tab in enumerate(TABS)}
    return LogRows(
        user=user,
        video=video,
        date=log["date"].to_numpy(np.int64),
        tab=np.array([places.get(int(tab), len(TABS)) for tab in page], np.int64),
        page=page,
        hour=log["hourmin"].to_numpy(np.int64) // 100,
        before=_before(log),
        log_duration=np.log(duration_s),
        watch_s=watch_s,
        passed=passed_thresholds(watch_s, thresholds_s).astype(np.int64),
        exists=np.diff(thresholds_s, axis=1, prepend=-1) > 0,
        acted=log[list(_LABELS)].to_numpy(np.float32),
        click=log["is_click"].to_numpy(bool),
        long_view=log["long_view"].to_numpy(bool),
        time_ms=log["time_ms"].to_numpy(np.int64),
        random=log["is_rand"].to_numpy(bool),
    )


def _before(log: pd.DataFrame) -> Float32[np.ndarray, " rows"]:
    """The click of the same user's view before, centred; 0 where there is none within `SESSION_GAP_MS`."""
    by_user = log.groupby("user_id", sort=False)
    gap_ms = log["time_ms"] - by_user["time_ms"].shift(1)
    clicked = by_user["is_click"].shift(1) - 0.5
    return np.where(gap_ms <= SESSION_GAP_MS, clicked, 0.0).astype(np.float32)
