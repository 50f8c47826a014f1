"""Effects within segments of users, such as how active they were before the test."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from simulator.metrics import METRICS
from simulator.readout import compare_arms
from simulator.report import MetricRow
from simulator.truth import Worlds, with_truth

FEWEST: Final = 100
"""Users per arm below which a segment gets no rows."""
SEGMENT_METRICS: Final = ("AUT", "AVT")


def segment_rows(users: pd.DataFrame, arms: Sequence[str], worlds: Worlds | None) -> list[MetricRow]:
    """Rows of AUT and AVT for each segment large enough, segments in alphabetical order, control first in `arms`."""
    small = small_segments(users, arms)
    names = [name for name in sorted(users["segment"].unique()) if name not in small]
    return [row for name in names for row in _rows(name, users, arms, worlds)]


def small_segments(users: pd.DataFrame, arms: Sequence[str]) -> list[str]:
    """Segments with fewer than `FEWEST` users in some arm, in alphabetical order."""
    counts = {arm: users.loc[users["arm"] == arm, "segment"].value_counts() for arm in arms}
    fewest = {name: min(int(counts[arm].get(name, 0)) for arm in arms) for name in users["segment"].unique()}
    return sorted(name for name, n in fewest.items() if n < FEWEST)


def _rows(name: str, users: pd.DataFrame, arms: Sequence[str], worlds: Worlds | None) -> list[MetricRow]:
    """One segment's rows, with the truth among the same segment's users."""
    metrics = [METRICS[key] for key in SEGMENT_METRICS]
    inside = None if worlds is None else {arm: _within(everyone, name) for arm, everyone in worlds.items()}
    rows = compare_arms(_within(users, name), metrics, arms[0], arms[1:])
    return [with_truth(row, METRICS[row.metric], inside).model_copy(update={"segment": name}) for row in rows]


def _within(users: pd.DataFrame, segment: str) -> pd.DataFrame:
    """The users of a segment."""
    return users.loc[users["segment"] == segment]
