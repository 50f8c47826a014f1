"""A KuaiRand folder: its logs and tables as data frames, checked as they are read, in parts where they are large.

Axes: `rows` of a batch.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Bool

from user_models.data.days import day_numbers
from user_models.data.layout import KINDS, DataFile, Files, TableKind, Variant, locate
from user_models.data.reading import ArrowBatch, check_edges, count_rows, read, read_once
from user_models.data.schema import (
    FIRST_DATE,
    LAST_DATE,
    USERS,
    VIDEO_STATISTICS,
    VIDEOS,
    TableSchema,
    log_table,
)

_TABLES: dict[TableKind, TableSchema] = {
    "standard": log_table(),
    "random": log_table(),
    "users": USERS,
    "videos": VIDEOS,
    "video_statistics": VIDEO_STATISTICS,
}
_KEYS: dict[TableKind, str] = {"users": "user_id", "videos": "video_id", "video_statistics": "video_id"}
"""What tells the rows of a feature table apart: nothing may have two."""


def open_folder(path: Path | str) -> "KuaiRandFolder":
    """Open a folder in the official layout of KuaiRand-Pure, -1K or -27K.

    Checks at once that the files are there, that their headers name the columns of `user_models.data.schema` and
    that their last lines are whole. Values are checked as they are read; `KuaiRandFolder.check` reads them all.

    Args:
        path: The folder of the files, or the parent of the `data` folder that holds them.

    Raises:
        DataError: A file that is missing, empty, cut or has other columns.
    """
    variant, files = locate(Path(path))
    for several in files.values():
        for file in several:
            check_edges(file)
    return KuaiRandFolder(variant, files)


@final
@dataclass(frozen=True)
class KuaiRandFolder:
    """The tables of a KuaiRand folder.

    Frames keep every row of the files, duplicates too, in the order of the files. Columns come in the order of
    `schema`, then the derived ones (`day`, `watch_s`, `duration_s`), whatever the order in which they are asked for.
    What cannot be right raises `DataError`, which names file, line, column and value.

    Attributes:
        variant: "pure", "1k" or "27k".
        files: What there is of each kind, in reading order; the random log may be absent.
    """

    variant: Variant
    files: Files

    def standard(
        self, columns: Iterable[str] | None = None, first_date: int | None = None, last_date: int | None = None
    ) -> pd.DataFrame:
        """The log of recommended views.

        The whole of 27K does not fit into memory: give columns and dates, or see `batches`.

        Args:
            columns: Names from the log's schema or derived; all by default.
            first_date: Earliest day, yyyymmdd, included.
            last_date: Latest day, yyyymmdd, included.

        Raises:
            DataError: Damage in the files.
            ValueError: An unknown column or a date outside the logs.
        """
        return self._frame("standard", columns, first_date, last_date)

    def random(
        self, columns: Iterable[str] | None = None, first_date: int | None = None, last_date: int | None = None
    ) -> pd.DataFrame | None:
        """The log of randomly exposed views, or None if the folder has none. Arguments as in `standard`."""
        if not self.files["random"]:
            return None
        return self._frame("random", columns, first_date, last_date)

    def users(self, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """Features of every user."""
        return self._frame("users", columns, None, None)

    def videos(self, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """Basic features of every video; `tag` is text such as "39,2", missing where empty."""
        return self._frame("videos", columns, None, None)

    def video_statistics(self, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """Mean daily counts of every video over the whole app, not only over the users of the logs."""
        return self._frame("video_statistics", columns, None, None)

    def batches(
        self,
        kind: TableKind,
        rows: int,
        columns: Iterable[str] | None = None,
        first_date: int | None = None,
        last_date: int | None = None,
    ) -> Iterator[pd.DataFrame]:
        """Any table in frames of `rows` rows, the last one shorter, in constant memory.

        Args:
            kind: "standard", "random", "users", "videos" or "video_statistics".
            rows: Rows per frame, at least 1.
            columns: As in `standard`.
            first_date: As in `standard`; logs only.
            last_date: As in `standard`; logs only.

        Raises:
            DataError: Damage in the files.
            ValueError: An unknown kind or column, no rows, or a date outside the logs.
        """
        if rows < 1:
            raise ValueError(f"rows={rows} given; a batch has at least 1 row")
        wanted = _check_columns(kind, columns)
        for table in _parts(self._stream(kind, wanted, _dates(kind, first_date, last_date)), rows):
            yield _as_frame(table, kind, wanted)

    def n_rows(self, kind: TableKind = "standard") -> int:
        """Rows of a table, counted without reading their values; 0 for an absent random log."""
        return sum(count_rows(file) for file in self.files[_check_kind(kind)])

    def check(self) -> None:
        """Read every value of every file once and keep none but the ids of users and videos.

        Raises:
            DataError: The first fault of the first damaged file, such as a user or video that is told twice.
        """
        for kind in KINDS:
            for _ in self._stream(kind, _TABLES[kind].header, None):
                pass

    def _frame(
        self, kind: TableKind, columns: Iterable[str] | None, first_date: int | None, last_date: int | None
    ) -> pd.DataFrame:
        wanted = _check_columns(kind, columns)
        batches = list(self._stream(kind, wanted, _dates(kind, first_date, last_date)))
        return _as_frame(pa.Table.from_batches(batches, _arrow_schema(kind, wanted)), kind, wanted)

    def _stream(self, kind: TableKind, wanted: tuple[str, ...], dates: tuple[int, int] | None) -> Iterator[ArrowBatch]:
        """Yield checked batches of the file columns; files and rows outside `dates` are left out."""
        names = _sources(kind, wanted)
        if kind in _KEYS and _KEYS[kind] in names:
            yield from (batch.select(names) for batch in read_once(self.files[kind], names, _KEYS[kind]))
            return
        for file in self.files[kind]:
            if dates is None:
                yield from (batch.select(names) for batch in read(file, names))
            elif _overlaps(file, dates):
                for batch in read(file, (*names, "date")):
                    yield batch.filter(pa.array(_within(batch, dates))).select(names)


def _check_kind(kind: TableKind) -> TableKind:
    """The kind, if it is one."""
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} given; wanted one of {', '.join(KINDS)}")
    return kind


def _check_columns(kind: TableKind, columns: Iterable[str] | None) -> tuple[str, ...]:
    """Check the requested columns and return them in the order of the schema."""
    names = _TABLES[_check_kind(kind)].names
    if columns is None:
        return names
    asked = tuple(columns)
    for name in asked:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; wanted some of {', '.join(names)}"
            raise ValueError(f"column {name!r} is not in the {kind} table{hint}")
    return tuple(name for name in names if name in asked)


def _sources(kind: TableKind, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the file columns that the requested ones are computed from, in the order of the schema."""
    table = _TABLES[kind]
    behind = {column.source for column in table.derived if column.name in wanted}
    return tuple(name for name in table.header if name in wanted or name in behind)


