"""Reading one file: every batch that is handed on has been checked, and a fault is named by line and column.

Axes: `rows` of the file.
"""

import csv
import os
from collections.abc import Iterator
from typing import Any, Final, NoReturn, TypeAlias

import pyarrow as pa
import pyarrow.csv as arrow_csv

from user_models.data.columns import Column
from user_models.data.layout import DataFile
from user_models.errors import DataError

Batch: TypeAlias = Any
"""A `pyarrow.RecordBatch`; pyarrow ships no types."""
Stream: TypeAlias = Any
"""A `pyarrow.csv.CSVStreamingReader`."""
_BLOCK_BYTES: Final = 4 << 20
_LONGEST_LINE: Final = 1 << 16
_REMEDY: Final = "mend the line or unpack the archive again"


def check_edges(file: DataFile) -> None:
    """Check what can be told without reading the file: its header, and that its last line is whole.

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
        raise DataError(f"{file.path}: cannot be read ({_cause(error)})") from error
    _check_header(file, first)
    if last != b"\n":
        line = sum(1 for _ in _lines(file))
        raise DataError(f"{file.path}, line {line}: the last line is cut, it has no line break; {_REMEDY}")


def count_rows(file: DataFile) -> int:
    """Rows below the header, counted without reading them."""
    with file.path.open("rb") as source:
        return sum(block.count(b"\n") for block in iter(lambda: source.read(_BLOCK_BYTES), b"")) - 1


def read(file: DataFile, names: tuple[str, ...]) -> Iterator[Batch]:
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
        raise DataError(f"{file.path}: cannot be read ({_cause(error)})") from error


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
        names = first.decode("utf-8").rstrip("\r\n").split(",")
    except UnicodeDecodeError as error:
        raise DataError(f"{file.path}, line 1: not UTF-8 text; unpack the archive again") from error
    wanted = file.table.header
    missing = [name for name in wanted if name not in names]
    extra = [name for at, name in enumerate(names) if name not in wanted or name in names[:at]]
    if missing:
        given = f" ({_short(', '.join(extra))} given)" if extra else ""
        raise DataError(f"{file.path}, line 1: column {', '.join(missing[:5])} is missing{given}; {_REMEDY}")
    if extra:
        raise DataError(f"{file.path}, line 1: column {_short(', '.join(extra))} is not wanted; {_REMEDY}")


def _refuse(file: DataFile, n_read: int, reason: str) -> NoReturn:
    """Raise for the first fault below the first `n_read` rows, or for `reason` where no single cell is to blame."""
    by_name = {column.name: column for column in file.table.columns}
    header: list[Column] | None = None
    for number, line in enumerate(_lines(file), start=1):
        if header is None:
            header = [by_name[name] for name in line.decode("utf-8").rstrip("\r\n").split(",")]
        elif number > n_read + 1 and (fault := _fault(line, header)):
            raise DataError(f"{file.path}, line {number}{fault}; {_REMEDY}")
    raise DataError(f"{file.path}, below line {n_read + 1}: {_short(reason)}; {_REMEDY}")


def _lines(file: DataFile) -> Iterator[bytes]:
    """Physical lines; one that is longer than any real one comes in pieces."""
    with file.path.open("rb") as source:
        yield from iter(lambda: source.readline(_LONGEST_LINE), b"")


def _fault(line: bytes, header: list[Column]) -> str:
    """What is wrong with a line, or nothing."""
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


def _cause(error: OSError) -> str:
    """The operating system's reason, without pyarrow's words around it."""
    return os.strerror(error.errno) if error.errno else type(error).__name__
