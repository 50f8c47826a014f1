"""A simulated test as the two tables that experiment platforms read from a warehouse: exposures, and facts.

GrowthBook calls them experiment assignment and fact tables, Eppo assignment and fact SQL, Statsig assignment and metric
sources: one row per user who entered the test, with a time and a variation, and rows of a user and time with totals.
Sources: https://docs.growthbook.io/warehouses, https://docs.geteppo.com/data-management/definitions,
https://docs.statsig.com/statsig-warehouse-native.
"""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.errors import ExportError
from simulator.exports.new_folder import new_folder
from simulator.exports.traced_views import calendar_day
from simulator.runs.user_day_reader import PRE_WORLD, UserDays, open_user_days, readable
from simulator.spec.experiment import load_spec
from simulator.user_days import COUNTS, SUMS

TOTALS: Final = (
    *(name for name in COUNTS if not name.startswith(("true_", "strong_"))),
    *(name for name in SUMS if not name.startswith("true_")),
)
"""Totals that a platform can log; those that only a simulation knows are left out."""


def write_warehouse_tables(folder: Path, out: Path) -> Path:
    """Write `exposures.parquet` and `facts.parquet` of a run, each user under the arm of their bucket.

    `exposures`: user_id, timestamp, experiment_id, variation_id (0 is the control), variation_name. All users enter at
    the start of the test. `facts`: user_id, timestamp (start of the day), active, segment and totals, days before the
    test included. Times are UTC.

    Args:
        folder: A run folder.
        out: Folder to create.

    Returns:
        The folder.

    Raises:
        RunFolderError: The run has no user-days, or damaged ones.
        SpecError: Its spec is damaged.
        ExportError: The folder holds something or cannot be written.
    """
    spec = load_spec(str(folder / "spec.toml"))
    arms = [arm.name for arm in spec.arms]
    with open_user_days(folder) as user_days:
        facts, bucket = _facts(user_days)
        first_day = int(facts["day"].to_numpy().min(initial=0))
        dates = calendar_day(facts["day"].to_numpy().astype(np.int64), first_day)
        start = calendar_day(np.zeros(1, np.int64), first_day)[0]
    user_id, row = np.unique(facts["user_id"].to_numpy(), return_index=True)
    variation = np.array([arms.index(name) for name in bucket.take(pa.array(row)).to_pylist()], np.int32)
    exposures = pa.table(
        {
            "user_id": user_id,
            "timestamp": _timestamps(np.full(len(user_id), start)),
            "experiment_id": pa.array([spec.name] * len(user_id)),
            "variation_id": variation,
            "variation_name": pa.array([arms[at] for at in variation]),
        }
    )
    facts = facts.set_column(1, "timestamp", _timestamps(dates))
    with new_folder(out) as tables:
        pq.write_table(exposures, tables / "exposures.parquet")
        pq.write_table(facts, tables / "facts.parquet")
    return out


def write_user_days(folder: Path, out: Path) -> Path:
    """Write all user-days as a Hive-partitioned Parquet data set: `timeline=NAME/day=N/*.parquet`.

    Columns are those of `simulator.user_days.SCHEMA`; its `world` is the key `timeline`.

    Args:
        folder: A run folder.
        out: Folder to create.

    Returns:
        The folder.

    Raises:
        RunFolderError: The run has no user-days, or damaged ones.
        ExportError: The folder holds something or cannot be written.
    """
    with open_user_days(folder) as user_days, new_folder(out) as partial_folder, readable(folder):
        ordered = user_days.rows.project("world AS timeline, * EXCLUDE (world)").order("timeline, day, user_id")
        ordered.write_parquet(str(partial_folder), partition_by=["timeline", "day"], compression="zstd")
    return out


def _facts(user_days: UserDays) -> tuple[pa.Table, pa.ChunkedArray]:
    """Totals of each user and day under the arm of the user's bucket, by user and day; and that bucket."""
    names = ", ".join(("user_id", "day", "active", "segment", *TOTALS, "bucket"))
    as_lived = f"({user_days.as_assigned}) OR world = '{PRE_WORLD}'"
    with readable(user_days.folder):
        rows = user_days.rows.filter(as_lived).project(names).order("user_id, day").to_arrow_table()
    if not len(rows):
        raise ExportError(f"{user_days.folder}: has no user-days of its buckets; finish it with `askew run --resume`")
    bucket = rows["bucket"].cast(pa.string())
    return rows.drop_columns(["bucket"]), bucket


def _timestamps(dates: np.ndarray) -> pa.Array:
    """Start of each day."""
    return pa.array(dates.astype("datetime64[us]"), pa.timestamp("us", "UTC"))
