"""How watch time is spread over the users of each bucket, for people: counted from a run's user-days when asked for."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from simulator.runs.user_day_reader import DECIMAL, open_user_days, readable

_COLUMNS: Final = ("user_id", "world", "bucket", "day", "watch_s")
_PER_DOUBLING: Final = 2
"""Bins between a watch time and its double."""


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
    """One bucket's users by their watch time per day of the test, days on which they stayed away included.

    Attributes:
        arm: Bucket.
        users: All of them.
        idle: Those who watched nothing at all.
        mean_s: Of all users, in seconds per day.
        median_s: Likewise.
        ninth_decile_s: What nine users in ten do not exceed.
        bins: The others, by watch time; bins without users in between are there, with 0.
    """

    arm: str
    users: int
    idle: int
    mean_s: float
    median_s: float
    ninth_decile_s: float
    bins: tuple[Bin, ...]


def watch_spreads(run: Path) -> list[WatchSpread]:
    """The spread of watch time in each bucket of a run, by name of the arm, each user under the arm of their bucket.

    Raises:
        RunFolderError: No user-days, or damaged ones.
    """
    with open_user_days(run, _COLUMNS) as table, readable(run):
        seconds = f"CAST(sum(CAST(watch_s AS {DECIMAL})) AS DOUBLE) / count(*) AS watch_s"
        users = table.rows.filter(f"day >= 0 AND {table.as_assigned}")
        users = users.aggregate(f"bucket, user_id, {seconds}", "bucket, user_id").materialize()
        figures = "bucket, count(*), count(*) FILTER (watch_s = 0), avg(watch_s), quantile_disc(watch_s, [0.5, 0.9])"
        totals = users.aggregate(figures, "bucket").order("bucket").fetchall()
        place = f"CAST(floor({_PER_DOUBLING} * log2(watch_s)) AS INTEGER) AS place"
        filled = users.filter("watch_s > 0").aggregate(f"bucket, {place}, count(*)", "bucket, place").fetchall()
    return [
        WatchSpread(str(arm), n, idle, mean, median, ninth, _bins({at: k for own, at, k in filled if own == arm}))
        for arm, n, idle, mean, (median, ninth) in totals
    ]


def _bins(filled: dict[int, int]) -> tuple[Bin, ...]:
    """From the first place with users to the last."""
    places = range(min(filled), max(filled) + 1) if filled else ()
    return tuple(Bin(_edge(at), _edge(at + 1), filled.get(at, 0)) for at in places)


def _edge(place: int) -> float:
    """Where a bin begins, in seconds."""
    return math.exp2(place / _PER_DOUBLING)
