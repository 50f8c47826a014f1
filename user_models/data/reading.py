"""Reading one file: every batch that is handed on has been checked, and a fault is named by line and column.

Axes: `rows` of the files; `files` of one kind.
"""

import csv
import os
from collections.abc import Iterator
from typing import Any, Final, NoReturn, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
from jaxtyping import Int64

from user_models.data.columns import Column
from user_models.data.layout import DataFile
from user_models.errors import DataError

ArrowBatch: TypeAlias = Any
"""A `pyarrow.RecordBatch`; pyarrow ships no types."""
Stream: TypeAlias = Any
"""A `pyarrow.csv.CSVStreamingReader`."""
_BLOCK_BYTES: Final = 4 << 20
_LONGEST_LINE: Final = 1 << 16
_REMEDY: Final = "mend the line or unpack the archive again"


def check_edges(file: DataFile) -> None:
    """Check a file's header, and that its last line is complete, without reading the rest.

    Columns may come in any order.

    Raises:
        DataError: An empty file, no text, other columns, or a last line that was cut.
    """
    try:
        with file.path.open("rb") as source:
            first = source.readline(_LONGEST_LINE)
            source.seek(-1 if first else 0, 2)
            last = source.read()
    except OSError as error:
        raise _unreadable(file, error) from error
    _check_header(file, first)
    if last != b"\n":
        line = sum(1 for _ in _lines(file))
        raise DataError(f"{file.path}, line {line}: the last line is cut, it has no line break; {_REMEDY}")


