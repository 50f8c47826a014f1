"""Views with the ids that running counts use, and the public tables of users and videos.

Axes: `rows` views; `items` users or videos.
"""

from dataclasses import dataclass, fields, replace
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int64

from user_models.data.log import LogData
from user_models.fit.prediction.feature_encoder import Coding, learn_coding
from user_models.fit.rows.counted_items import counted
from user_models.fit.rows.features import user_categories, user_numbers, video_categories, video_numbers
from user_models.fit.rows.log_rows import LogRows, read_rows


@final
@dataclass(frozen=True)
class LoggedViews:
    """Views, each with its ids.

    Attributes:
        rows: The views.
        user_id: As logged.
        video_id: As logged.
        author_id: Of the video.
    """

    rows: LogRows
    user_id: Int64[np.ndarray, " rows"]
    video_id: Int64[np.ndarray, " rows"]
    author_id: Int64[np.ndarray, " rows"]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: Int64[np.ndarray, " chosen"] | Bool[np.ndarray, " rows"]) -> "LoggedViews":
        """Some of the views."""
        ids = (getattr(self, field.name)[chosen] for field in fields(self)[1:])
        return LoggedViews(self.rows.take(chosen), *ids)

    def and_then(self, later: "LoggedViews") -> "LoggedViews":
        """These views, then others of the same tables."""
        ours, theirs = self.rows, later.rows
        joined = [np.concatenate([getattr(ours, f.name), getattr(theirs, f.name)]) for f in fields(LogRows)]
        ids = (np.concatenate([getattr(self, f.name), getattr(later, f.name)]) for f in fields(LoggedViews)[1:])
        return LoggedViews(LogRows(*joined), *ids)


@final
@dataclass(frozen=True)
class FolderTables:
    """The tables of a folder."""

    users: pd.DataFrame
    videos: pd.DataFrame
    statistics: pd.DataFrame

    def codings(self) -> tuple[Coding, Coding]:
        """Codings of users and of videos, learned from these tables."""
        users = learn_coding(user_categories(self.users), user_numbers(self.users))
        return users, learn_coding(video_categories(self.videos), video_numbers(self.videos, self.statistics))

    def views(self, rows: LogRows) -> LoggedViews:
        """Rows that point into these tables, with their ids."""
        users, videos, authors = (
            column.to_numpy(np.int64) for column in (self.users["user"], self.videos["item"], self.videos["author"])
        )
        return LoggedViews(rows, users[rows.user], videos[rows.video], authors[rows.video])

    def author_of(self) -> "pd.Series[int]":
        """Authors by video id."""
        return self.videos.set_index("item")["author"]


def tables_of(data: LogData) -> FolderTables:
    """The tables of a log; items are counted in the log where nobody else counted them.

    Raises:
        DataError: Damage in the files.
    """
    counts = data.counts()
    return FolderTables(data.users(), data.items(), counted(data) if counts is None else counts)


def read_views(data: LogData, catalogue: FolderTables | None = None) -> tuple[LoggedViews, FolderTables]:
    """All usable views of a log, those of random exposures too.

    Args:
        data: The log.
        catalogue: Tables to point into instead of the data's own; they must name all of its users and videos.

    Raises:
        DataError: Damage in the files, or a user or video without features.
    """
    own = tables_of(data)
    views = own.views(read_rows(data).rows)
    if catalogue is None:
        return views, own
    return _repointed(views, catalogue), catalogue


def merged(one: FolderTables, other: FolderTables) -> FolderTables:
    """Merge both catalogues; the first one's rows win."""
    return FolderTables(
        _merged(one.users, other.users, "user"),
        _merged(one.videos, other.videos, "item"),
        _merged(one.statistics, other.statistics, "item"),
    )


def _merged(one: pd.DataFrame, other: pd.DataFrame, key: str) -> pd.DataFrame:
    return pd.concat([one, other[~other[key].isin(one[key])]], ignore_index=True)


def _repointed(views: LoggedViews, catalogue: FolderTables) -> LoggedViews:
    """Re-index views to the rows of another folder's tables."""
    user = pd.Index(catalogue.users["user"]).get_indexer(pd.Index(views.user_id))
    video = pd.Index(catalogue.videos["item"]).get_indexer(pd.Index(views.video_id))
    return catalogue.views(replace(views.rows, user=user.astype(np.int64), video=video.astype(np.int64)))
