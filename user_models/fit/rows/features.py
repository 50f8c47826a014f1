"""Public features of users and videos as design matrices: categories as codes, quantities as standardised numbers.

Axes: `items` users or videos; `columns` categorical features, whose codes share one numbering; `f` numbers.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int64
from pandas.api.types import is_numeric_dtype

RARE: Final = 20
"""Categories with fewer items are merged into one."""
_RATES: Final = {
    "valid_plays": 1.0,
    "long_plays": 1.0,
    "complete_plays": 1.0,
    "short_plays": 1.0,
    "likes": 1.0,
    "follows": 0.1,
    "comments": 0.1,
    "shares": 0.05,
    "collects": 0.5,
    "dislikes": 0.2,
    "reports": 0.005,
    "comment_stay_ms": 1000.0,
}
"""Counts turned into log-rates per play, and what is added to each so that none is 0; some may be missing."""
NEEDED_COUNTS: Final = ("shows", "plays", "play_ms", "progress")
"""Counts that a table of counts must have."""
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
    """Categories, and numbers in twelve classes of equal size."""
    numbers = [name for name in users if name != "user" and is_numeric_dtype(users[name])]
    classes = [pd.qcut(users[name], 12, labels=False, duplicates="drop") for name in numbers]
    columns = [users[name] for name in labels(users)] + classes
    codes, n_codes = _codes(columns)
    return Features(codes, n_codes, np.zeros((len(users), 0), np.float32))


def video_features(videos: pd.DataFrame, statistics: pd.DataFrame) -> Features:
    """Topic, categories, length, and log-rates of play from the counts (of everybody)."""
    columns = [videos[name] for name in labels(videos)] + [first_topic(videos)]
    codes, n_codes = _codes(columns)
    aligned = statistics.set_index("item").reindex(videos["item"])
    return Features(codes, n_codes, _standardised(_video_numbers(videos, aligned)))


def user_categories(users: pd.DataFrame) -> pd.DataFrame:
    """Public categories of every user, as text."""
    return users[labels(users)].astype(str)


def user_numbers(users: pd.DataFrame) -> Float32[np.ndarray, "items f"]:
    """Log of the numbers."""
    names = [name for name in users if name != "user" and is_numeric_dtype(users[name])]
    return np.log1p(users[names].to_numpy(np.float32))


def video_categories(videos: pd.DataFrame) -> pd.DataFrame:
    """Public categories of every video, as text."""
    return videos[labels(videos)].assign(first_topic=first_topic(videos)).astype(str)


def video_numbers(videos: pd.DataFrame, statistics: pd.DataFrame) -> Float32[np.ndarray, "items f"]:
    """Return length, size and log-rates of play; NaN where missing."""
    return _video_numbers(videos, statistics.set_index("item").reindex(videos["item"]))


def labels(table: pd.DataFrame) -> list[str]:
    """Names of the categories of a table of users or items: its columns of text."""
    return [str(name) for name in table if not is_numeric_dtype(table[name])]


def first_topic(videos: pd.DataFrame) -> "pd.Series[str]":
    """The first topic of each video's list, such as `39,2` or `[39, 2]`; missing where the list is empty."""
    return videos["topic"].astype(str).str.replace(r"^\[", "", regex=True).str.replace(r"[,\]].*", "", regex=True)


def log_rate(statistics: pd.DataFrame, count: str) -> Float32[np.ndarray, " items"]:
    """Return the log of a count per play from the aligned statistics; the mean for videos without statistics."""
    rate = np.log((statistics[count] + _RATES[count]) / (statistics["plays"] + _PLAYS))
    return rate.fillna(rate.mean()).to_numpy(np.float32)


def _video_numbers(videos: pd.DataFrame, statistics: pd.DataFrame) -> Float32[np.ndarray, "items f"]:
    """Length, size and rates, before standardising."""
    seconds = videos["duration_s"].where(videos["duration_s"] > 0)
    columns = [
        np.log(seconds.fillna(seconds.median())),
        seconds.isna(),
        np.log(statistics["shows"] + 1),
        np.log((statistics["plays"] + 1) / (statistics["shows"] + 2)),
        np.log((statistics["play_ms"] + 1e4) / (statistics["plays"] + 1)),
        statistics["progress"],
        np.log(statistics["progress"] + 0.01),
    ]
    if "width" in videos and "height" in videos:
        columns.append(np.log(videos["height"] / videos["width"]))
    plain = [np.asarray(column, np.float32) for column in columns]
    return np.stack([*plain, *(log_rate(statistics, count) for count in _RATES if count in statistics)], axis=1)


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
