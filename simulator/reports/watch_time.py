"""Distribution of watch time over the users of each bucket, computed from a run's user-days."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from simulator.runs.user_day_reader import DECIMAL, open_user_days, readable

_COLUMNS: Final = ("user_id", "world", "bucket", "day", "watch_s")
_PER_DOUBLING: Final = 2
"""Bins per doubling of watch time."""


@final
@dataclass(frozen=True)
class Bin:
    """Users who watched at least `low_s` and less than `high_s` seconds per day."""

    low_s: float
    high_s: float
    users: int


@final
@dataclass(frozen=True)
class WatchSpread:
    """Users of one bucket by watch time per day of the test, days without a visit included.

    Attributes:
        arm: Name of the bucket's arm.
        users: Number of users.
        idle: Number of users who watched nothing.
        mean_s: Mean over all users, in seconds per day.
        median_s: Median over all users, in seconds per day.
        ninth_decile_s: Ninth decile over all users, in seconds per day.
        bins: Users with some watch time, by bin; bins without users in between are included.
    """

    arm: str
    users: int
    idle: int
    mean_s: float
    median_s: float
    ninth_decile_s: float
    bins: tuple[Bin, ...]


def watch_spreads(run: Path) -> list[WatchSpread]:
    """Compute the distribution of watch time in each bucket of a run, by name of the arm.

    Raises:
        RunFolderError: The user-days are missing or damaged.
    """
    with open_user_days(run, _COLUMNS) as table, readable(run):
        seconds = f"CAST(sum(CAST(watch_s AS {DECIMAL})) AS DOUBLE) / count(*) AS watch_s"
        users = table.rows.filter(f"day >= 0 AND {table.as_assigned}")
        users = users.aggregate(f"bucket, user_id, {seconds}", "bucket, user_id").materialize()
        figures = "bucket, count(*), count(*) FILTER (watch_s = 0), avg(watch_s), quantile_disc(watch_s, [0.5, 0.9])"
        totals = users.aggregate(figures, "bucket").order("bucket").fetchall()
        bin_sql = f"CAST(floor({_PER_DOUBLING} * log2(watch_s)) AS INTEGER) AS place"
        bin_counts = users.filter("watch_s > 0").aggregate(f"bucket, {bin_sql}, count(*)", "bucket, place").fetchall()
    return [
        WatchSpread(
            str(arm),
            n,
            idle,
            mean,
            median,
            ninth,
            _bins({bin_index: n_users for bucket, bin_index, n_users in bin_counts if bucket == arm}),
        )
        for arm, n, idle, mean, (median, ninth) in totals
    ]


def _bins(users_by_bin: dict[int, int]) -> tuple[Bin, ...]:
    """Make the bins from the first one with users to the last one."""
    bin_range = range(min(users_by_bin), max(users_by_bin) + 1) if users_by_bin else ()
    return tuple(Bin(_edge(bin_index), _edge(bin_index + 1), users_by_bin.get(bin_index, 0)) for bin_index in bin_range)


def _edge(bin_index: int) -> float:
    """Lower edge of a bin, in seconds."""
    return math.exp2(bin_index / _PER_DOUBLING)
