"""Row groups of a run's `user_days`: where they are, whom they hold, and their columns as arrays.

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
"""Steps of a second, or of a weight."""
_LARGEST: Final = 1e9
_LABELS: Final = ("world", "bucket", "segment")


@final
@dataclass(frozen=True)
class Chunk:
    """One row group, still on disk.

    Attributes:
        path: Its file.
        group: Its number there.
        rows: How many there are.
        first: Least user id.
        last: Greatest.
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
        user_id: Of each row.
        day: Of each row.
        labels: World, bucket and segment, as codes.
        names: What the codes of each stand for.
        values: Whole numbers by column; seconds and weights in steps of 1 / `UNIT`.
    """

    user_id: Int64[np.ndarray, " rows"]
    day: Int64[np.ndarray, " rows"]
    labels: tuple[Int32[np.ndarray, " rows"], ...]
    names: tuple[tuple[str, ...], ...]
    values: dict[str, np.ndarray]


def list_chunks(folder: Path) -> tuple[list[Chunk], frozenset[str]]:
    """All row groups that have rows, by first user, and the worlds that they hold.

    Raises:
        RunFolderError: No files, an unreadable one, a column that is missing or has gaps.
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
    """Take in one row group by its statistics, or by its columns where it has none; whether it surely has no gaps."""
    facts = file.metadata.row_group(group)
    if not facts.num_rows:
        return True
    columns = {facts.column(i).path_in_schema: facts.column(i).statistics for i in range(facts.num_columns)}
    known = columns["user_id"]
    if known is not None and known.has_min_max:
        first, last = int(known.min), int(known.max)
    else:
        ids = file.read_row_group(group, columns=["user_id"])["user_id"].to_numpy()
        first, last = int(ids.min()), int(ids.max())
    known = columns["world"]
    if known is not None and known.has_min_max and known.min == known.max:
        worlds.add(str(known.min))
    else:
        worlds.update(file.read_row_group(group, columns=["world"])["world"].unique().to_pylist())
    chunks.append(Chunk(path, group, facts.num_rows, first, last))
    return all(known is not None and known.has_null_count and not known.null_count for known in columns.values())


def chunk_user_ids(chunk: Chunk) -> np.ndarray:
    """Ids of all its rows."""
    try:
        with pq.ParquetFile(chunk.path.absolute()) as file:
            return file.read_row_group(chunk.group, columns=["user_id"])["user_id"].to_numpy()
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(chunk.path, error) from None


def read_chunk(chunk: Chunk, columns: Sequence[str]) -> ChunkRows:
    """Read some columns of totals, and who and when.

    Raises:
        RunFolderError: An unreadable file, or a value that is no number or beyond 1e9.
    """
    names = ["user_id", "day", *_LABELS, *("active" if name == "active_days" else name for name in columns)]
    try:
        with pq.ParquetFile(chunk.path.absolute(), memory_map=True) as file:
            stored = set(file.schema_arrow.names)
            table = file.read_row_group(chunk.group, columns=names, use_threads=False)
        user_id = _whole(table["user_id"], pa.int64())
        day = _whole(table["day"], pa.int64())
        labels = [_codes(table[name]) for name in _LABELS]
        known = [name for name in columns if name in stored or name not in STRONG_COUNTS]
        zeros = np.zeros(len(user_id), np.int32)
        values = dict.fromkeys(columns, zeros) | {name: _values(table, name) for name in known}
    except (OSError, pa.ArrowException, ValueError) as error:
        raise _unreadable(chunk.path, error) from None
    rows = ChunkRows(user_id, day, tuple(c for c, _ in labels), tuple(n for _, n in labels), values)
    return rows if (user_id[1:] >= user_id[:-1]).all() else _taken(rows, np.argsort(user_id, kind="stable"))


def _taken(rows: ChunkRows, order: Int64[np.ndarray, " rows"]) -> ChunkRows:
    """The same rows in another order."""
    labels = tuple(codes[order] for codes in rows.labels)
    values = {name: column[order] for name, column in rows.values.items()}
    return ChunkRows(rows.user_id[order], rows.day[order], labels, rows.names, values)


def _whole(column: pa.ChunkedArray, kind: pa.DataType) -> np.ndarray:
    """A column of whole numbers."""
    return (column if column.type == kind else column.cast(kind)).to_numpy()


def _codes(column: pa.ChunkedArray) -> tuple[Int32[np.ndarray, " rows"], tuple[str, ...]]:
    """Codes of a column of names, and the names."""
    array = column.combine_chunks()
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    return array.indices.to_numpy().astype(np.int32, copy=False), tuple(
        str(each) for each in array.dictionary.to_pylist()
    )


def _values(table: pa.Table, name: str) -> np.ndarray:
    """One column of totals as whole numbers.

    Raises:
        ValueError: A value that is no number, or beyond 1e9.
    """
    if name == "active_days":
        return _whole(table["active"], pa.int32())
    if name not in SUMS:
        return _whole(table[name], table[name].type if table[name].type == pa.int32() else pa.int64())
    values = _whole(table[name], pa.float64())
    fits = np.abs(values) < _LARGEST
    if not fits.all():
        raise ValueError(f"{name} is {values[~fits][0]}, want a number below {_LARGEST:.0e}")
    return np.rint(values * UNIT).astype(np.int64)


def _unreadable(path: Path, error: Exception) -> RunFolderError:
    return RunFolderError(f"{path}: cannot be read: {(str(error).splitlines() or ['damaged'])[0]}; run the test anew")
