"""Inputs of the predictor: the time of a view, and counts over earlier views of its user, video and author.

Rates are shrunken towards typical ones as if `_TRUST` more views had been seen, and given as logits or logarithms.

Axes: `rows` views; `items` users or videos; `sums` as `past.N_SUMS` counts them; `numbers` inputs.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Int64

from user_models.fit.prediction.running_counts import (
    EXPOSED,
    GROUPS,
    OVERALL,
    PER_GROUP,
    RunningCounts,
    add_up,
    empty_ledger,
    page_group,
    places_before,
    sums_before,
    view_sums,
)
from user_models.fit.prediction.views import LoggedViews
from user_models.fit.rows.batches import log_nodes, place
from user_models.fit.rows.log_rows import N_SURFACES

_TYPICAL: Final = {
    "click": 0.44,
    "long_view": 0.31,
    "log_watch": 1.9,
    "skip": 0.42,
    "like": 0.018,
    "profile_enter": 0.0185,
    "other": 0.0045,
    "hate": 0.0008,
}
"""Rates of the standard log of KuaiRand-Pure; mean of log(1 + seconds) for `log_watch`."""
_TRUST: Final = 8.0
_BACK: Final = (1, 2)
"""How many views back the last ones are told."""
_MIDDLE: Final = 4.0


@final
@dataclass(frozen=True)
class PriorViews:
    """Running counts over the views before those to predict.

    Attributes:
        users: Sums by user.
        videos: Sums by video.
        last_date: Last day counted, yyyymmdd; 0 if none.
    """

    users: RunningCounts
    videos: RunningCounts
    last_date: int


def nothing_seen() -> PriorViews:
    """No past at all."""
    return PriorViews(empty_ledger(), empty_ledger(), 0)


def seen(past: PriorViews, views: LoggedViews) -> PriorViews:
    """The past with more views counted."""
    added = view_sums(views.rows)
    last = int(views.rows.date.max()) if len(views) else 0
    return PriorViews(
        add_up(past.users, views.user_id, added),
        add_up(past.videos, views.video_id, added),
        max(past.last_date, last),
    )


def known_before(
    past: PriorViews,
    views: LoggedViews,
    user_counted: Bool[np.ndarray, " rows"],
    video_counted: Bool[np.ndarray, " rows"],
    authors: "pd.Series[int]",
) -> Float32[np.ndarray, "rows numbers"]:
    """Inputs of every view, from the past and from views at strictly earlier times.

    Args:
        past: What was seen before; may hold some of these views already.
        views: In any order.
        user_counted: Which of them the past of the user holds already, so that they are not added again.
        video_counted: The same for the past of the video.
        authors: Author of every video the past may know, by video id.
    """
    added = view_sums(views.rows)
    for_user, for_video = (added * ~counted[:, None] for counted in (user_counted, video_counted))
    time_ms = views.rows.time_ms
    works = _by_author(past.videos, authors)
    columns = [
        _history_numbers(
            sums_before(key, time_ms, new, ledger.of(key)),
            page_group(views.rows),
            _typical_views(key, time_ms, ~counted, ledger),
        )
        for key, ledger, new, counted in (
            (views.user_id, past.users, for_user, user_counted),
            (views.video_id, past.videos, for_video, video_counted),
            (views.author_id, works, for_video, video_counted),
        )
    ]
    return np.concatenate([_moment(views), *columns, *(_last(views, back) for back in _BACK)], axis=1)


def _by_author(videos: RunningCounts, authors: "pd.Series[int]") -> RunningCounts:
    """Sums over all videos of each author."""
    author = authors.reindex(videos.ids)
    has_author = author.notna().to_numpy()
    return add_up(empty_ledger(), author.to_numpy()[has_author].astype(np.int64), videos.sums[has_author])


def _typical_views(
    key: Int64[np.ndarray, " rows"],
    time_ms: Int64[np.ndarray, " rows"],
    new: Bool[np.ndarray, " rows"],
    ledger: RunningCounts,
) -> Float32[np.ndarray, " rows"]:
    """Compute the mean number of earlier views per user, video or author at the time of each view."""
    start = ledger.sums[:, : GROUPS * len(PER_GROUP) : len(PER_GROUP)].sum(dtype=np.float64)
    items = len(np.union1d(ledger.ids, key))
    return ((start + np.searchsorted(np.sort(time_ms[new]), time_ms)) / items).astype(np.float32)


def _history_numbers(
    sums: Float32[np.ndarray, "rows sums"],
    group: Int64[np.ndarray, " rows"],
    typical_views: Float32[np.ndarray, " rows"],
) -> Float32[np.ndarray, "rows numbers"]:
    """Compute counts and shrunken rates: on all pages, on the same page group, in the exposures, and pooled.

    Numbers are set against those of the typical item, since all of them grow with time, and levels must not.
    """
    n_grouped = GROUPS * len(PER_GROUP)
    by_group = sums[:, :n_grouped].reshape(len(sums), GROUPS, len(PER_GROUP))
    overall, own = by_group.sum(axis=1), by_group[np.arange(len(sums)), group]
    rare, exposed = sums[:, n_grouped : n_grouped + len(OVERALL)], sums[:, -len(EXPOSED) :]
    names = (*PER_GROUP[1:], *OVERALL)
    whole = _rates(np.concatenate([overall[:, 1:], rare], axis=1), overall[:, 0], names)
    typical = np.stack([exposed[:, 1] + overall[:, 2], exposed[:, 2] + overall[:, 5]], axis=1)
    return np.concatenate(
        [
            np.log1p(np.stack([overall[:, 0], own[:, 0]], axis=1)) - np.log1p(typical_views)[:, None],
            np.log1p(exposed[:, [0]]),
            whole,
            _rates(own[:, 1:], own[:, 0], PER_GROUP[1:]),
            _rates(exposed[:, 1:], exposed[:, 0], ("long_view", "like")),
            _rates(typical, exposed[:, 0] + overall[:, 0], ("long_view", "like")),
        ],
        axis=1,
    ).astype(np.float32)


def _rates(
    sums: Float32[np.ndarray, "rows labels"], n: Float32[np.ndarray, " rows"], names: tuple[str, ...]
) -> Float32[np.ndarray, "rows labels"]:
    """Logits of shrunken rates; the shrunken mean itself for the log of watch time."""
    typical = np.array([_TYPICAL[name] for name in names])
    rate = (sums + _TRUST * typical) / (n[:, None] + _TRUST)
    bounded = np.clip(rate, 1e-6, 1 - 1e-6)
    is_mean = np.array([name == "log_watch" for name in names])
    return np.where(is_mean, rate, np.log(bounded / (1 - bounded))).astype(np.float32)


def _moment(views: LoggedViews) -> Float32[np.ndarray, "rows numbers"]:
    """Length (as a linear interpolation between the fit's nodes), page, hour, weekday, chosen at random or not."""
    rows = views.rows
    right, part = place(rows.log_duration)
    hats = np.zeros((len(rows), len(log_nodes())), np.float32)
    at = np.arange(len(rows))
    hats[at, right - 1], hats[at, right] = 1 - part, part
    page = np.eye(N_SURFACES + 1, dtype=np.float32)[rows.tab]
    length = (rows.log_duration - np.float32(_MIDDLE))[:, None]
    turn = 2 * np.pi * rows.hour[:, None] / 24
    round_the_clock = [np.sin(turn), np.cos(turn), np.sin(2 * turn), np.cos(2 * turn)]
    single = [rows.random[:, None], length, *round_the_clock]
    return np.concatenate([hats, page, page * length, *single], axis=1).astype(np.float32)


def _last(views: LoggedViews, back: int) -> Float32[np.ndarray, "rows numbers"]:
    """Return features of an earlier view of the same user: outcome, page, and age; zeros if there is none."""
    rows = views.rows
    at = places_before(views.user_id, rows.time_ms, back)
    gap_s = np.maximum(rows.time_ms - rows.time_ms[at], 0) / 1000
    near = np.exp(-gap_s / 1800)
    log_watch = np.log1p(rows.watch_s[at])
    columns = [
        np.ones(len(rows)),
        rows.click[at],
        rows.long_view[at],
        log_watch,
        rows.acted[at, 0],
        rows.tab[at] == rows.tab,
        rows.tab[at] == 1,
        np.log1p(gap_s),
        near,
        near * rows.click[at],
        near * log_watch,
    ]
    return np.where((at >= 0)[:, None], np.stack(columns, axis=1), 0).astype(np.float32)
