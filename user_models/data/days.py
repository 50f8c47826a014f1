"""Columns that hold days of the calendar, in the two spellings of KuaiRand: yyyymmdd in the logs, yyyy-mm-dd elsewhere.

Axes: `days` one after the other.
"""

import re
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Final, final

import numpy as np
import pyarrow as pa
from jaxtyping import Int64

from user_models.data.columns import ArrowType, CsvCells

_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"[0-9]{8}")


@final
@dataclass(frozen=True)
class DateColumn:
    """Column of calendar days as yyyy-mm-dd; an empty cell is a missing value, read as NaT."""

    name: str
    meaning: str
    wanted: str = field(default="a day such as 2022-04-10, or nothing", init=False)

    @property
    def arrow(self) -> ArrowType:
        """Arrow type of the column."""
        return pa.date32()

    def fits(self, cells: CsvCells) -> bool:
        """Return True: cells that are no day were already refused by the reader."""
        del cells
        return True

    def reads(self, text: str) -> bool:
        """Return whether the text is empty or a calendar day."""
        return not text or (bool(_DAY.fullmatch(text)) and _is_day(text))


@final
@dataclass(frozen=True)
class DayNumber:
    """A calendar day as the number yyyymmdd, never empty, from `first` to `last`."""

    name: str
    meaning: str
    first: int
    last: int

    @property
    def arrow(self) -> ArrowType:
        """Arrow type of the column."""
        return pa.int64()

    @property
    def wanted(self) -> str:
        """Description of the allowed cells, for messages."""
        return f"a day from {self.first} to {self.last}"

    @cached_property
    def days(self) -> frozenset[int]:
        """The allowed numbers."""
        return frozenset(day_numbers(self.first, self.last).tolist())

    def fits(self, cells: CsvCells) -> bool:
        """Return whether all cells are days of the log."""
        return set(cells.unique().to_pylist()) <= self.days

    def reads(self, text: str) -> bool:
        """Return whether the text is a day of the log."""
        return bool(_NUMBER.fullmatch(text)) and int(text) in self.days


def day_numbers(first: int, last: int) -> Int64[np.ndarray, " days"]:
    """Every day from `first` to `last`, both included, as yyyymmdd.

    Raises:
        ValueError: An end that is no day of the calendar.

    >>> day_numbers(20220429, 20220502).tolist()
    [20220429, 20220430, 20220501, 20220502]
    """
    start, stop = (np.datetime64(date.fromisoformat(str(end)), "D") for end in (first, last))
    return np.char.replace(np.arange(start, stop + 1).astype(str), "-", "").astype(np.int64)


def _is_day(text: str) -> bool:
    """Return whether the text is a calendar day."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
