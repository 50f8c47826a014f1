"""Anybody's log, in the columns of the contract: checked as it is read, in parts where it is large.

Axes: `rows` of the log.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final, final

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Int64

from user_models.data.cells import ArrowCells, Cell
from user_models.data.contract import COUNTS, HIGHEST, ITEMS, LOG, MAY_BE_EMPTY, USERS
from user_models.data.convert import as_ids, as_seconds, as_unix_ms, local_day_and_hour
from user_models.data.item_tables import items_of_log, public_table
from user_models.data.locate import Located, locate
from user_models.data.mapping import LogTable, Mapping, Source, unit_of
from user_models.data.reading import ArrowBatch, check_columns, count_rows, read_file
from user_models.errors import DataError

MOMENT: Final = ("time_ms", "day", "hour")
"""Columns of a frame that the time of a row gives."""
_YEARS: Final = (1990, 2100)
"""Times outside these years come of a wrong unit."""
_DAY_MS: Final = 86_400_000


def open_log(path: Path | str) -> "LogData":
    """Open the data that a mapping file names, or a folder of data that askew has a mapping for.

    Checks at once that the files are there and have the mapped columns. Cells are checked as they are read;
    `LogData.check` reads them all.

    Args:
        path: A mapping file (TOML), or a folder in the layout of KuaiRand-Pure, -1K or -27K or of another mapping
            that ships, or the parent of its `data` folder.

    Raises:
        DataError: A mapping that is wrong, a missing file, or a missing column.
    """
    located = locate(Path(path))
    for table, contract in located.mapping.tables():
        for file in located.files(table.files):
            wanted = [
                Cell(source.column, contract[name].kind) for name, source in table.columns.items() if source.column
            ]
            check_columns(file, wanted, table.delimiter)
    return LogData(Path(path), located)


@final
@dataclass(frozen=True)
class LogData:
    """The tables of a log.

    Frames keep every row of the files, duplicates too, in the order of the files. What cannot be right raises
    `DataError`, which names file, line, column and value.

    Attributes:
        path: As given.
        located: The mapping, and the folder of its files.
    """

    path: Path
    located: Located

    @property
    def mapping(self) -> Mapping:
        """How the files are read."""
        return self.located.mapping

    @property
    def log_columns(self) -> tuple[str, ...]:
        """Columns of the frames of the log; `is_random` is always among them."""
        mapped = {*self.mapping.log.columns, "is_random"} - {"user", "item", "time", *MOMENT}
        return ("user", "item", *MOMENT, *(name for name in LOG if name in mapped))

    @property
    def lacks(self) -> tuple[str, ...]:
        """Columns of the contract that neither the log nor the table of items has."""
        items = self.mapping.items.columns if self.mapping.items else {}
        free = ("day", "hour")
        return tuple(n for n in LOG if n not in self.mapping.log.columns and n not in items and n not in free)

    def log(self, columns: Iterable[str] | None = None) -> pd.DataFrame:
        """All rows, those of random exposures behind the others.

        Args:
            columns: Some of `log_columns`; all by default.

        Raises:
            DataError: Damage in the files.
        """
        parts = [*self.batches(columns, random=False), *self.batches(columns, random=True)]
        return pd.concat(parts, ignore_index=True) if parts else self._empty(columns)

    def batches(self, columns: Iterable[str] | None = None, *, random: bool = False) -> Iterator[pd.DataFrame]:
        """The log in parts of some 100,000 rows, in constant memory.

        Args:
            columns: Some of `log_columns`; all by default.
            random: Whether those of the files of random exposures, rather than the others.

        Raises:
            DataError: Damage in the files.
        """
        table = self.mapping.log
        wanted = self.log_columns if columns is None else tuple(columns)
        sources = {
            n: s
            for n, s in table.columns.items()
            if n in wanted or n == "is_random" or (n == "time" and set(MOMENT) & {*wanted})
        }
        if any(unit_of(n, s, LOG) == "lengths" for n, s in sources.items()):
            sources["duration_s"] = table.columns["duration_s"]
        files = self.located.files(table.random_files, needed=False) if random else self.located.files(table.files)
        for at, file in enumerate(files):
            n_before = 0
            for batch in read_file(file, _cells(sources, table), table.delimiter):
                span = _Span(at, n_before, count_rows(file)) if _spread(sources) else None
                frame = self._frame(file, _filtered(batch, table), sources, random, span)
                n_before += batch.num_rows
                yield frame[[name for name in self.log_columns if name in wanted]]

    def n_rows(self) -> int:
        """Rows of the files of the log, counted without reading them; those of random exposures left out."""
        return sum(count_rows(file) for file in self.located.files(self.mapping.log.files))

    def users(self) -> pd.DataFrame:
        """Users: `user`, then categories as text, then numbers; those of the log where there is no table."""
        table = self.mapping.users
        if table is None:
            parts = [np.zeros(0, np.int64), *(np.unique(part["user"]) for part in self._both(("user",)))]
            ids = np.unique(np.concatenate(parts))
            return pd.DataFrame({"user": ids, "everybody": "all"})
        frame = public_table(self.located, table, USERS, table.categories, table.numbers)
        return frame if table.categories else frame.assign(everybody="all")

    def profile(self) -> tuple[str, ...]:
        """Categories of users whose combinations are the kinds of user."""
        table = self.mapping.users
        return ("everybody",) if table is None or not table.categories else table.profile or table.categories[:3]

    def items(self) -> pd.DataFrame:
        """Items: `item`, `author`, `duration_s` (NaN where not known), `topic`, categories, width and height."""
        table, mapped = self.mapping.items, self.mapping.log.columns
        own = None if table is None else public_table(self.located, table, ITEMS, table.categories, ())
        names = [n for n in ("author", "duration_s", "topic") if n in mapped and (own is None or n not in own)]
        if own is None or names:
            logged = items_of_log(self._both(("item", *names)), names)
            own = logged if own is None else own.merge(logged, on="item", how="left")
        if "author" not in own:
            own = own.assign(author=own["item"])
        filled = own["author"].fillna(own["item"]).astype(np.int64)
        frame = own.assign(author=filled)
        return frame if "topic" in frame else frame.assign(topic=pd.Series(pd.NA, index=frame.index, dtype="str"))

    def counts(self) -> pd.DataFrame | None:
        """Counts of everybody's views of each item; None where the mapping names none."""
        table = self.mapping.counts
        return None if table is None else public_table(self.located, table, COUNTS, (), ())

    def check(self) -> None:
        """Read every mapped cell once.

        Raises:
            DataError: The first fault of the first damaged file, such as a user or item that is told twice.
        """
        for _ in self._both(None):
            pass
        self.users()
        self.items()
        self.counts()

    def _both(self, columns: tuple[str, ...] | None) -> Iterator[pd.DataFrame]:
        """The log in parts, that of random exposures last."""
        for random in (False, True):
            yield from self.batches(columns, random=random)

    def _empty(self, columns: Iterable[str] | None) -> pd.DataFrame:
        """A frame without rows."""
        return pd.DataFrame(
            {name: np.zeros(0, np.int64) for name in (self.log_columns if columns is None else columns)}
        )

    def _frame(
        self, file: Path, batch: ArrowBatch, sources: dict[str, Source], random: bool, span: "_Span | None"
    ) -> pd.DataFrame:
        """A batch in the columns and units of the contract."""
        columns: dict[str, np.ndarray | pd.Series] = {}
        for name, source in sources.items():
            kind, unit = LOG[name].kind, unit_of(name, source, LOG)
            cells: ArrowCells = batch.column(source.column) if source.column else None
            if name == "time":
                columns["time_ms"] = (
                    span.times(source, len(batch)) if span else as_unix_ms(cells, unit, self.mapping.time_zone)
                )
            elif kind == "id":
                columns[name] = as_ids(cells)
            elif kind == "flag":
                columns[name] = _flags(cells, source)
            elif kind == "text":
                columns[name] = cells.cast(pa.string()).to_pandas()
            elif name in ("watch_s", "duration_s", "profile_stay_s", "comment_stay_s"):
                columns[name] = as_seconds(cells, unit)
            else:
                columns[name] = cells.to_numpy(zero_copy_only=False)
        frame = pd.DataFrame(columns)
        if "watch_s" in sources and unit_of("watch_s", sources["watch_s"], LOG) == "lengths":
            frame["watch_s"] *= frame["duration_s"]
        if random:
            frame["is_random"] = np.int8(1)
        elif "is_random" not in frame:
            frame["is_random"] = np.int8(0)
        return self._with_moment(file, frame, sources) if "time_ms" in frame else frame

    def _with_moment(self, file: Path, frame: pd.DataFrame, sources: dict[str, Source]) -> pd.DataFrame:
        """The frame with its local day and hour, checked."""
        time_ms = frame["time_ms"].to_numpy(np.int64)
        _check_years(file, time_ms)
        day, hour = local_day_and_hour(time_ms, self.mapping.time_zone)
        if "day" in sources:
            day = frame["day"].to_numpy().astype(np.int64)
            _check_days(file, sources["day"].column, day)
        if "hour" in sources:
            hour = frame["hour"].to_numpy().astype(np.int64) // (100 if sources["hour"].unit == "hhmm" else 1)
        return frame.assign(day=day, hour=hour % 24)


