"""Running sums over users and videos in time order, so that a view never counts for itself.

A `RunningCounts` keeps the sums of every user, or every video, at some moment; `sums_before` carries them on view by
view. Views of one request share a time, and none of them counts for another.

Axes: `rows` views; `items` users or videos; `sums` as `N_SUMS` counts them.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float32, Int64

from user_models.fit.rows.log_rows import LogRows

GROUPS: Final = 4
"""Kinds of page with sums of their own: main feed, two columns, all others, and views shown at random."""
PER_GROUP: Final = ("views", "click", "long_view", "log_watch", "skip", "like")
OVERALL: Final = ("profile_enter", "other", "hate")
"""Rare actions, summed over all pages; `other` is follow, comment or forward."""
EXPOSED: Final = ("exposures", "exposed_long_view", "exposed_like")
"""From the list of earlier exposures, which tells no more."""
N_SUMS: Final = GROUPS * len(PER_GROUP) + len(OVERALL) + len(EXPOSED)
MOST_KEPT: Final = 50_000
"""Users, and videos, whose sums a predictor keeps; of others, rows at hand are added up again."""
FEWEST_VIEWS: Final = 5
"""Sums over fewer views would tell of single ones; they are not kept, but added up again from rows at hand."""
_SKIP_S: Final = 3.0
_LARGEST: Final = 60_000.0


@final
@dataclass(frozen=True)
class RunningCounts:
    """Sums of users, or of videos, by id.

    Attributes:
        ids: Ascending.
        sums: One row per id.
    """

    ids: Int64[np.ndarray, " items"]
    sums: Float32[np.ndarray, "items sums"]

    def of(self, wanted: Int64[np.ndarray, " rows"]) -> Float32[np.ndarray, "rows sums"]:
        """The sums of each id; zeros for those that are not here."""
        at, known = self._find(wanted)
        return np.where(known[:, None], self.sums[at], np.float32(0)) if len(self.ids) else _nothing(len(wanted))

    def carries(self, wanted: Int64[np.ndarray, " rows"]) -> Bool[np.ndarray, " rows"]:
        """Return whether each id has sums."""
        return self._find(wanted)[1]

    def _find(self, wanted: Int64[np.ndarray, " rows"]) -> tuple[Int64[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
        if not len(self.ids):
            return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
        at = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
        return at.astype(np.int64), self.ids[at] == wanted


def empty_ledger() -> RunningCounts:
    """Return counts without any items."""
    return RunningCounts(np.zeros(0, np.int64), _nothing(0))


def add_up(
    ledger: RunningCounts, ids: Int64[np.ndarray, " rows"], sums: Float32[np.ndarray, "rows sums"]
) -> RunningCounts:
    """The ledger with more views counted."""
    every, at = np.unique(np.concatenate([ledger.ids, ids]), return_inverse=True)
    total = np.zeros((len(every), N_SUMS))
    np.add.at(total, at, np.concatenate([ledger.sums, sums]).astype(np.float64))
    return RunningCounts(every.astype(np.int64), total.astype(np.float32))


def kept(ledger: RunningCounts) -> RunningCounts:
    """Keep the items with the most views, as numbers that half precision holds."""
    seen = ledger.sums[:, : GROUPS * len(PER_GROUP) : len(PER_GROUP)].sum(axis=1) + ledger.sums[:, -len(EXPOSED)]
    most = np.argsort(-seen, kind="stable")[:MOST_KEPT]
    chosen = np.sort(most[seen[most] >= FEWEST_VIEWS])
    return RunningCounts(
        ledger.ids[chosen], np.minimum(ledger.sums[chosen], _LARGEST).astype(np.float16).astype(np.float32)
    )


def view_sums(rows: LogRows) -> Float32[np.ndarray, "rows sums"]:
    """Compute what each view adds to the sums of its user and of its video."""
    own = [
        np.ones(len(rows)),
        rows.click,
        rows.long_view,
        np.log1p(rows.watch_s),
        rows.watch_s < _SKIP_S,
        rows.acted[:, 0] > 0,
    ]
    added = _nothing(len(rows))
    at = len(PER_GROUP) * page_group(rows)
    for place, column in enumerate(own):
        added[np.arange(len(rows)), at + place] = column
    _, follow, comment, forward, hate, profile = rows.acted.T
    added[:, -6:-3] = np.stack([profile, np.maximum(np.maximum(follow, comment), forward), hate], axis=1)
    return added


def exposure_sums(
    long_view: Bool[np.ndarray, " rows"], like: Bool[np.ndarray, " rows"]
) -> Float32[np.ndarray, "rows sums"]:
    """Compute what each earlier exposure adds to the sums."""
    added = _nothing(len(long_view))
    added[:, -3:] = np.stack([np.ones(len(like)), long_view, like], axis=1)
    return added


def page_group(rows: LogRows) -> Int64[np.ndarray, " rows"]:
    """0 main feed, 1 two columns, 2 other pages, 3 shown at random."""
    return np.where(rows.random, GROUPS - 1, np.minimum(rows.tab, 2)).astype(np.int64)


def sums_before(
    key: Int64[np.ndarray, " rows"],
    time_ms: Int64[np.ndarray, " rows"],
    added: Float32[np.ndarray, "rows sums"],
    start: Float32[np.ndarray, "rows sums"],
) -> Float32[np.ndarray, "rows sums"]:
    """Sum over the views of the same key at strictly earlier times, added to the key's start.

    Args:
        key: Whose sums.
        time_ms: When; rows in any order.
        added: What each view adds.
        start: What its key starts with, for each row.
    """
    order, first, head = _in_time(key, time_ms)
    running = np.zeros((len(key) + 1, added.shape[1]))
    np.cumsum(added[order], axis=0, dtype=np.float64, out=running[1:])
    sums = np.empty_like(start)
    sums[order] = running[first] - running[head]
    return sums + start


def places_before(
    key: Int64[np.ndarray, " rows"], time_ms: Int64[np.ndarray, " rows"], back: int
) -> Int64[np.ndarray, " rows"]:
    """The row `back` views before each view's request, of the same key; -1 where there is none."""
    order, first, head = _in_time(key, time_ms)
    at = first - back
    earlier_row = np.empty(len(key), np.int64)
    earlier_row[order] = np.where(at >= head, order[np.maximum(at, 0)], -1)
    return earlier_row


def _in_time(
    key: Int64[np.ndarray, " rows"], time_ms: Int64[np.ndarray, " rows"]
) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"], Int64[np.ndarray, " rows"]]:
    """Order by key and time; for each place in it the first place of the same moment, and the first of the key."""
    order = np.lexsort((time_ms, key))
    k, t = key[order], time_ms[order]
    new_key = np.ones(len(k), bool)
    new_key[1:] = k[1:] != k[:-1]
    new_moment = new_key.copy()
    new_moment[1:] |= t[1:] != t[:-1]
    index = np.arange(len(k))
    first, head = (np.maximum.accumulate(np.where(new, index, 0)) for new in (new_moment, new_key))
    return order.astype(np.int64), first.astype(np.int64), head.astype(np.int64)


def _nothing(n: int) -> Float32[np.ndarray, "rows sums"]:
    """No view yet."""
    return np.zeros((n, N_SUMS), np.float32)
