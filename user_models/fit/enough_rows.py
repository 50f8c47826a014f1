"""Checks that a folder has enough rows to fit on; errors name the file, the column and the remedy."""

from typing import Final

import numpy as np

from user_models.data.folder import KuaiRandFolder
from user_models.data.layout import TableKind
from user_models.errors import DataError
from user_models.fit.prediction.views import FolderTables
from user_models.fit.rows.features import USED_COUNTS
from user_models.fit.rows.log_rows import LogRows

HELD_OUT_DAYS: Final = 2
"""The last days of the log are predicted from those before."""
_FEWEST: Final = 2
"""Users and videos: of one alone nothing tells how they differ."""


def check_enough(folder: KuaiRandFolder, rows: LogRows, catalogue: FolderTables) -> None:
    """Refuse rows from which no world can be fitted.

    Args:
        folder: Where they are from.
        rows: Of its logs, as the fit reads them.
        catalogue: Its other tables.

    Raises:
        DataError: Too few users, videos, lengths, rows, days or counts; or no row of the main feed.
    """
    if len(catalogue.users) < _FEWEST:
        raise _poor(folder, "users", "user_id", f"{len(catalogue.users)} users given, at least {_FEWEST} wanted")
    lasting = int((catalogue.videos["duration_s"] > 0).sum())
    if lasting < _FEWEST:
        given = f"{lasting} videos of known length given, at least {_FEWEST} wanted"
        raise _poor(folder, "videos", "video_duration", given)
    for name in USED_COUNTS:
        if not catalogue.statistics[name].notna().any():
            raise _poor(folder, "video_statistics", name, "no number given, that of one video at least wanted")
    if not len(rows):
        raise _poor(folder, "standard", "user_id", "no row of a video of known length given")
    days = len(np.unique(rows.date))
    if days <= HELD_OUT_DAYS:
        raise _poor(folder, "standard", "date", f"{days} days given, at least {HELD_OUT_DAYS + 1} wanted")
    if not (rows.tab == 0).any():
        raise _poor(folder, "standard", "tab", "no row of the main feed, tab 1, given")


def _poor(folder: KuaiRandFolder, kind: TableKind, column: str, reason: str) -> DataError:
    """Build the error for a table that lacks data."""
    names = ", ".join(file.path.name for file in folder.files[kind])
    return DataError(
        f"{folder.files[kind][0].path.parent}: {names}: column {column}: {reason}; give the complete folder"
    )
