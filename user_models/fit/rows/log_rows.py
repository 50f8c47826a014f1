"""Log rows as the fit reads them: user, video, page, and the number of watch thresholds passed.

Axes: `rows` log rows; `thresholds` of watch time; `actions` as in `user_models.world.tables.ACTIONS`.
"""

from dataclasses import dataclass, fields
from typing import Final, final
from zlib import crc32

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int64

from user_models.data.contract import ACTIONS
from user_models.data.log import LogData
from user_models.data.mapping import Surfaces
from user_models.dynamics.watch_thresholds import threshold_seconds
from user_models.errors import DataError

N_SURFACES: Final = 5
"""Pages of the app with effects of their own: the main feed, the grid, and three; all others share one more code."""
MAIN, GRID = 0, 1
"""Codes of the main feed, and of the page where items are chosen from a grid."""
SESSION_GAP_MS: Final = 30 * 60 * 1000
"""The view before counts if it is no older than this (ms)."""
CLICK_S: Final = 7.0
"""Seconds from which a view is called a click where the log has none."""
LONG_VIEW_S: Final = 18.0
"""Seconds from which a view is called long where the log does not say so."""
_COLUMNS: Final = (
    *("user", "item", "time_ms", "day", "hour", "surface", "watch_s", "duration_s"),
    *("click", "long_view", "is_random", *ACTIONS),
)


@final
@dataclass(frozen=True)
class LogRows:
    """Views of the standard and the random log, by user and time.

    Attributes:
        user: Row of the user table.
        video: Row of the video table.
        date: Local day, yyyymmdd.
        tab: Code of the page: `MAIN`, `GRID`, one of the next three, or `N_SURFACES` for the rest.
        page: The page as logged, if that is a number, else one that stands for its name.
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


def read_rows(data: LogData) -> LogReading:
    """The log, that of random exposures too if there is one; a length of 0 is looked up in the table of items.

    Raises:
        DataError: Damage in the files, or a user or item of the log without features.
    """
    log = data.log([name for name in data.log_columns if name in _COLUMNS])
    items = data.items()
    once = log.drop_duplicates()
    table_duration_s = items.set_index("item")["duration_s"].reindex(once["item"]).to_numpy()
    logged_s = once["duration_s"].to_numpy() if "duration_s" in once else np.zeros(len(once))
    duration_s = np.where(logged_s > 0, logged_s, table_duration_s)
    lasting = duration_s > 0
    usable = once.assign(duration_s=duration_s)[lasting].sort_values(["user", "time_ms"], kind="stable")
    user, item = places(usable["user"], data.users()["user"]), places(usable["item"], items["item"])
    return LogReading(
        rows=_rows(usable, user, item, data.mapping.log.surfaces),
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


def places(wanted: "pd.Series[int]", table: "pd.Series[int]") -> Int64[np.ndarray, " rows"]:
    """Return the table row of each id.

    Raises:
        DataError: An id that the table lacks.
    """
    rows = pd.Index(table.to_numpy()).get_indexer(pd.Index(wanted.to_numpy()))
    if (rows < 0).any():
        missing = wanted.to_numpy()[rows < 0][0]
        raise DataError(
            f"{wanted.name} {missing} is in the log but not in its table of features; give the complete table"
        )
    return rows.astype(np.int64)


def _rows(
    log: pd.DataFrame, user: Int64[np.ndarray, " rows"], item: Int64[np.ndarray, " rows"], surfaces: Surfaces | None
) -> LogRows:
    """Columns of the sorted log in the units of the fit."""
    watch_s = log["watch_s"].to_numpy(np.float32)
    duration_s = log["duration_s"].to_numpy(np.float32)
    thresholds_s = threshold_seconds(duration_s)
    tab, page = _surfaces(log, surfaces)
    click = _flag(log, "click", CLICK_S)
    return LogRows(
        user=user,
        video=item,
        date=log["day"].to_numpy(np.int64),
        tab=tab,
        page=page,
        hour=log["hour"].to_numpy(np.int64),
        before=_before(log, click),
        log_duration=np.log(duration_s),
        watch_s=watch_s,
        passed=passed_thresholds(watch_s, thresholds_s).astype(np.int64),
        exists=np.diff(thresholds_s, axis=1, prepend=-1) > 0,
        acted=np.stack([_action(log, name) for name in ACTIONS], axis=1),
        click=click,
        long_view=_flag(log, "long_view", LONG_VIEW_S),
        time_ms=log["time_ms"].to_numpy(np.int64),
        random=log["is_random"].to_numpy(bool),
    )


def _flag(log: pd.DataFrame, name: str, least_s: float) -> Bool[np.ndarray, " rows"]:
    """A flag of the log; where it has none, whether so many seconds, or all of a shorter item, were played."""
    if name in log:
        return log[name].to_numpy(bool)
    return (log["watch_s"] >= np.minimum(log["duration_s"], least_s)).to_numpy(bool)


def _action(log: pd.DataFrame, name: str) -> Float32[np.ndarray, " rows"]:
    """Whether an action was taken; never where the log does not tell."""
    return log[name].to_numpy(np.float32) if name in log else np.zeros(len(log), np.float32)


def _surfaces(
    log: pd.DataFrame, surfaces: Surfaces | None
) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"]]:
    """Codes of the pages, and the pages as numbers; without a mapping the most frequent one is the main feed."""
    if "surface" not in log:
        return np.zeros(len(log), np.int64), np.ones(len(log), np.int64)
    codes, texts = pd.factorize(log["surface"].astype(str), sort=True)
    if surfaces is None:
        often = [str(texts[at]) for at in np.argsort(-np.bincount(codes, minlength=len(texts)), kind="stable")]
        surfaces = Surfaces(main=often[0] if often else "", other=tuple(often[1 : N_SURFACES - 1]))
    named = {surfaces.main: MAIN, **{name: GRID + 1 + at for at, name in enumerate(surfaces.other)}}
    if surfaces.grid:
        named[surfaces.grid] = GRID
    tab = np.array([named.get(text, N_SURFACES) for text in texts], np.int64)
    page = np.array([int(text) if text.isdecimal() else crc32(text.encode()) for text in texts], np.int64)
    return tab[codes], page[codes]


def _before(log: pd.DataFrame, click: Bool[np.ndarray, " rows"]) -> Float32[np.ndarray, " rows"]:
    """The click of the same user's view before, centred; 0 where there is none within `SESSION_GAP_MS`."""
    gap_ms = log["time_ms"] - log.groupby("user", sort=False)["time_ms"].shift(1)
    clicked = np.append(0.0, click[:-1])[: len(log)] - 0.5
    return np.where(gap_ms <= SESSION_GAP_MS, clicked, 0.0).astype(np.float32)
