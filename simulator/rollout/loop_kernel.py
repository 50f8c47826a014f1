"""Compiled loops around the user kernels: candidate windows, histories, totals."""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int16, Int32, Int64, UInt16, UInt64

from policies.base import Event
from simulator.user_days import COUNTS
from user_models.dynamics.compiled import compiled
from user_models.dynamics.state import Response

_N_BEHAVIOURS: Final = int(Event.ASKED).bit_length() - 1
"""Number of event bits for the user's acts; the bits after them are about questionnaires."""
_ASKED_BIT: Final = int(Event.ASKED)
_ANSWERED_BIT: Final = int(Event.ANSWERED)
_STRONG_BIT: Final = int(Event.ASKED_STRONGLY)
_SATISFIED: Final = 3


class CountColumns(NamedTuple):
    """Indices of totals in a row of counts.

    They are arguments of the kernel, not constants in it: its compiled code is cached until this file changes, and
    would be wrong after a change of `simulator.user_days.COUNTS`.
    """

    requests: int
    views: int
    clicks: int
    eligible: int
    asked: int
    answered: int
    answers_satisfied: int
    true_satisfied: int
    true_eligible_satisfied: int
    true_answered_satisfied: int
    strong_asked: int
    strong_answered: int
    strong_satisfied: int


COUNT_COLUMNS: Final = CountColumns(*(COUNTS.index(name) for name in CountColumns._fields))


@compiled
def cut_windows(
    ring: Int32[np.ndarray, " ring"],
    n_videos: int,
    start: UInt64[np.ndarray, " rows"],
    request: Int16[np.ndarray, " rows"],
    out: Int32[np.ndarray, "rows n"],
) -> None:
    """Write the window of n videos of each user's request into `out`.

    `ring` holds `n_videos` different ids, then its first n entries again. The window of request 0 starts at index
    `start` modulo `n_videos`.
    """
    n = out.shape[1]
    for i in range(request.shape[0]):
        start_index = (np.int64(start[i] % np.uint64(n_videos)) + request[i] * n) % n_videos
        for j in range(n):
            out[i, j] = ring[start_index + j]


@compiled
def first_bad_slate(slates: Int32[np.ndarray, "rows k"], candidates: Int32[np.ndarray, "rows n"]) -> int:
    """Find the first row with a repeat or with a video that was not on offer; -1 if there is none."""
    for i in range(slates.shape[0]):
        on_offer = candidates[i]
        for a in range(slates.shape[1]):
            video = slates[i, a]
            n_equal = 0
            for j in range(on_offer.shape[0]):  # to the end: without a way out this is a few vector instructions
                n_equal += on_offer[j] == video
            if n_equal == 0:
                return i
            for b in range(a):
                if slates[i, b] == video:
                    return i
    return -1


@compiled
def remember(
    rows: Int64[np.ndarray, " rows"],
    slates: Int32[np.ndarray, "rows k"],
    viewed: Bool[np.ndarray, "rows k"],
    watch_s: Float32[np.ndarray, "rows k"],
    events: UInt16[np.ndarray, "rows k"],
    clock_h: Int32[np.ndarray, " rows"],
    video_id: Int32[np.ndarray, "users h"],
    ring_watch_s: Float32[np.ndarray, "users h"],
    ring_events: UInt16[np.ndarray, "users h"],
    ring_clock_h: Int32[np.ndarray, "users h"],
    n_seen: Int64[np.ndarray, " users"],
) -> None:
    """Write the views of a request into each user's ring of last views."""
    h = video_id.shape[1]
    for i in range(rows.shape[0]):
        user = rows[i]
        for j in range(slates.shape[1]):
            if not viewed[i, j]:
                continue
            slot = n_seen[user] % h
            video_id[user, slot] = slates[i, j]
            ring_watch_s[user, slot] = watch_s[i, j]
            ring_events[user, slot] = events[i, j]
            ring_clock_h[user, slot] = clock_h[i]
            n_seen[user] += 1


@compiled
def recall(
    rows: Int64[np.ndarray, " rows"],
    clock_h: Int32[np.ndarray, " rows"],
    video_id: Int32[np.ndarray, "users h"],
    ring_watch_s: Float32[np.ndarray, "users h"],
    ring_events: UInt16[np.ndarray, "users h"],
    ring_clock_h: Int32[np.ndarray, "users h"],
    n_seen: Int64[np.ndarray, " users"],
    out_video_id: Int32[np.ndarray, "rows h"],
    out_watch_s: Float32[np.ndarray, "rows h"],
    out_events: UInt16[np.ndarray, "rows h"],
    out_hours_ago: Int32[np.ndarray, "rows h"],
    out_mask: Bool[np.ndarray, "rows h"],
) -> None:
    """Copy each ring, oldest view first, into right-aligned rows; other entries of the outputs stay zero."""
    h = video_id.shape[1]
    for i in range(rows.shape[0]):
        user = rows[i]
        n = min(n_seen[user], h)
        for j in range(n):
            slot = (n_seen[user] - n + j) % h
            column = h - n + j
            out_video_id[i, column] = video_id[user, slot]
            out_watch_s[i, column] = ring_watch_s[user, slot]
            out_events[i, column] = ring_events[user, slot]
            out_hours_ago[i, column] = clock_h[i] - ring_clock_h[user, slot]
            out_mask[i, column] = True


@compiled
def count_events(
    rows: Int64[np.ndarray, " rows"],
    slates: Int32[np.ndarray, "rows k"],
    response: Response,
    duration_s: Float32[np.ndarray, " videos"],
    satisfied_above: float,
    column: CountColumns,
    counts: Int32[np.ndarray, "users counts"],
    watch_s: Float64[np.ndarray, " users"],
) -> int:
    """Add a request's views to each user's counts and watch time, and return the number of questionnaires shown.

    Columns of `counts` are `simulator.user_days.COUNTS`: acts start at the clicks, in the order of the event bits;
    answers start at the satisfied ones, in falling order.
    """
    n_asked = 0
    for i in range(rows.shape[0]):
        count = counts[rows[i]]
        count[column.requests] += 1
        for j in range(slates.shape[1]):
            if not response.viewed[i, j]:
                break  # whoever leaves a slate sees no more of it
            events = response.events[i, j]
            watched = response.watch_s[i, j]
            count[column.views] += 1
            watch_s[rows[i]] += watched
            for bit in range(_N_BEHAVIOURS):
                count[column.clicks + bit] += (events >> bit) & 1
            satisfied = response.satisfaction[i, j] > satisfied_above
            can_be_asked = watched >= 7.0 or watched >= 0.5 * duration_s[slates[i, j]]
            count[column.eligible] += can_be_asked
            count[column.true_satisfied] += satisfied
            count[column.true_eligible_satisfied] += satisfied and can_be_asked
            if events & _ASKED_BIT:
                count[column.asked] += 1
                n_asked += 1
            if events & _ANSWERED_BIT:
                count[column.answered] += 1
                count[column.answers_satisfied + _SATISFIED - response.answer[i, j]] += 1
                count[column.true_answered_satisfied] += satisfied
            if events & _STRONG_BIT:
                count[column.strong_asked] += 1
                count[column.strong_answered] += response.answer[i, j] > 0
                count[column.strong_satisfied] += response.answer[i, j] == _SATISFIED
    return n_asked