def _dates(kind: TableKind, first: int | None, last: int | None) -> tuple[int, int] | None:
    """Check the first and last day; None for all days."""
    if first is None and last is None:
        return None
    if "date" not in _TABLES[kind].header:
        raise ValueError(f"dates given for the {kind} table, which has none; give dates for logs only")
    ends = (FIRST_DATE if first is None else first, LAST_DATE if last is None else last)
    days = day_numbers(FIRST_DATE, LAST_DATE)
    for end in ends:
        if end not in days:
            raise ValueError(f"date {end} given; the logs have the days {FIRST_DATE} to {LAST_DATE}, as yyyymmdd")
    if ends[0] > ends[1]:
        raise ValueError(f"first_date {ends[0]} is after last_date {ends[1]}; swap them")
    return ends


def _overlaps(file: DataFile, dates: tuple[int, int]) -> bool:
    """Return whether a log may have rows of these days, by the days in its file name."""
    days = file.table.first_date, file.table.last_date
    return days[0] <= dates[1] and dates[0] <= days[1]


def _within(batch: ArrowBatch, dates: tuple[int, int]) -> Bool[np.ndarray, " rows"]:
    date = batch.column("date").to_numpy()
    return (date >= dates[0]) & (date <= dates[1])


def _parts(stream: Iterator[ArrowBatch], rows: int) -> Iterator[ArrowBatch]:
    """Cut a stream of rows into tables of `rows` rows; the last may be shorter, none is empty."""
    held: list[ArrowBatch] = []
    for batch in stream:
        held.append(batch)
        while sum(part.num_rows for part in held) >= rows:
            table = pa.Table.from_batches(held)
            yield table.slice(0, rows)
            held = table.slice(rows).to_batches()
    if sum(part.num_rows for part in held):
        yield pa.Table.from_batches(held)


def _arrow_schema(kind: TableKind, wanted: tuple[str, ...]) -> ArrowBatch:
    """Return the types of the file columns, for tables without rows."""
    by_name = {column.name: column.arrow for column in _TABLES[kind].columns}
    return pa.schema([(name, by_name[name]) for name in _sources(kind, wanted)])


def _as_frame(table: ArrowBatch, kind: TableKind, wanted: tuple[str, ...]) -> pd.DataFrame:
    """Convert to a data frame with the derived columns."""
    frame: pd.DataFrame = table.to_pandas(date_as_object=False)
    derived = [column for column in _TABLES[kind].derived if column.name in wanted]
    added = frame.assign(**{column.name: column.compute(frame[column.source]) for column in derived})
    return added[list(wanted)]
