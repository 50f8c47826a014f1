"""Cells of a file in the units of the contract: ids as whole numbers, times in ms, durations in seconds.

Axes: `rows` of a batch.
"""

import re
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float64, Int64

from user_models.data.cells import ArrowCells, as_times

_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_OFFSET: Final = re.compile(r"[0-9](Z|[+-][0-9]{2}:?[0-9]{2})$")
_TO_SECONDS: Final = {"s": (1, 1), "ms": (1, 1000), "min": (60, 1), "lengths": (1, 1)}
_TO_MS: Final = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000)}


def as_ids(cells: ArrowCells) -> Int64[np.ndarray, " rows"]:
    """Ids as numbers: whole numbers as they are, other text as 62 bits of its hash, the same in every file."""
    try:
        return cells.cast(pa.int64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        codes, texts = pd.factorize(np.asarray(cells.cast(pa.string()).to_numpy(zero_copy_only=False), object))
        hashed = (pd.util.hash_array(np.asarray(texts, object), categorize=False) >> np.uint64(2)).astype(np.int64)
        numbers = [int(text) if _WHOLE.fullmatch(text) else key for text, key in zip(texts, hashed, strict=True)]
        return np.array(numbers, np.int64)[codes]


def as_seconds(cells: ArrowCells, unit: str) -> Float64[np.ndarray, " rows"]:
    """Durations in seconds; NaN where a cell says nothing."""
    times, over = _TO_SECONDS[unit]
    return _numbers(cells) * times / over


def as_unix_ms(cells: ArrowCells, unit: str, zone: str) -> Int64[np.ndarray, " rows"]:
    """Times in ms since 1970. Those that are written out without an offset are local."""
    if unit != "text":
        times, over = _TO_MS[unit]
        return np.rint(_numbers(cells) * times / over).astype(np.int64)
    naive = as_times(cells)
    if not _has_offset(cells):
        naive = naive.dt.tz_localize(ZoneInfo(zone), ambiguous=True, nonexistent="shift_forward")
        naive = naive.dt.tz_convert("UTC").dt.tz_localize(None)
    return naive.to_numpy("datetime64[ms]").astype(np.int64)


def local_day_and_hour(
    time_ms: Int64[np.ndarray, " rows"], zone: str
) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"]]:
    """Local day as yyyymmdd, and hour, of times in ms since 1970."""
    local = pd.DatetimeIndex(pd.to_datetime(time_ms, unit="ms", utc=True)).tz_convert(ZoneInfo(zone))
    day = np.asarray(local.year) * 10_000 + np.asarray(local.month) * 100 + np.asarray(local.day)
    return day.astype(np.int64), np.asarray(local.hour).astype(np.int64)


def _numbers(cells: ArrowCells) -> Float64[np.ndarray, " rows"]:
    return cells.to_numpy(zero_copy_only=False).astype(np.float64)


def _has_offset(cells: ArrowCells) -> bool:
    """Return whether times say how far they are from UTC; the first cell speaks for all."""
    if pa.types.is_timestamp(cells.type):
        return cells.type.tz is not None
    return len(cells) > 0 and bool(_OFFSET.search(str(cells[0])))