@final
@dataclass(frozen=True)
class _Span:
    """Place of a batch among the rows of the files, for times that are spread evenly.

    Attributes:
        file: Number of the file, from 0.
        first: Row of the batch's first row.
        rows: Of the file.
    """

    file: int
    first: int
    rows: int

    def times(self, source: Source, n: int) -> Int64[np.ndarray, " rows"]:
        """Times of the batch's rows, ms since 1970."""
        start = int(pd.Timestamp(source.start).timestamp() * 1000)
        share = (self.first + np.arange(n)) / max(1, self.rows)
        return start + np.floor((self.file + share) * source.days * _DAY_MS).astype(np.int64)


def _spread(sources: dict[str, Source]) -> bool:
    """Return whether times are spread evenly."""
    return "time" in sources and sources["time"].unit == "files"


def _cells(sources: dict[str, Source], table: LogTable) -> list[Cell]:
    """The cells of the columns that are read, and of those that rows are chosen by."""
    cells = [_cell(name, source) for name, source in sources.items() if source.column]
    names = {cell.column for cell in cells}
    return cells + [Cell(column, "text", may_be_empty=True) for column in table.where if column not in names]


def _cell(name: str, source: Source) -> Cell:
    """The cell of one column of the log."""
    kind = LOG[name].kind
    if source.unit == "text":
        kind = "time"
    if source.yes:
        kind = "text"
    high = {"hours": 23.0}.get(unit_of(name, source, LOG), HIGHEST.get(name, np.inf))
    return Cell(source.column, kind, name in MAY_BE_EMPTY or bool(source.yes), 0.0, high)


