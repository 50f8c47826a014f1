"""Checks that a log has enough rows to fit on; errors name the data, the column and the remedy."""

from typing import Final

import numpy as np

from user_models.data.log import LogData
from user_models.errors import DataError
from user_models.fit.prediction.views import FolderTables
from user_models.fit.rows.features import NEEDED_COUNTS
from user_models.fit.rows.log_rows import MAIN, LogRows

HELD_OUT_DAYS: Final = 2
"""The last days of the log are predicted from those before."""
_FEWEST: Final = 2
"""Users and items: of one alone nothing tells how they differ."""


def check_enough(data: LogData, rows: LogRows, catalogue: FolderTables) -> None:
    """Refuse rows from which no world can be fitted.

    Args:
        data: Where they are from.
        rows: Of its log, as the fit reads them.
        catalogue: Its other tables.

    Raises:
        DataError: Too few users, items, lengths, rows, days or counts; or no row of the main feed.
    """
    if len(catalogue.users) < _FEWEST:
        raise _poor(data, "user", f"{len(catalogue.users)} users given, at least {_FEWEST} wanted")
    lasting = int((catalogue.videos["duration_s"] > 0).sum())
    if lasting < _FEWEST:
        raise _poor(data, "duration_s", f"{lasting} items of known length given, at least {_FEWEST} wanted")
    for name in catalogue.statistics:
        if name in NEEDED_COUNTS and not catalogue.statistics[name].notna().any():
            raise _poor(data, str(name), "no number given, that of one item at least wanted")
    if not len(rows):
        raise _poor(data, "user", "no row of an item of known length given")
    days = len(np.unique(rows.date))
    if days <= HELD_OUT_DAYS:
        raise _poor(data, "time", f"{days} days given, at least {HELD_OUT_DAYS + 1} wanted")
    if not (rows.tab == MAIN).any():
        raise _poor(data, "surface", "no row of the main feed given")


def _poor(data: LogData, column: str, reason: str) -> DataError:
    """Build the error for a table that lacks data."""
    return DataError(f"{data.path}: column {column}: {reason}; give the complete data")