def count_rows(file: DataFile) -> int:
    """Rows below the header, counted without reading them.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        with file.path.open("rb") as source:
            return sum(block.count(b"\n") for block in iter(lambda: source.read(_BLOCK_BYTES), b"")) - 1
    except OSError as error:
        raise _unreadable(file, error) from error


def read_once(files: tuple[DataFile, ...], names: tuple[str, ...], key: str) -> Iterator[ArrowBatch]:
    """Read files like `read` and check at the end that no two rows have the same `key`; takes 8 bytes a row.

    Raises:
        DataError: As `read`; or a `key` that stands in two rows, of one file or of two.
    """
    ids: list[Int64[np.ndarray, " rows"]] = []
    lengths: list[int] = []
    for file in files:
        before = sum(map(len, ids))
        for batch in read(file, names):
            ids.append(batch.column(key).to_numpy())
            yield batch
        lengths.append(sum(map(len, ids)) - before)
    if ids:
        _check_once(files, key, np.concatenate(ids), np.cumsum(lengths))


def _check_once(
    files: tuple[DataFile, ...], key: str, ids: Int64[np.ndarray, " rows"], ends: Int64[np.ndarray, " files"]
) -> None:
    """Raise if an id occurs in two rows; the files end before the rows `ends`."""
    if (np.diff(ids) > 0).all():
        return
    order = np.argsort(ids, kind="stable")
    again = order[1:][np.diff(ids[order]) == 0]
    if not len(again):
        return
    second = int(again.min())
    first = int(np.flatnonzero(ids == ids[second])[0])
    (one, line), (other, earlier) = (_line_of(files, ends, row) for row in (second, first))
    there = f"line {earlier}" if one is other else f"line {earlier} of {other.path.name}"
    raise DataError(
        f"{one.path}, line {line}, column {key}: {ids[second]} given, which {there} has already; "
        "remove one of the two lines or unpack the archive again"
    )


def _line_of(files: tuple[DataFile, ...], ends: Int64[np.ndarray, " files"], row: int) -> tuple[DataFile, int]:
    """The file and the line of a row, counted through all files; the header is line 1."""
    at = int(np.searchsorted(ends, row, side="right"))
    return files[at], row - (int(ends[at - 1]) if at else 0) + 2


def read(file: DataFile, names: tuple[str, ...]) -> Iterator[ArrowBatch]:
    """The columns `names` in the order of the file, checked, a few megabytes at a time.

    Raises:
        DataError: A line with too few or too many cells, or a cell of these columns that is not allowed.
    """
    columns = [column for column in file.table.columns if column.name in names]
    n_read = 0
    try:
        with _reader(file, columns) as reader:
            for batch in reader:
                if not all(column.fits(batch.column(column.name)) for column in columns):
                    _refuse(file, n_read, "a value is out of range")
                yield batch
                n_read += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        _refuse(file, n_read, " ".join(str(error).split()))
    except OSError as error:
        raise _unreadable(file, error) from error


def _reader(file: DataFile, columns: list[Column]) -> Stream:
    """A stream of batches with declared types; nothing about the types is guessed from the rows."""
    return arrow_csv.open_csv(
        str(file.path.absolute()),
        read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=arrow_csv.ParseOptions(ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types={column.name: column.arrow for column in columns},
            include_columns=[column.name for column in columns],
            null_values=[""],
            strings_can_be_null=True,
        ),
    )


def _check_header(file: DataFile, first: bytes) -> None:
    """Refuse a first line that does not name the columns of the table."""
    if not first:
        raise DataError(f"{file.path}: the file is empty; unpack the archive again")
    try:
        names = _header(first)
    except UnicodeDecodeError as error:
        raise DataError(f"{file.path}, line 1: not UTF-8 text; unpack the archive again") from error
    except csv.Error as error:
        raise DataError(f"{file.path}, line 1: {_short(first)} given, names of columns wanted; {_REMEDY}") from error
    wanted = file.table.header
    missing = [name for name in wanted if name not in names]
    extra = [name for at, name in enumerate(names) if name not in wanted or name in names[:at]]
    if missing:
        given = f" ({_short(', '.join(extra))} given)" if extra else ""
        raise DataError(f"{file.path}, line 1: column {', '.join(missing[:5])} is missing{given}; {_REMEDY}")
    if extra:
        raise DataError(f"{file.path}, line 1: column {_short(', '.join(extra))} is not wanted; {_REMEDY}")


def _header(line: bytes) -> list[str]:
    """Names in a first line: a byte-order mark before them, and quotes around them, mean nothing.

    Raises:
        UnicodeDecodeError: No text.
        csv.Error: Quotes that do not close.
    """
    return next(csv.reader([line.decode("utf-8-sig").rstrip("\r\n")], strict=True), [""])


def _refuse(file: DataFile, n_read: int, reason: str) -> NoReturn:
    """Raise for the first fault below the first `n_read` rows, or for `reason` where no single cell is to blame."""
    by_name = {column.name: column for column in file.table.columns}
    header: list[Column] | None = None
    for number, line in enumerate(_lines(file), start=1):
        if header is None:
            header = [by_name[name] for name in _header(line)]
        elif number > n_read + 1 and (fault := _fault(line, header)):
            raise DataError(f"{file.path}, line {number}{fault}; {_REMEDY}")
    raise DataError(f"{file.path}, below line {n_read + 1}: {_short(reason)}; {_REMEDY}")


def _lines(file: DataFile) -> Iterator[bytes]:
    """Yield physical lines; a line longer than any real one is split."""
    try:
        with file.path.open("rb") as source:
            yield from iter(lambda: source.readline(_LONGEST_LINE), b"")
    except OSError as error:
        raise _unreadable(file, error) from error


def _fault(line: bytes, header: list[Column]) -> str:
    """Describe the fault of a line; empty if there is none."""
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return f": {_short(line)} given, UTF-8 text wanted"
    try:
        cells = next(csv.reader([text], strict=True), [""])
    except csv.Error:
        return f": {_short(text)} given, quotes that close wanted"
    for column, cell in zip(header, cells, strict=False):
        if not column.reads(cell):
            return f", column {column.name}: {_short(cell)} given, {column.wanted} wanted"
    if len(cells) < len(header):
        return f", column {header[len(cells)].name}: {len(cells)} cells given, {len(header)} wanted"
    if len(cells) > len(header):
        return f", column {header[-1].name}: {len(cells)} cells given, {len(header)} wanted"
    return ""


def _short(value: str | bytes) -> str:
    """The value as one short printable line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _unreadable(file: DataFile, error: OSError) -> DataError:
    """A file that is there and cannot be read: the operating system's reason, without pyarrow's words around it."""
    cause = os.strerror(error.errno) if error.errno else type(error).__name__
    return DataError(f"{file.path}: cannot be read ({cause}); make it readable or unpack the archive again")
