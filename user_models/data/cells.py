"""Kinds of cell in a table, checked a whole batch at a time or cell by cell.

Every kind answers the same two questions. `fits` is asked of each batch that is read and only says that something is
wrong; `reads` is then asked of the cells of a CSV file, one by one, and says where.
"""

import math
import re
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, final

import numpy as np
import pandas as pd
import pyarrow as pa

ArrowType: TypeAlias = Any
"""A `pyarrow.DataType`; pyarrow ships no types."""
ArrowCells: TypeAlias = Any
"""A `pyarrow.Array` of one column; empty cells are null."""
Kind: TypeAlias = Literal["id", "number", "flag", "text", "time"]
EMPTY: Final = ("", "NA", "NaN", "nan", "null", "NULL")
"""Cells that say nothing."""
YES: Final = ("1", "true", "True", "TRUE")
NO: Final = ("0", "false", "False", "FALSE")
_NUMBER: Final = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
_TYPES: Final[dict[Kind, ArrowType]] = {
    "id": pa.string(),
    "number": pa.float64(),
    "flag": pa.bool_(),
    "text": pa.string(),
    "time": pa.string(),
}


@final
@dataclass(frozen=True)
class Cell:
    """What a column of a file holds.

    Attributes:
        column: Name in the file.
        kind: How its cells are read.
        may_be_empty: Whether a cell may say nothing.
        low: Smallest number allowed.
        high: Largest number allowed.
    """

    column: str
    kind: Kind
    may_be_empty: bool = False
    low: float = 0.0
    high: float = math.inf

    @property
    def arrow(self) -> ArrowType:
        """The `pyarrow.DataType` that cells are read as."""
        return _TYPES[self.kind]

    @property
    def wanted(self) -> str:
        """Description of the allowed cells, for messages."""
        top = "" if math.isinf(self.high) else f" to {self.high:g}"
        least = "a number" if math.isinf(self.low) else f"a number from {self.low:g}{top}"
        words = {
            "id": "an id",
            "number": least,
            "flag": "0 or 1",
            "text": "text",
            "time": "a time such as 2022-04-10 21:30:00",
        }[self.kind]
        return f"{words}, or nothing" if self.may_be_empty else words

    def fits(self, cells: ArrowCells) -> bool:
        """Return whether all cells are allowed."""
        if cells.null_count and not self.may_be_empty:
            return False
        if self.kind == "number":
            values = cells.to_numpy(zero_copy_only=False).astype(np.float64)
            allowed = np.isfinite(values) & (values >= self.low) & (values <= self.high)
            return int(allowed.sum()) + cells.null_count == len(values)
        if self.kind == "time":
            return not as_times(cells).isna().any()
        return True

    def reads(self, text: str) -> bool:
        """Return whether a cell with this text is allowed."""
        if text in EMPTY:
            return self.may_be_empty
        if self.kind == "flag":
            return text in YES or text in NO
        if self.kind == "number":
            return bool(_NUMBER.fullmatch(text)) and self.low <= float(text) <= self.high and float(text) < math.inf
        return self.kind != "time" or not pd.isna(pd.to_datetime(text, errors="coerce", format="ISO8601"))


def as_times(cells: ArrowCells) -> "pd.Series[pd.Timestamp]":
    """Times that are written out; NaT for what is none. Those with an offset are turned into UTC and lose it."""
    if pa.types.is_timestamp(cells.type):
        return pd.to_datetime(cells.to_pandas(), utc=True).dt.tz_localize(None)
    texts = pd.Series(cells.to_numpy(zero_copy_only=False), dtype=object)
    return pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True).dt.tz_localize(None)
