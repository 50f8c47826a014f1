"""Reading one file, CSV or Parquet: every batch that is handed on is checked, and a fault is named by its place."""

import csv
import gzip
import os
from collections.abc import Iterator
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Final, NoReturn, TypeAlias

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from user_models.data.cells import EMPTY, NO, YES, ArrowCells, Cell
from user_models.errors import DataError

ArrowBatch: TypeAlias = Any
"""A `pyarrow.RecordBatch`; pyarrow ships no types."""
ParquetFile: TypeAlias = Any
"""A `pyarrow.parquet.ParquetFile`."""
_BLOCK_BYTES: Final = 4 << 20
_BATCH_ROWS: Final = 1 << 17
_LONGEST_LINE: Final = 1 << 16
_REMEDY: Final = "mend the file or its mapping"


def read_file(path: Path, cells: list[Cell], delimiter: str = ",") -> Iterator[ArrowBatch]:
    """Read some columns of a file, each once, checked, a few megabytes at a time.

    Raises:
        DataError: A file that cannot be read, a missing or repeated column, or a cell that is not allowed.
    """
    try:
        if is_parquet(path):
            yield from _parquet(path, cells)
        else:
            yield from _csv(path, cells, delimiter)
    except OSError as error:
        raise _unreadable(path, error) from error