def _filtered(batch: ArrowBatch, table: LogTable) -> ArrowBatch:
    """Only the rows that the mapping asks for."""
    for column, values in table.where.items():
        cells = batch.column(column)
        text = (cells.cast(pa.int8()) if pa.types.is_boolean(cells.type) else cells).cast(pa.string())
        chosen = np.isin(text.to_numpy(zero_copy_only=False).astype(str), values)
        batch = batch.filter(pa.array(chosen))
    return batch


def _flags(cells: ArrowBatch, source: Source) -> np.ndarray:
    """A flag as 0 and 1."""
    if source.yes:
        texts = cells.cast(pa.string()).to_numpy(zero_copy_only=False)
        return np.isin(texts.astype(str), source.yes).astype(np.int8)
    return cells.to_numpy(zero_copy_only=False).astype(np.int8)


def _check_years(file: Path, time_ms: Int64[np.ndarray, " rows"]) -> None:
    """Refuse times of a wrong unit."""
    if not len(time_ms):
        return
    for value in (int(time_ms.min()), int(time_ms.max())):
        year = 1970 + value / (365.2425 * _DAY_MS)
        if not _YEARS[0] <= year < _YEARS[1]:
            raise DataError(
                f"{file}: a time in the year {year:.0f} given, one between {_YEARS[0]} and {_YEARS[1]} wanted;"
                " mend the unit of time in the mapping"
            )


def _check_days(file: Path, column: str, day: Int64[np.ndarray, " rows"]) -> None:
    """Refuse numbers that are no day of the calendar."""
    for value in np.unique(day):
        try:
            date.fromisoformat(str(value))
        except ValueError:
            raise DataError(
                f"{file}, column {column}: {value} given, a day such as 20220410 wanted; mend the file"
            ) from None
