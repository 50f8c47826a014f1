"""Read `user_days` of a run folder into frames of one row per user.

duckdb does the grouping. Sums do not depend on the order of rows, files or threads: seconds and weights are
added as decimals in steps of 1e-9, which is exact.
"""

import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import duckdb
import numpy as np
import pandas as pd
from jaxtyping import Int64

from simulator.errors import RunFolderError
from simulator.metrics import PRE
from simulator.user_days import COUNTS, SCHEMA, STRONG_COUNTS, SUMS

TOTALS: Final = ("days", "active_days", *COUNTS, *SUMS)
"""Columns of totals in every frame. `days` counts assigned days, active or not."""

PRE_WORLD: Final = "pre"
MIXED_WORLD: Final = "mixed"
_MEMORY: Final = "2GB"
"""Memory limit of duckdb; a slice of a test of a few weeks takes a tenth of it."""
DECIMAL: Final = "DECIMAL(18, 9)"
"""Type whose sums do not depend on their order."""
_SUMMED: Final = ", ".join(
    [
        "count(*) AS days",
        "CAST(count(*) FILTER (active) AS BIGINT) AS active_days",
        *(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in COUNTS),
        *(f"CAST(sum(CAST({name} AS {DECIMAL})) AS DOUBLE) AS {name}" for name in SUMS),
    ]
)


def arm_world(arm: str) -> str:
    """Name of the world in which `arm` serves every user."""
    return f"all:{arm}"


@final
@dataclass(frozen=True)
class UserDays:
    """The `user_days` table of a run folder, still on disk.

    Attributes:
        folder: The run folder, for messages.
        rows: All rows, read on demand.
        worlds: Names of the worlds.
    """

    folder: Path
    rows: duckdb.DuckDBPyRelation
    worlds: frozenset[str]

    def users(self, world: str, days: range) -> pd.DataFrame:
        """Sum every user's totals over `days` in one world, by `user_id`.

        Returns:
            Columns `user_id`, `arm` (the user's bucket), `segment` and `TOTALS`.

        Raises:
            RunFolderError: A file is damaged, or a user lacks a row on a day.
        """
        names = f"user_id, min(bucket) AS arm, min(segment) AS segment, {_SUMMED}"
        with readable(self.folder):
            selected = self.rows.filter(f"world = {_quoted(world)} AND day BETWEEN {days[0]} AND {days[-1]}")
            users = selected.aggregate(names, "user_id").order("user_id").df()
        check_complete(users["user_id"].to_numpy(np.int64), users["days"].to_numpy(np.int64), world, days, self.folder)
        return users

    @property
    def as_assigned(self) -> str:
        """SQL condition for the rows in which each user is served by the arm of their bucket."""
        return f"world = {_quoted(MIXED_WORLD)}" if MIXED_WORLD in self.worlds else "world = 'all:' || bucket"


@contextmanager
def open_user_days(folder: Path, columns: Sequence[str] = tuple(SCHEMA.names)) -> Generator[UserDays]:
    """Open the table of a run folder.

    Args:
        folder: The run folder.
        columns: Columns of `user_days.SCHEMA` to read, `user_id`, `day` and `world` among them.

    Raises:
        RunFolderError: There are no files, one is unreadable, or a column is missing or has gaps.
    """
    files = sorted((folder / "user_days").glob("*.parquet"))
    if not files:
        raise RunFolderError(f"{folder}: holds no user_days/*.parquet; give the folder that `askew run --out` wrote")
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            f"SET memory_limit = '{_MEMORY}'; SET temp_directory = ''; SET parquet_metadata_cache = true"
        )
        with readable(folder):
            table = connection.read_parquet(literal(files), hive_partitioning=False)
            check_columns(folder, table.columns, columns)
            rows = table.project(", ".join(_read_as(name, table.columns) for name in columns))
            _check_gaps(folder, rows)
            worlds = rows.project("world").distinct().fetchall()
        yield UserDays(folder, rows, frozenset(world for (world,) in worlds))


def join_before(users: pd.DataFrame, before: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Join each user's totals before the test to those of the test, under the prefix `pre_`.

    Raises:
        RunFolderError: The two frames have different users.
    """
    ids = [frame["user_id"].to_numpy(np.int64) for frame in (users, before)]
    check_same_users(ids[0], ids[1], PRE_WORLD, folder)
    covariates = before[list(TOTALS)].add_prefix(PRE)
    return pd.concat([users, covariates], axis=1)


def check_complete(
    user_id: Int64[np.ndarray, " users"], rows: Int64[np.ndarray, " users"], world: str, days: range, folder: Path
) -> None:
    """Check that every user has one row per day.

    Raises:
        RunFolderError: A user has not; the message names the first one.
    """
    incomplete = np.flatnonzero(rows != len(days))
    if len(incomplete):
        raise RunFolderError(
            f"{folder}/user_days: user {user_id[incomplete[0]]} has {rows[incomplete[0]]} rows in world {world}, "
            f"days {days[0]} to {days[-1]}, want {len(days)}; finish the run with `askew run --resume`"
        )


def check_same_users(
    users: Int64[np.ndarray, " users"], users_of_world: Int64[np.ndarray, " others"], world: str, folder: Path
) -> None:
    """Check that a world has the same users as the test.

    Raises:
        RunFolderError: The users differ.
    """
    if not np.array_equal(users, users_of_world):
        raise RunFolderError(
            f"{folder}/user_days: world {world} has {len(users_of_world)} users, the test has {len(users)}; "
            "want the same users in both: finish the run with `askew run --resume`"
        )


def check_columns(folder: Path, columns: Sequence[str], needed: Sequence[str]) -> None:
    """Check that a table has the needed columns."""
    missing = [name for name in needed if name not in (*columns, *STRONG_COUNTS)]
    if missing:
        raise RunFolderError(
            f"{folder}/user_days: column {missing[0]} is missing; want those of simulator.user_days.SCHEMA"
        )


def _read_as(name: str, columns: Sequence[str]) -> str:
    """SQL of a column; 0 if it is one of `STRONG_COUNTS` and not in the files."""
    return f"CAST(0 AS INTEGER) AS {name}" if name in STRONG_COUNTS and name not in columns else name


def _check_gaps(folder: Path, rows: duckdb.DuckDBPyRelation) -> None:
    """Refuse empty cells, which a sum would skip silently."""
    gaps = rows.filter(" OR ".join(f"{name} IS NULL" for name in rows.columns)).limit(1).fetchall()
    for values in gaps:
        row = dict(zip(rows.columns, values, strict=True))
        name = next(name for name in rows.columns if row[name] is None)
        raise RunFolderError(
            f"{folder}/user_days: column {name} is empty for user {row['user_id']} on day {row['day']}; "
            "want a value in every cell: run the test anew"
        )


def literal(files: Iterable[Path]) -> list[str]:
    """Escape file names for duckdb, which reads `[`, `?` and `*` as patterns and a leading `~` as the home folder.

    Escapes by a backslash do not work.

    >>> literal([Path("/runs/run[1]/a.parquet")])
    ['/runs/run[[]1]/a.parquet']
    """
    return [re.sub(r"[\[?*]", r"[\g<0>]", str(file.absolute())) for file in files]


@contextmanager
def readable(folder: Path) -> Generator[None]:
    """Turn duckdb's errors into a `RunFolderError` of one line."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise RunFolderError(f"{folder}/user_days: cannot be read: {reason}; run the test anew") from None


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
