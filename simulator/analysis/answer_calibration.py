"""Answer rates by true satisfaction, and estimated against true probabilities of answering."""

from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pandas as pd

from simulator.errors import RunFolderError
from simulator.reports.sections import AnsweredByFeeling, Calibration
from simulator.runs.user_day_reader import literal
from simulator.user_days import BIN_WIDTH, BY_ESTIMATE, BY_SATISFACTION, PROPENSITY_UNIT

FOLDER: Final = "answering"
_GROUPS: Final = 10


def read_bins(folder: Path) -> pd.DataFrame:
    """Read the counts of a run folder, added up over days and files; empty if there are none.

    Returns:
        Columns `world`, `scale`, `bin`, `asked`, `answered`, `estimated` and `true`, the last two in multiples of
        `simulator.user_days.PROPENSITY_UNIT`.

    Raises:
        RunFolderError: A damaged file.
    """
    names = ("asked", "answered", "estimated", "true")
    files = sorted((folder / FOLDER).glob("*.parquet"))
    if not files:
        return pd.DataFrame(columns=["world", "scale", "bin", *names])
    sums = ", ".join(f'CAST(sum("{name}") AS DOUBLE) AS "{name}"' for name in names)
    try:
        with duckdb.connect() as connection:
            rows = connection.read_parquet(literal(files), hive_partitioning=False)
            return rows.aggregate(f"world, scale, bin, {sums}", "world, scale, bin").order("world, scale, bin").df()
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise RunFolderError(f"{folder}/{FOLDER}: cannot be read: {reason}; run the test anew") from None


def answered_by_satisfaction(bins: pd.DataFrame) -> list[AnsweredByFeeling]:
    """Answer rates in tenths of the asked views by true satisfaction, in each world."""
    rows: list[AnsweredByFeeling] = []
    for world, bins_of_world in bins[bins["scale"] == BY_SATISFACTION].groupby("world", sort=True):
        arm = str(world).removeprefix("all:") if str(world).startswith("all:") else "all arms"
        for tenth, group in _groups(bins_of_world):
            rows.append(
                AnsweredByFeeling(
                    arm=arm,
                    decile=tenth + 1,
                    satisfaction=float((group["bin"].max() + 1) * BIN_WIDTH[BY_SATISFACTION]),
                    asked=int(group["asked"].sum()),
                    rate=float(group["answered"].sum() / group["asked"].sum()),
                )
            )
    return rows


def calibration(bins: pd.DataFrame) -> list[Calibration]:
    """Estimated and true probabilities of an answer in tenths of the asked views of all worlds."""
    estimate_bins = bins[bins["scale"] == BY_ESTIMATE].drop(columns=["world", "scale"])
    rows: list[Calibration] = []
    for _, group in _groups(estimate_bins.groupby("bin", as_index=False).sum()):
        asked = float(group["asked"].sum())
        rows.append(
            Calibration(
                asked=int(asked),
                estimated=float(group["estimated"].sum()) * PROPENSITY_UNIT / asked,
                true=float(group["true"].sum()) * PROPENSITY_UNIT / asked,
                answered=float(group["answered"].sum()) / asked,
            )
        )
    return rows


def _groups(counts: pd.DataFrame) -> list[tuple[int, pd.DataFrame]]:
    """Divide bins into tenths of their views, as nearly as whole bins allow."""
    if counts.empty:
        return []
    asked = counts["asked"].to_numpy(np.float64)
    middle = (np.cumsum(asked) - asked / 2) / asked.sum()
    return [(int(tenth), group) for tenth, group in counts.groupby(np.floor(middle * _GROUPS).astype(int))]  # pyright: ignore[reportArgumentType] # one key