def count_rows(path: Path) -> int:
    """Rows of a file, counted without reading their cells.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        if is_parquet(path):
            return int(_opened(path).metadata.num_rows)
        with _bytes(path) as source:
            blocks = iter(lambda: source.read(_BLOCK_BYTES), b"")
            n_lines, last = 0, b"\n"
            for block in blocks:
                n_lines, last = n_lines + block.count(b"\n"), block[-1:]
            return max(0, n_lines + (last != b"\n") - 1)
    except OSError as error:
        raise _unreadable(path, error) from error


def column_names(path: Path, delimiter: str = ",") -> list[str]:
    """Names of the columns of a file, in their order.

    Raises:
        DataError: A file that cannot be read, is empty, or has no names of columns.
    """
    try:
        if is_parquet(path):
            return list(_opened(path).schema_arrow.names)
        with _bytes(path) as source:
            first = source.readline(_LONGEST_LINE)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not first:
        raise DataError(f"{path}: the file is empty; {_REMEDY}")
    try:
        return _header(first, delimiter)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, line 1: not UTF-8 text; {_REMEDY}") from error
    except csv.Error as error:
        raise DataError(f"{path}, line 1: {_short(first)} given, names of columns wanted; {_REMEDY}") from error


def is_parquet(path: Path) -> bool:
    """Return whether the name of a file says that it is Parquet."""
    return path.suffix.lower() in (".parquet", ".pq")


def check_columns(path: Path, cells: list[Cell], delimiter: str = ",") -> None:
    """Refuse a file that lacks a column, or has one of its columns twice.

    Raises:
        DataError: As said; or the file cannot be read.
    """
    names = column_names(path, delimiter)
    where = f"{path}" if is_parquet(path) else f"{path}, line 1"
    wanted = dict.fromkeys(cell.column for cell in cells)
    if missing := [name for name in wanted if name not in names]:
        raise DataError(
            f"{where}: column {', '.join(missing[:5])} is missing ({_short(', '.join(names))} given); {_REMEDY}"
        )
    if twice := [name for name in wanted if names.count(name) > 1]:
        raise DataError(f"{where}: column {twice[0]} is there {names.count(twice[0])} times, once wanted; {_REMEDY}")


def _csv(path: Path, cells: list[Cell], delimiter: str) -> Iterator[ArrowBatch]:
    """Batches of a CSV file; nothing about the types is guessed from the rows."""
    check_columns(path, cells, delimiter)
    n_read = 0
    try:
        with arrow_csv.open_csv(str(path.absolute()), **_options(cells, delimiter)) as reader:
            for batch in reader:
                if not all(cell.fits(batch.column(cell.column)) for cell in cells):
                    _refuse(path, cells, delimiter, n_read, "a value is out of range")
                yield batch
                n_read += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        _refuse(path, cells, delimiter, n_read, " ".join(str(error).split()))


def _options(cells: list[Cell], delimiter: str) -> dict[str, Any]:
    """Options of the streaming reader."""
    types = {cell.column: cell.arrow for cell in cells}
    return {
        "read_options": arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
        "parse_options": arrow_csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
        "convert_options": arrow_csv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=list(EMPTY),
            true_values=list(YES),
            false_values=list(NO),
            strings_can_be_null=True,
        ),
    }


def _parquet(path: Path, cells: list[Cell]) -> Iterator[ArrowBatch]:
    """Batches of a Parquet file, in the types of the cells."""
    check_columns(path, cells)
    n_read = 0
    names = list(dict.fromkeys(cell.column for cell in cells))
    try:
        for batch in _opened(path).iter_batches(batch_size=_BATCH_ROWS, columns=names):
            typed = [_typed(path, batch.column(name), _cell(cells, name)) for name in names]
            for name, column in zip(names, typed, strict=True):
                if not _cell(cells, name).fits(column):
                    _refuse_row(path, _cell(cells, name), column, n_read)
            yield pa.RecordBatch.from_arrays(typed, names=names)
            n_read += batch.num_rows
    except pa.ArrowException as error:
        raise DataError(f"{path}: damaged ({_short(str(error))}); {_REMEDY}") from error


def _opened(path: Path) -> ParquetFile:
    """A Parquet file."""
    try:
        return pq.ParquetFile(path.absolute())
    except pa.ArrowException as error:
        raise DataError(f"{path}: is no Parquet file ({_short(str(error))}); {_REMEDY}") from error


def _cell(cells: list[Cell], name: str) -> Cell:
    return next(cell for cell in cells if cell.column == name)


def _typed(path: Path, column: ArrowCells, cell: Cell) -> ArrowCells:
    """A column of a Parquet file in the type of its cell; whole-number ids stay numbers, and times stay times."""
    given = column.type
    if pa.types.is_dictionary(given):
        column = column.cast(given.value_type)
    if (cell.kind == "id" and pa.types.is_integer(given)) or (cell.kind == "time" and pa.types.is_timestamp(given)):
        return column
    if cell.kind in ("id", "text") and pa.types.is_boolean(given):
        column = column.cast(pa.int8())
    try:
        if cell.kind == "flag" and not pa.types.is_boolean(given):
            numbers = column.cast(pa.float64())
            if not set(numbers.unique().to_pylist()) <= {0.0, 1.0, None}:
                raise pa.ArrowInvalid("values other than 0 and 1")
            return numbers.cast(pa.bool_())
        return column.cast(cell.arrow)
    except pa.ArrowException as error:
        raise DataError(
            f"{path}, column {cell.column}: {given} given, {cell.wanted} wanted ({_short(str(error))})"
        ) from error


def _refuse_row(path: Path, cell: Cell, column: ArrowCells, n_read: int) -> NoReturn:
    """Raise for the first row of a batch that a cell does not allow."""
    at = next(at for at in range(len(column)) if not cell.fits(column.slice(at, 1)))
    value = _short(column[at].as_py())
    raise DataError(
        f"{path}, row {n_read + at + 1}, column {cell.column}: {value} given, {cell.wanted} wanted; {_REMEDY}"
    )


def _header(line: bytes, delimiter: str) -> list[str]:
    """Names in a first line: a byte-order mark before them, and quotes around them, mean nothing.

    Raises:
        UnicodeDecodeError: No text.
        csv.Error: Quotes that do not close.
    """
    text = line.decode("utf-8-sig").rstrip("\r\n")
    return next(csv.reader([text], strict=True, delimiter=delimiter), [""])


def _refuse(path: Path, cells: list[Cell], delimiter: str, n_read: int, reason: str) -> NoReturn:
    """Raise for the first fault below the first `n_read` rows, or for `reason` where no single cell is to blame."""
    header: list[str] | None = None
    for number, line in enumerate(_lines(path), start=1):
        if header is None:
            header = _header(line, delimiter)
        elif number > n_read + 1 and (fault := _fault(line, header, cells, delimiter)):
            raise DataError(f"{path}, line {number}{fault}; {_REMEDY}")
    raise DataError(f"{path}, below line {n_read + 1}: {_short(reason)}; {_REMEDY}")


def _lines(path: Path) -> Iterator[bytes]:
    """Yield physical lines; a line longer than any real one is split."""
    with _bytes(path) as source:
        yield from iter(lambda: source.readline(_LONGEST_LINE), b"")


def _bytes(path: Path) -> BufferedIOBase:
    """The bytes of a file, unpacked where it is packed."""
    return gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb")


def _fault(line: bytes, header: list[str], cells: list[Cell], delimiter: str) -> str:
    """Describe the fault of a line; empty if there is none."""
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return f": {_short(line)} given, UTF-8 text wanted"
    try:
        values = next(csv.reader([text], strict=True, delimiter=delimiter), [""])
    except csv.Error:
        return f": {_short(text)} given, quotes that close wanted"
    by_name = {cell.column: cell for cell in cells}
    for name, value in zip(header, values, strict=False):
        if name in by_name and not by_name[name].reads(value):
            return f", column {name}: {_short(value)} given, {by_name[name].wanted} wanted"
    if len(values) != len(header):
        return f": {len(values)} cells given, {len(header)} wanted"
    return ""


def _short(value: object) -> str:
    """The value as one short printable line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unreadable(path: Path, error: OSError) -> DataError:
    """A file that cannot be read: the operating system's reason, without pyarrow's words around it."""
    cause = os.strerror(error.errno) if error.errno else " ".join(str(error).split()) or type(error).__name__
    return DataError(f"{path}: cannot be read ({cause}); make it readable or name another file")
