"""Tables of users, items and counts: one row each, with public columns.

Axes: `rows` of a table.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from user_models.data.cells import Cell
from user_models.data.contract import HIGHEST, MAY_BE_EMPTY, ContractColumn
from user_models.data.convert import as_ids, as_seconds
from user_models.data.locate import Located
from user_models.data.mapping import Table, unit_of
from user_models.data.reading import is_parquet, read_file
from user_models.errors import DataError


def public_table(
    located: Located,
    table: Table,
    contract: Mapping[str, ContractColumn],
    categories: tuple[str, ...],
    numbers: tuple[str, ...],
) -> pd.DataFrame:
    """Read a table of users, items or counts.

    Args:
        located: Where its files are.
        table: How they are mapped; the id is the first column of its contract.
        contract: Its columns.
        categories: Further columns of the file, read as text; missing where a cell says nothing.
        numbers: Further columns of the file, read as numbers.

    Raises:
        DataError: Damage in the files, or an id that is told twice.
    """
    key = next(iter(contract))
    parts: list[pd.DataFrame] = []
    rows: list[tuple[Path, int]] = []
    for file in located.files(table.files):
        n_before = sum(map(len, parts))
        for batch in read_file(file, _cells(table, contract, categories, numbers), table.delimiter):
            frame = _frame(batch, table, contract, categories, numbers)
            parts.append(frame.drop_duplicates(key) if table.repeated else frame)
        rows.append((file, sum(map(len, parts)) - n_before))
    frame = pd.concat(parts, ignore_index=True) if parts else _empty(table, contract, categories, numbers)
    if table.repeated:
        return frame.drop_duplicates(key, ignore_index=True)
    _check_once(frame[key], table.columns[key].column, rows)
    return frame


def items_of_log(parts: Iterable[pd.DataFrame], names: list[str]) -> pd.DataFrame:
    """Items of a log: of each, the first author and topic, and the first length that is known."""
    first: pd.DataFrame | None = None
    for part in parts:
        known = part.assign(**{name: part[name].where(part[name] > 0) for name in names if name == "duration_s"})
        joined = known if first is None else pd.concat([first, known], ignore_index=True)
        first = joined.groupby("item", as_index=False, sort=True).first()
    return pd.DataFrame({"item": np.zeros(0, np.int64)}) if first is None else first[["item", *names]]


def _cells(
    table: Table, contract: Mapping[str, ContractColumn], categories: tuple[str, ...], numbers: tuple[str, ...]
) -> list[Cell]:
    """The cells of the columns that are read."""
    key = next(iter(contract))
    mapped = [
        Cell(
            source.column,
            contract[name].kind,
            name != key and (name in MAY_BE_EMPTY or name in ("duration_s", "author")),
            high=HIGHEST.get(name, np.inf),
        )
        for name, source in table.columns.items()
    ]
    labels = [Cell(name, "text", may_be_empty=True) for name in categories]
    return _once([*mapped, *labels, *(Cell(name, "number", may_be_empty=True, low=-np.inf) for name in numbers)])


def _once(cells: list[Cell]) -> list[Cell]:
    """Each column of the file once; one that is read as a number and as text is refused."""
    by_column: dict[str, Cell] = {}
    for cell in cells:
        other = by_column.setdefault(cell.column, cell)
        if (other.kind == "number") != (cell.kind == "number"):
            raise DataError(f"column {cell.column} is mapped both as a number and as text; keep one of the two")
    return list(by_column.values())


def _frame(
    batch: pa.RecordBatch,
    table: Table,
    contract: Mapping[str, ContractColumn],
    categories: tuple[str, ...],
    numbers: tuple[str, ...],
) -> pd.DataFrame:
    """A batch in the columns and units of the contract, then categories, then numbers."""
    columns: dict[str, np.ndarray | pd.Series] = {}
    for name, source in table.columns.items():
        cells, kind = batch.column(source.column), contract[name].kind
        if kind == "id":
            columns[name] = as_ids(cells) if not cells.null_count else _ids_where_told(cells)
        elif kind == "text":
            columns[name] = cells.cast(pa.string()).to_pandas()
        elif name == "duration_s":
            columns[name] = as_seconds(cells, unit_of(name, source, contract))
        else:
            columns[name] = cells.to_numpy(zero_copy_only=False).astype(np.float64)
    labels = {name: batch.column(name).cast(pa.string()).to_pandas() for name in categories}
    told = {name: batch.column(name).to_numpy(zero_copy_only=False).astype(np.float64) for name in numbers}
    return pd.DataFrame({**columns, **labels, **told})


def _ids_where_told(cells: pa.Array) -> np.ndarray:
    """Ids, NaN where a cell says nothing."""
    ids = np.full(len(cells), np.nan)
    ids[~cells.is_null().to_numpy(zero_copy_only=False)] = as_ids(cells.drop_null())
    return ids


def _empty(
    table: Table, contract: Mapping[str, ContractColumn], categories: tuple[str, ...], numbers: tuple[str, ...]
) -> pd.DataFrame:
    """A frame without rows."""
    schema = pa.schema([(cell.column, cell.arrow) for cell in _cells(table, contract, categories, numbers)])
    return _frame(pa.RecordBatch.from_pylist([], schema=schema), table, contract, categories, numbers)


def _check_once(ids: "pd.Series[int]", column: str, rows: list[tuple[Path, int]]) -> None:
    """Raise if an id is told in two rows; `rows` are those of each file."""
    again = np.flatnonzero(ids.duplicated().to_numpy())
    if not len(again):
        return
    second = int(again[0])
    first = int(np.flatnonzero((ids == ids.iloc[second]).to_numpy())[0])
    (file, at), (other, earlier) = (_place(rows, row) for row in (second, first))
    there = _line(other, earlier) + ("" if other == file else f" of {other.name}")
    raise DataError(
        f"{file}, {_line(file, at)}, column {column}: {ids.iloc[second]} given, which {there} has already;"
        " remove one of the two, or say repeated = true in the mapping"
    )


def _place(rows: list[tuple[Path, int]], row: int) -> tuple[Path, int]:
    """The file of a row that is counted through all files, and its row there."""
    for file, n_rows in rows:
        if row < n_rows:
            return file, row
        row -= n_rows
    raise IndexError(row)


def _line(file: Path, at: int) -> str:
    """Where a row is: the line of a CSV file, whose header is line 1, or the row of a Parquet file."""
    return f"row {at + 1}" if is_parquet(file) else f"line {at + 2}"
