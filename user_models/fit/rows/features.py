"""Public features of users and videos as design matrices: categories as codes, quantities as standardised numbers.

Axes: `items` users or videos; `columns` categorical features, whose codes share one numbering; `f` numbers.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int64

RARE: Final = 20
"""Categories with fewer items are merged into one."""
_USER_CATEGORIES: Final = (
    *("user_active_degree", "is_live_streamer", "is_video_author", "follow_user_num_range"),
    *("fans_user_num_range", "friend_user_num_range", "register_days_range"),
    *(f"onehot_feat{at}" for at in range(18)),
)
_USER_NUMBERS: Final = ("follow_user_num", "fans_user_num", "friend_user_num", "register_days")
_VIDEO_CATEGORIES: Final = ("tag", "upload_type", "music_type", "video_type", "upload_dt")
_RATES: Final = {
    "valid_play_cnt": 1.0,
    "long_time_play_cnt": 1.0,
    "complete_play_cnt": 1.0,
    "short_time_play_cnt": 1.0,
    "like_cnt": 1.0,
    "follow_cnt": 0.1,
    "comment_cnt": 0.1,
    "share_cnt": 0.05,
    "collect_cnt": 0.5,
    "reduce_similar_cnt": 0.2,
    "report_cnt": 0.005,
    "comment_stay_duration": 1000.0,
}
"""Counts turned into log-rates per play, and what is added to each so that none is 0."""
USED_COUNTS: Final = ("show_cnt", "play_cnt", "play_duration", "play_progress", *_RATES)
"""Columns of the statistics that are read."""
_PLAYS: Final = 50.0
"""Added to the plays below each rate: that many plays of nothing shrink the rates of rarely played videos."""


@final
@dataclass(frozen=True)
class Features:
    """Public features of every item.

    Attributes:
        codes: Category of each column; columns use different codes.
        n_codes: Codes in use, from 0.
        numbers: Mean 0, standard deviation 1.
    """

    codes: Int64[np.ndarray, "items columns"]
    n_codes: int
    numbers: Float32[np.ndarray, "items f"]


def user_features(users: pd.DataFrame) -> Features:
    """Activity degree, ranges, encrypted one-hots, and account counts in twelve classes of equal size."""
    classes = {name: pd.qcut(users[name], 12, labels=False, duplicates="drop") for name in _USER_NUMBERS}
    columns = [users[name] for name in _USER_CATEGORIES] + list(classes.values())
    codes, n_codes = _codes(columns)
    return Features(codes, n_codes, np.zeros((len(users), 0), np.float32))


def video_features(videos: pd.DataFrame, statistics: pd.DataFrame) -> Features:
    """Topic, how it was made, length, and log-rates of play from the statistics file (the whole app)."""
    columns = [videos[name] for name in _VIDEO_CATEGORIES] + [first_tag(videos)]
    codes, n_codes = _codes(columns)
    aligned = statistics.set_index("video_id").reindex(videos["video_id"])
    return Features(codes, n_codes, _standardised(_video_numbers(videos, aligned)))


def user_categories(users: pd.DataFrame) -> pd.DataFrame:
    """Public categories of every user, as text."""
    return users[list(_USER_CATEGORIES)].astype(str)


def user_numbers(users: pd.DataFrame) -> Float32[np.ndarray, "items f"]:
    """Log of the account counts."""
    return np.log1p(users[list(_USER_NUMBERS)].to_numpy(np.float32))


def video_categories(videos: pd.DataFrame) -> pd.DataFrame:
    """Public categories of every video, as text."""
    return videos[list(_VIDEO_CATEGORIES)].assign(first_tag=first_tag(videos)).astype(str)


def video_numbers(videos: pd.DataFrame, statistics: pd.DataFrame) -> Float32[np.ndarray, "items f"]:
    """Return length, size and log-rates of play; NaN where missing."""
    return _video_numbers(videos, statistics.set_index("video_id").reindex(videos["video_id"]))


def first_tag(videos: pd.DataFrame) -> "pd.Series[str]":
    """The first topic of each video's list; missing where the list is empty."""
    return videos["tag"].astype(str).str.replace(",.*", "", regex=True)


def log_rate(statistics: pd.DataFrame, count: str) -> Float32[np.ndarray, " items"]:
    """Return the log of a count per play from the aligned statistics; the mean for videos without statistics."""
    rate = np.log((statistics[count] + _RATES[count]) / (statistics["play_cnt"] + _PLAYS))
    return rate.fillna(rate.mean()).to_numpy(np.float32)


def _video_numbers(videos: pd.DataFrame, statistics: pd.DataFrame) -> Float32[np.ndarray, "items f"]:
    """Length, size and rates, before standardising."""
    seconds = videos["duration_s"].where(videos["duration_s"] > 0)
    columns = [
        np.log(seconds.fillna(seconds.median())),
        seconds.isna(),
        np.log(statistics["show_cnt"] + 1),
        np.log((statistics["play_cnt"] + 1) / (statistics["show_cnt"] + 2)),
        np.log((statistics["play_duration"] + 1e4) / (statistics["play_cnt"] + 1)),
        statistics["play_progress"],
        np.log(statistics["play_progress"] + 0.01),
        np.log(videos["server_height"] / videos["server_width"]),
    ]
    plain = [np.asarray(column, np.float32) for column in columns]
    return np.stack([*plain, *(log_rate(statistics, count) for count in _RATES)], axis=1)


def _standardised(numbers: Float32[np.ndarray, "items f"]) -> Float32[np.ndarray, "items f"]:
    """Standardise each column to mean 0 and standard deviation 1; missing values become the mean."""
    mean, spread = np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0)
    return np.nan_to_num((numbers - mean) / np.where(spread > 0, spread, 1)).astype(np.float32)


def _codes(columns: "list[pd.Series[str]]") -> tuple[Int64[np.ndarray, "items columns"], int]:
    """Number the categories of all columns through, rare ones of a column merged."""
    coded: list[Int64[np.ndarray, " items"]] = []
    start = 0
    for column in columns:
        text = column.astype(str)
        common = text.where(text.map(text.value_counts()) >= RARE, "rare")
        codes, levels = pd.factorize(common)
        coded.append(codes.astype(np.int64) + start)
        start += len(levels)
    return np.stack(coded, axis=1), start
