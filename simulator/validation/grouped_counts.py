"""Counts of views by group and watch time; single rows are not stored.

Axes: `groups`; `figures` as in `FIGURES`, after the views themselves; `buckets` of durations; `bins` of watch time.
"""

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64

from policies.base import Event
from simulator.validation.views import ValidationViews
from user_models.targets import DURATION_EDGES

FIGURES: Final = {"click": Event.CLICK, "long_view": Event.LONG_VIEW, "complete": Event.COMPLETE}
"""Rates with published values by group."""
DURATION_CLASSES: Final = ("0-15 s", "15-30 s", "30-60 s", "60-120 s", "over 120 s")
"""Names of the classes between `DURATION_EDGES`."""
BUCKET_EDGES_S: Final = np.array([0.0, 7.0, 15.0, 18.0, 30.0, 60.0, 120.0, 300.0])
"""Edges of the seven buckets of durations in which watch times are compared."""
BUCKETS: Final = tuple(f"{low:g}-{high:g} s" for low, high in pairwise(BUCKET_EDGES_S))
BINS_S: Final = np.concatenate([[0.0], np.geomspace(0.25, 2400.0, 99)])
"""Edges of the bins of watch time in seconds; longer times are in the last bin."""


@final
@dataclass(frozen=True)
class Tally:
    """Sums over views by group.

    Attributes:
        by_duration: One row per class of duration.
        by_activity: One row per level of the world's first public column.
        by_hour: One row per hour of day.
        watch: Views per bucket of durations and bin of watch time.
    """

    by_duration: Float64[np.ndarray, "durations figures"]
    by_activity: Float64[np.ndarray, "levels figures"]
    by_hour: Float64[np.ndarray, "24 figures"]
    watch: Float64[np.ndarray, "buckets bins"]

    def __add__(self, other: "Tally") -> "Tally":
        """Add the sums of other views."""
        return Tally(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Tally)))


def tally(views: ValidationViews, n_levels: int) -> Tally:
    """Count views by group.

    Args:
        views: Views to count.
        n_levels: Number of levels of the first public column; views with an unknown level are not counted.
    """
    durations = np.searchsorted(DURATION_EDGES, views.duration_s, side="right")
    figures = np.stack([np.ones(len(views)), *(views.had(event) for event in FIGURES.values())], axis=1)
    return Tally(
        by_duration=_group(durations, figures, len(DURATION_CLASSES)),
        by_activity=_group(views.profile[:, 0].astype(np.int64), figures, n_levels),
        by_hour=_group(views.hour.astype(np.int64), figures, 24),
        watch=watch_counts(views),
    )


def watch_counts(views: ValidationViews) -> Float64[np.ndarray, "buckets bins"]:
    """Count views by bucket of durations and bin of watch time, without videos beyond the last bucket."""
    bucket = np.searchsorted(BUCKET_EDGES_S, views.duration_s, side="left") - 1
    watch_bin = np.clip(np.searchsorted(BINS_S, views.watch_s, side="right") - 1, 0, len(BINS_S) - 2)
    in_range = (bucket >= 0) & (bucket < len(BUCKETS))
    flat = bucket[in_range] * (len(BINS_S) - 1) + watch_bin[in_range]
    counts = np.bincount(flat, minlength=len(BUCKETS) * (len(BINS_S) - 1))
    return counts.reshape(len(BUCKETS), -1).astype(np.float64)


def _group(
    code: Int64[np.ndarray, " rows"], figures: Float64[np.ndarray, "rows figures"], n: int
) -> Float64[np.ndarray, "groups figures"]:
    """Sum the figures by code; codes outside 0 to n - 1 are left out."""
    in_range = (code >= 0) & (code < n)
    return np.stack([np.bincount(code[in_range], column[in_range], minlength=n) for column in figures.T], axis=1)
