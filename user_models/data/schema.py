"""Columns of the four kinds of KuaiRand table, in the order of the files.

From the authors' description (Gao et al., CIKM 2022, https://doi.org/10.1145/3511808.3557624; https://kuairand.com).
Ranges of ids, times and counts are open above; flags, codes and labels are closed.

Quirks that are real, and pass:

- Exact duplicate rows in the logs; several rows with one timestamp (one request shows about six videos).
- `duration_ms` = 0 in 1.6% of log rows; `play_time_ms` far above the duration (replays).
- `hourmin` is HHMM, but the minutes are always 00. `date` and `hourmin` are local, UTC+8; in one row of six they say
  the hour after that of `time_ms`, and so, around midnight, the next day. `day` follows `date`.
- -124 is the code for "not known" in user features (all that `is_live_streamer` says beside 1).
- `tag` is a list such as `39,2`, and may be empty; so may `music_type`, `video_duration` and six of the
  encrypted user features. Whole numbers of such columns are written `1.0`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd

from user_models.data.columns import MISSING, Column, Level, Real, Text, Whole
from user_models.data.days import DateColumn, DayNumber, day_numbers

FIRST_DATE: Final = 20220408
"""The first day of the logs, `day` 0."""
LAST_DATE: Final = 20220508
"""The last day of the logs, `day` 30."""


@final
@dataclass(frozen=True)
class Derived:
    """A column that the loader adds behind those of the file.

    Attributes:
        name: As in the frame.
        meaning: What it says, with its unit.
        source: The column of the file that it is computed from.
        compute: Turns that column into this one.
    """

    name: str
    meaning: str
    source: str
    compute: Callable[["pd.Series[int]"], "pd.Series[float]"]


@final
@dataclass(frozen=True)
class TableSchema:
    """The columns of one kind of file, and those that the loader adds.

    Attributes:
        columns: In the order of the file.
        derived: Behind them, in the frame.
        first_date: Of a log: no row is earlier, yyyymmdd.
        last_date: Of a log: no row is later.
    """

    columns: tuple[Column, ...]
    derived: tuple[Derived, ...] = ()
    first_date: int = FIRST_DATE
    last_date: int = LAST_DATE

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns of the file, in their order."""
        return tuple(column.name for column in self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns: those of the file, then the derived ones."""
        return self.header + tuple(column.name for column in self.derived)


def log_table(first: int = FIRST_DATE, last: int = LAST_DATE) -> TableSchema:
    """Return the schema of a log whose rows are all from `first` to `last`, as in its file name."""
    date = DayNumber("date", "local day, yyyymmdd", first, last)
    return TableSchema((_USER, _VIDEO, date, *_VIEW), _VIEW_DERIVED, first, last)


def _flag(name: str, meaning: str, code: int | None = None) -> Whole:
    return Whole(name, meaning, high=1, code=code)


def _seconds(milliseconds: "pd.Series[int]") -> "pd.Series[float]":
    return milliseconds / 1000


def _days_since_start(date: "pd.Series[int]") -> "pd.Series[float]":
    days = day_numbers(FIRST_DATE, LAST_DATE)
    return pd.Series(np.searchsorted(days, date.to_numpy()), index=date.index)


_USER = Whole("user_id", "who watched; the same people in all three variants")
_VIDEO = Whole("video_id", "what was shown; 0 to 7582 are the random pool in all three variants")
_VIEW = (
    Whole("hourmin", "local time of day, HHMM, minutes always 00", high=2359),
    Whole("time_ms", "Unix time, ms"),
    _flag("is_click", "autoplay pages: played over 7 s, or to the end of a shorter video; page 0: a real click"),
    _flag("is_like", "liked"),
    _flag("is_follow", "followed the author"),
    _flag("is_comment", "wrote a comment"),
    _flag("is_forward", "forwarded"),
    _flag("is_hate", "said that they hate it"),
    _flag("long_view", "played at least 18 s, or to the end of a shorter video"),
    Whole("play_time_ms", "watch time, ms; above the duration when replayed"),
    Whole("duration_ms", "length of the video, ms; 0 where not known"),
    Whole("profile_stay_time", "time on the author's profile, ms"),
    Whole("comment_stay_time", "time in the comments, ms"),
    _flag("is_profile_enter", "opened the author's profile"),
    _flag("is_rand", "shown by the random intervention"),
    Whole("tab", "page of the app; 1 is the single-column feed, 0 the two-column page", high=14),
)
_VIEW_DERIVED = (
    Derived("day", "days since 8 April 2022, 0 to 30", "date", _days_since_start),
    Derived("watch_s", "watch time, s", "play_time_ms", _seconds),
    Derived("duration_s", "length of the video, s; 0 where not known", "duration_ms", _seconds),
)

_DEGREES = (
    *("full_active", "high_active", "middle_active", "low_active", "single_low_active"),
    *("2_14_day_new", "day_new", "30day_retention", "UNKNOWN"),
)
_FOLLOWS = ("0", "(0,10]", "(10,50]", "(50,100]", "(100,150]", "(150,250]", "(250,500]", "500+")
_FANS = (
    *("0", "[1,10)", "[10,100)", "[100,1k)", "[1k,5k)", "[5k,1w)"),
    *("[1w,10w)", "[10w,100w)", "[100w,1000w)"),
)
_FRIENDS = ("0", "[1,5)", "[5,30)", "[30,60)", "[60,120)", "[120,250)", "250+")
_REGISTERED = ("8-14", "15-30", "31-60", "61-90", "91-180", "181-365", "366-730", "730+")
_WHOLE_ONE_HOTS = {0: 1, 1: 6, 2: 49, 3: 1470, 5: 33, 6: 2, 7: 117, 8: 453, 9: 6, 10: 4, 11: 4}
_REAL_ONE_HOTS = {4: 14.0} | dict.fromkeys(range(12, 18), 1.0)


def _one_hot(at: int) -> Column:
    """An encrypted user feature: the position of the 1 in its one-hot vector."""
    name, meaning = f"onehot_feat{at}", "encrypted feature"
    if at in _REAL_ONE_HOTS:
        return Real(name, meaning + "; whole, may be empty", high=_REAL_ONE_HOTS[at])
    return Whole(name, meaning, high=_WHOLE_ONE_HOTS[at], code=MISSING)


USERS: Final = TableSchema(
    (
        _USER,
        Level("user_active_degree", "how active lately", _DEGREES),
        _flag("is_lowactive_period", "in a period of low activity", MISSING),
        _flag("is_live_streamer", "streams live", MISSING),
        _flag("is_video_author", "has uploaded videos", MISSING),
        Whole("follow_user_num", "accounts followed", code=MISSING),
        Level("follow_user_num_range", "the same in ranges", _FOLLOWS),
        Whole("fans_user_num", "followers", code=MISSING),
        Level("fans_user_num_range", "the same in ranges; 1w is 10,000", _FANS),
        Whole("friend_user_num", "friends", code=MISSING),
        Level("friend_user_num_range", "the same in ranges", _FRIENDS),
        Whole("register_days", "days since registration", code=MISSING),
        Level("register_days_range", "the same in ranges", _REGISTERED),
        *(_one_hot(at) for at in range(18)),
    )
)

VIDEOS: Final = TableSchema(
    (
        _VIDEO,
        Whole("author_id", "who made it"),
        Text("video_type", "NORMAL, AD or UNKNOWN", r"\w+", "a word such as NORMAL"),
        DateColumn("upload_dt", "day of upload"),
        Text("upload_type", "how it was made", r"\w+", "a word such as LongImport"),
        Real("visible_status", "state in the app when the data were collected"),
        Real("video_duration", "length, ms"),
        Real("server_width", "width, pixels"),
        Real("server_height", "height, pixels"),
        Whole("music_id", "background music", code=MISSING),
        Real("music_type", "kind of background music"),
        Text("tag", "list of topics", r"-?[0-9]+(,-?[0-9]+)*", "whole numbers joined by commas, or nothing"),
    ),
    (Derived("duration_s", "length, s; NaN where not known", "video_duration", _seconds),),
)

_COUNTS = (
    *("show_cnt", "show_user_num", "play_cnt", "play_user_num", "play_duration", "complete_play_cnt"),
    *("complete_play_user_num", "valid_play_cnt", "valid_play_user_num", "long_time_play_cnt"),
    *("long_time_play_user_num", "short_time_play_cnt", "short_time_play_user_num", "play_progress"),
    *("comment_stay_duration", "like_cnt", "like_user_num", "click_like_cnt", "double_click_cnt"),
    *("cancel_like_cnt", "cancel_like_user_num", "comment_cnt", "comment_user_num", "direct_comment_cnt"),
    *("reply_comment_cnt", "delete_comment_cnt", "delete_comment_user_num", "comment_like_cnt"),
    *("comment_like_user_num", "follow_cnt", "follow_user_num", "cancel_follow_cnt", "cancel_follow_user_num"),
    *("share_cnt", "share_user_num", "download_cnt", "download_user_num", "report_cnt", "report_user_num"),
    *("reduce_similar_cnt", "reduce_similar_user_num", "collect_cnt", "collect_user_num"),
    *("cancel_collect_cnt", "cancel_collect_user_num", "direct_comment_user_num", "reply_comment_user_num"),
    *("share_all_cnt", "share_all_user_num", "outsite_share_all_cnt"),
)
_UNITS = {
    "play_duration": "watch time, ms",
    "comment_stay_duration": "time in the comments, ms",
    "play_progress": "share of the video that was played",
}


def _statistic(name: str) -> Real:
    unit = _UNITS.get(name, "users" if name.endswith("_user_num") else "events")
    return Real(name, f"{unit}; mean over the days and pages that `counts` counts, the whole app")


VIDEO_STATISTICS: Final = TableSchema(
    (
        _VIDEO,
        Whole("counts", "pairs of day and page over which the means are taken"),
        *(_statistic(name) for name in _COUNTS),
    )
)
