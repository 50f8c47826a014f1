"""Row groups of a run's `user_days`: their files, their ranges of users, and their columns as arrays.

Seconds and weights are whole multiples of 1e-9, so that their sums are exact in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int32, Int64

from simulator.errors import RunFolderError
from simulator.runs.user_day_reader import check_columns, open_user_days
from simulator.user_days import SCHEMA, STRONG_COUNTS, SUMS

UNIT: Final = 1_000_000_000
"""Units per second, or per unit of weight."""
_LARGEST: Final = 1e9
_LABELS: Final = ("world", "bucket", "segment")


@final
@dataclass(frozen=True)
class Chunk:
    """One row group, still on disk.

    Attributes:
        path: File of the row group.
        group: Index of the row group in the file.
        rows: Number of rows.
        first: Smallest user id.
        last: Largest user id.
    """

    path: Path
    group: int
    rows: int
    first: int
    last: int


@final
@dataclass(frozen=True)
class ChunkRows:
    """The rows of a chunk in order of user id.

    Attributes:
        user_id: User of each row.
        day: Day of each row.
        labels: World, bucket and segment of each row, as codes.
        names: Names of the codes of each label.
        values: Whole numbers by column; seconds and weights in steps of 1 / `UNIT`.
    """

    user_id: Int64[np.ndarray, " rows"]
    day: Int64[np.ndarray, " rows"]
    labels: tuple[Int32[np.ndarray, " rows"], ...]
    names: tuple[tuple[str, ...], ...]
    values: dict[str, np.ndarray]


def list_chunks(folder: Path) -> tuple[list[Chunk], frozenset[str]]:
    """List all row groups that have rows, by first user, and the worlds that they hold.

    Raises:
        RunFolderError: There are no files, one is unreadable, or a column is missing or has gaps.
    """
    files = sorted((folder / "user_days").glob("*.parquet"))
    if not files:
        raise RunFolderError(f"{folder}: holds no user_days/*.parquet; give the folder that `askew run --out` wrote")
    chunks: list[Chunk] = []
    worlds = set[str]()
    is_full = True
    for path in files:
        try:
            with pq.ParquetFile(path.absolute()) as file:
                check_columns(folder, file.schema_arrow.names, SCHEMA.names)
                for group in range(file.metadata.num_row_groups):
                    is_full &= _list_group(path, file, group, chunks, worlds)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from None
    if not is_full:
        with open_user_days(folder):  # refuses gaps
            pass
    return sorted(chunks, key=lambda chunk: (chunk.first, chunk.last, chunk.path, chunk.group)), frozenset(worlds)


def _list_group(path: Path, file: pq.ParquetFile, group: int, chunks: list[Chunk], worlds: set[str]) -> bool:
    """Add a row group, from its statistics or else its columns, and return whether it surely has no gaps."""
    group_metadata = file.metadata.row_group(group)
    if not group_metadata.num_rows:
        return True
    columns = {
        group_metadata.column(i).path_in_schema: group_metadata.column(i).statistics
        for i in range(group_metadata.num_columns)
    }
    column_statistics = columns["user_id"]
    if column_statistics is not None and column_statistics.has_min_max:
        first, last = int(column_statistics.min), int(column_statistics.max)
    else:
        ids = file.read_row_group(group, columns=["user_id"])["user_id"].to_numpy()
        first, last = int(ids.min()), int(ids.max())
    column_statistics = columns["world"]
    if (
        column_statistics is not None
        and column_statistics.has_min_max
        and column_statistics.min == column_statistics.max
    ):
        worlds.add(str(column_statistics.min))
    else:
        worlds.update(file.read_row_group(group, columns=["world"])["world"].unique().to_pylist())
    chunks.append(Chunk(path, group, group_metadata.num_rows, first, last))
    return all(
        column_statistics is not None and column_statistics.has_null_count and not column_statistics.null_count
        for column_statistics in columns.values()
    )


def chunk_user_ids(chunk: Chunk) -> np.ndarray:
    """Read the user ids of all rows."""
    try:
        with pq.ParquetFile(chunk.path.absolute()) as file:
            return file.read_row_group(chunk.group, columns=["user_id"])["user_id"].to_numpy()
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(chunk.path, error) from None


def read_chunk(chunk: Chunk, columns: Sequence[str]) -> ChunkRows:
    """Read columns of totals, with users, days and labels.

    Raises:
        RunFolderError: The file is unreadable, or a value is not a number or is beyond 1e9.
    """
    names = ["user_id", "day", *_LABELS, *("active" if name == "active_days" else name for name in columns)]
    try:
        with pq.ParquetFile(chunk.path.absolute(), memory_map=True) as file:
            stored = set(file.schema_arrow.names)
            table = file.read_row_group(chunk.group, columns=names, use_threads=False)
        user_id = _whole(table["user_id"], pa.int64())
        day = _whole(table["day"], pa.int64())
        labels = [_codes(table[name]) for name in _LABELS]
        columns_in_file = [name for name in columns if name in stored or name not in STRONG_COUNTS]
        zeros = np.zeros(len(user_id), np.int32)
        values = dict.fromkeys(columns, zeros) | {name: _values(table, name) for name in columns_in_file}
    except (OSError, pa.ArrowException, ValueError) as error:
        raise _unreadable(chunk.path, error) from None
    rows = ChunkRows(user_id, day, tuple(c for c, _ in labels), tuple(n for _, n in labels), values)
    return rows if (user_id[1:] >= user_id[:-1]).all() else _reordered(rows, np.argsort(user_id, kind="stable"))


def _reordered(chunk_rows: ChunkRows, order: Int64[np.ndarray, " rows"]) -> ChunkRows:
    """Reorder rows."""
    labels = tuple(codes[order] for codes in chunk_rows.labels)
    values = {name: column[order] for name, column in chunk_rows.values.items()}
    return ChunkRows(chunk_rows.user_id[order], chunk_rows.day[order], labels, chunk_rows.names, values)


def _whole(column: pa.ChunkedArray, kind: pa.DataType) -> np.ndarray:
    """Read a column of whole numbers."""
    return (column if column.type == kind else column.cast(kind)).to_numpy()


def _codes(column: pa.ChunkedArray) -> tuple[Int32[np.ndarray, " rows"], tuple[str, ...]]:
    """Read a column of names as codes and names."""
    array = column.combine_chunks()
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    return array.indices.to_numpy().astype(np.int32, copy=False), tuple(
        str(name) for name in array.dictionary.to_pylist()
    )


def _values(table: pa.Table, name: str) -> np.ndarray:
    """Read a column of totals as whole numbers.

    Raises:
        ValueError: A value is not a number or is beyond 1e9.
    """
    if name == "active_days":
        return _whole(table["active"], pa.int32())
    if name not in SUMS:
        return _whole(table[name], table[name].type if table[name].type == pa.int32() else pa.int64())
    values = _whole(table[name], pa.float64())
    is_in_range = np.abs(values) < _LARGEST
    if not is_in_range.all():
        raise ValueError(f"{name} is {values[~is_in_range][0]}, want a number below {_LARGEST:.0e}")
    return np.rint(values * UNIT).astype(np.int64)


def _unreadable(path: Path, error: Exception) -> RunFolderError:
    return RunFolderError(f"{path}: cannot be read: {(str(error).splitlines() or ['damaged'])[0]}; run the test anew")
