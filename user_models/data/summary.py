"""What is in a log: counts and rates, what is missing, and what a fit has to assume instead.

Axes: `rows` of a part.
"""

from dataclasses import dataclass, field
from typing import Final, final

import numpy as np
import pandas as pd

from user_models.data.contract import ACTIONS, LOG
from user_models.data.log import LogData
from user_models.errors import DataError

FEWEST_DAYS: Final = 3
"""Days that a fit needs: the last two are predicted from those before."""
_LENGTHS_S: Final = (0.1, 6 * 3600.0)
"""Typical lengths of items outside these come of a wrong unit."""
_WATCHED: Final = (1e-3, 50.0)
"""Seconds watched over lengths outside these come of a wrong unit."""
_FLAGS: Final = tuple(name for name, column in LOG.items() if column.kind == "flag" and name != "is_random")
_MISSING: Final = {
    "click": "a view of 7 s, or to the end, is called a click",
    "long_view": "a view of 18 s, or to the end, is called long",
    **dict.fromkeys(ACTIONS, "its rates are the prior's, and how long was watched does not bear on it"),
    "author": "every item is its own author's",
    "topic": "all items are of one topic",
    "surface": "all views are of one feed",
    "request": "rows of one user and moment are one request",
    "position": "rows of a request are in the order of the slate",
    "propensity": "the log's ranker is corrected for by random exposures alone, not by inverse propensities",
    "asked": "how often a questionnaire comes, and who answers, is a preset",
    "answer": "the share of dissatisfied answers is the prior's",
}
"""What a fit does without a column."""


@final
@dataclass(frozen=True)
class LogSummary:
    """Counts and rates of a log.

    Attributes:
        rows: Rows that the mapping asks for.
        users: Users with a row.
        items: Items with a row.
        first_day: Local day, yyyymmdd.
        last_day: Local day, yyyymmdd.
        days: Days with a row.
        random_rows: Rows of random exposures.
        without_length: Rows of items whose length is known nowhere.
        rates: Of the flags that there are, the mean seconds watched, and the mean length.
        missing: Columns of the contract that the data lack.
        assumed: What a fit has to assume, in words.
    """

    rows: int
    users: int
    items: int
    first_day: int
    last_day: int
    days: int
    random_rows: int
    without_length: int
    rates: dict[str, float]
    missing: tuple[str, ...]
    assumed: tuple[str, ...]


@final
@dataclass
class _Sums:
    """What is added up over the parts of a log."""

    rows: int = 0
    random_rows: int = 0
    lasting: int = 0
    users: set[int] = field(default_factory=set[int])
    items: set[int] = field(default_factory=set[int])
    days: set[int] = field(default_factory=set[int])
    totals: dict[str, float] = field(default_factory=dict[str, float])
    log_lengths: float = 0.0

    def add(self, part: pd.DataFrame, length_s: "pd.Series[float]") -> None:
        """Count one more part; `length_s` are known lengths by item."""
        self.rows += len(part)
        self.random_rows += int(part["is_random"].sum())
        for name, column in (("users", "user"), ("items", "item"), ("days", "day")):
            getattr(self, name).update(np.unique(part[column]).tolist())
        logged_s = part["duration_s"].to_numpy() if "duration_s" in part else np.zeros(len(part))
        duration_s = np.where(logged_s > 0, logged_s, length_s.reindex(part["item"]).to_numpy(np.float64))
        known = duration_s > 0
        self.lasting += int(known.sum())
        self.log_lengths += float(np.log(duration_s[known]).sum())
        numbers = {name: part[name] for name in (*_FLAGS, "watch_s") if name in part}
        for name, values in {**numbers, "duration_s": duration_s[known]}.items():
            self.totals[name] = self.totals.get(name, 0.0) + float(np.asarray(values, np.float64).sum())


def summarise(data: LogData) -> LogSummary:
    """Read a log once, in constant memory but for the ids, and say what is in it.

    Raises:
        DataError: Damage in the files, no rows, or times or lengths of a wrong unit.
    """
    length_s = data.items().set_index("item")["duration_s"] if data.mapping.items else pd.Series(dtype=np.float64)
    sums = _Sums()
    for random in (False, True):
        for part in data.batches(random=random):
            sums.add(part, length_s)
    data.users()
    data.counts()
    if not sums.rows:
        raise DataError(f"{data.path}: the log has no rows that the mapping asks for; mend its files or its filters")
    rates = {name: total / (sums.lasting if name == "duration_s" else sums.rows) for name, total in _known(sums)}
    check_units(
        data, rates.get("watch_s", np.nan), float(np.exp(sums.log_lengths / max(1, sums.lasting))), sums.lasting
    )
    return LogSummary(
        rows=sums.rows,
        users=len(sums.users),
        items=len(sums.items),
        first_day=min(sums.days),
        last_day=max(sums.days),
        days=len(sums.days),
        random_rows=sums.random_rows,
        without_length=sums.rows - sums.lasting,
        rates=rates,
        missing=data.lacks,
        assumed=assumptions(data, sums.random_rows),
    )


def check_units(data: LogData, watch_s: float, length_s: float, n_known: int) -> None:
    """Refuse lengths and watch times of a wrong unit.

    Args:
        data: Named in the message.
        watch_s: Mean seconds watched.
        length_s: Typical length of items, s.
        n_known: Rows of a known length; without one nothing is checked.

    Raises:
        DataError: A typical length below 0.1 s or above 6 h, or watch times that do not go with it.
    """
    if not n_known:
        return
    low, high = _LENGTHS_S
    if not low <= length_s <= high:
        given = f"duration_s: items typically last {length_s:,.3g} s"
        raise DataError(f"{data.path}: {given}, want {low:g} s to {high:,.0f} s; mend its unit in the mapping")
    if watch_s > _WATCHED[1] * length_s or 0 < watch_s < _WATCHED[0] * length_s:
        given = f"watch_s: {watch_s:,.3g} s watched on average, of items that typically last {length_s:,.3g} s"
        raise DataError(f"{data.path}: {given}; want the same unit of both, mend it in the mapping")


def assumptions(data: LogData, n_random: int) -> tuple[str, ...]:
    """What a fit on a log has to assume because the data lack it, one sentence each."""
    mapping = data.mapping
    said = [f"no {name}: {_MISSING[name]}" for name in data.lacks if name in _MISSING]
    if not n_random and not mapping.totals:
        said.append("no random exposures: the gap between them and the log's ranker is the prior's")
    if mapping.totals:
        said.append(f"levels and activity: set to totals that are known beside the rows ({mapping.totals})")
    if mapping.log.columns["time"].unit == "files":
        said.append(
            "no times: the rows of each file are spread evenly over its days, so hours and sessions say nothing"
        )
    if not mapping.complete and not mapping.totals:
        said.append("not every view of a user: sessions, views per day and returns are the prior's")
    if mapping.users is None or not mapping.users.categories:
        said.append("no public columns of users: all users are of one kind")
    if mapping.counts is None:
        said.append("no counts of everybody's views: items are counted in the log, its last two days left out")
        if {"like", "follow", "forward"} <= {*data.lacks}:
            said.append("nothing tells the quality of items: it is drawn, and goes with nothing else")
    said.append("satisfaction: its weights and what it does to leaving are assumed; no log tells them")
    return tuple(said)


def _known(sums: _Sums) -> list[tuple[str, float]]:
    """Totals by name; no mean length where none is known."""
    return [(name, total) for name, total in sums.totals.items() if name != "duration_s" or sums.lasting]
