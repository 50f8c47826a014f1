"""Types of column and their allowed cells, checked a whole batch at a time or cell by cell.

Every kind answers the same two questions. `fits` is asked of each batch that is read and only says that something is
wrong; `reads` is then asked of the cells, one by one, and says where.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias, final, runtime_checkable

import numpy as np
import pyarrow as pa

ArrowType: TypeAlias = Any
"""A `pyarrow.DataType`; pyarrow ships no types."""
CsvCells: TypeAlias = Any
"""A `pyarrow.Array` of one column; empty cells are null."""
MISSING: Final = -124
"""KuaiRand's code for "not known" in whole-number columns."""
_LARGEST: Final = 2**63 - 1
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_REAL: Final = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


@runtime_checkable
class Column(Protocol):
    """Column with a name and allowed cells."""

    @property
    def name(self) -> str:
        """Column name in the file's header."""
        ...

    @property
    def meaning(self) -> str:
        """Meaning of the column, with its unit."""
        ...

    @property
    def wanted(self) -> str:
        """Description of the allowed cells, for messages."""
        ...

    @property
    def arrow(self) -> ArrowType:
        """The `pyarrow.DataType` that cells are read as."""
        ...

    def fits(self, cells: CsvCells) -> bool:
        """Return whether all cells are allowed."""
        ...

    def reads(self, text: str) -> bool:
        """Return whether a cell with this text is allowed."""
        ...


@final
@dataclass(frozen=True)
class Whole:
    """Column of whole numbers without empty cells.

    Flags take one byte; everything else takes eight, so that arithmetic on ids, dates and times cannot overflow.

    Attributes:
        name: As in the header.
        meaning: What it says, with its unit.
        low: Smallest allowed value.
        high: Largest allowed value.
        code: A further allowed value that stands for "not known".
    """

    name: str
    meaning: str
    low: int = 0
    high: int = _LARGEST
    code: int | None = None

    @property
    def arrow(self) -> ArrowType:
        """Arrow type of the column: one byte for flags, else eight."""
        return pa.int8() if self.high == 1 else pa.int64()

    @property
    def wanted(self) -> str:
        """Description of the allowed cells, for messages."""
        top = "" if self.high == _LARGEST else f" to {self.high}"
        numbers = "0 or 1" if (self.low, self.high) == (0, 1) else f"a whole number from {self.low}{top}"
        return numbers if self.code is None else f"{numbers}, or {self.code} for not known"

    def fits(self, cells: CsvCells) -> bool:
        """Return whether all cells are within the bounds or equal `code`; empty cells are not allowed."""
        if cells.null_count:
            return False
        values = cells.to_numpy(zero_copy_only=False)
        outside = values[(values < self.low) | (values > self.high)]
        return bool(np.all(outside == self.code))

    def reads(self, text: str) -> bool:
        """Return whether the text is a whole number within the bounds, or `code`."""
        if not _WHOLE.fullmatch(text):
            return False
        return self.low <= int(text) <= self.high or int(text) == self.code


@final
@dataclass(frozen=True)
class Real:
    """Column of finite numbers from 0; an empty cell is a missing value, read as NaN."""

    name: str
    meaning: str
    high: float = float("inf")

    @property
    def arrow(self) -> ArrowType:
        """Arrow type of the column."""
        return pa.float64()

    @property
    def wanted(self) -> str:
        """Description of the allowed cells, for messages."""
        top = "" if np.isinf(self.high) else f" to {self.high:g}"
        return f"a number from 0{top}, or nothing"

    def fits(self, cells: CsvCells) -> bool:
        """Return whether all cells are empty or within the bounds."""
        values = cells.to_numpy(zero_copy_only=False)
        allowed = np.isfinite(values) & (values >= 0) & (values <= self.high)
        return int(allowed.sum()) + cells.null_count == len(values)

    def reads(self, text: str) -> bool:
        """Return whether the text is empty or a number within the bounds."""
        if not text:
            return True
        return bool(_REAL.fullmatch(text)) and 0 <= float(text) <= self.high and float(text) < np.inf


@final
@dataclass(frozen=True)
class Level:
    """One of a few labels, never empty."""

    name: str
    meaning: str
    levels: tuple[str, ...]

    @property
    def arrow(self) -> ArrowType:
        """Arrow type of the column."""
        return pa.string()

    @property
    def wanted(self) -> str:
        """Description of the allowed cells, for messages."""
        return "one of " + " ".join(self.levels)

    def fits(self, cells: CsvCells) -> bool:
        """Return whether all cells are levels of the column."""
        return set(cells.unique().to_pylist()) <= set(self.levels)

    def reads(self, text: str) -> bool:
        """Return whether the text is a level of the column."""
        return text in self.levels


@final
@dataclass(frozen=True)
class Text:
    """Column of text of a given form; an empty cell is a missing value.

    Attributes:
        name: As in the header.
        meaning: What it says.
        form: Regular expression that the whole cell matches.
        wanted: The form in words.
    """

    name: str
    meaning: str
    form: str
    wanted: str

    @property
    def arrow(self) -> ArrowType:
        """Arrow type of the column."""
        return pa.string()

    def fits(self, cells: CsvCells) -> bool:
        """Return whether all cells are empty or match `form`."""
        return all(text is None or self.reads(text) for text in cells.unique().to_pylist())

    def reads(self, text: str) -> bool:
        """Return whether the text is empty or matches `form`."""
        return not text or bool(re.fullmatch(self.form, text))
