"""The loops around the user kernels: candidate windows, histories, totals. Compiled, row by row."""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int16, Int32, Int64, UInt16, UInt64

from policies.base import Event
from simulator.user_days import COUNTS
from user_models.dynamics.compiled import compiled
from user_models.dynamics.state import Response

_N_BEHAVIOURS: Final = int(Event.ASKED).bit_length() - 1
"""Bits of events that say what a user did; those after them are of questionnaires."""
_ASKED_BIT: Final = int(Event.ASKED)
_ANSWERED_BIT: Final = int(Event.ANSWERED)
_STRONG_BIT: Final = int(Event.ASKED_STRONGLY)
_SATISFIED: Final = 3


class CountColumns(NamedTuple):
    """Where some totals stand in a row of counts.

    They are given to the kernel, not frozen into it: its compiled code is kept until this file changes, and would
    outlive another order of `simulator.user_days.COUNTS`.
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
    """Row i of `out` is the user's window of n videos at this request; `start` is where in the ring, times anything.

    `ring` holds its `n_videos` different ids and its first n entries again at its end.
    """
    n = out.shape[1]
    for i in range(request.shape[0]):
        at = (np.int64(start[i] % np.uint64(n_videos)) + request[i] * n) % n_videos
        for j in range(n):
            out[i, j] = ring[at + j]


@compiled
def first_bad_slate(slates: Int32[np.ndarray, "rows k"], candidates: Int32[np.ndarray, "rows n"]) -> int:
    """The first row with a repeat or with a video that was not on offer; -1 if there is none."""
    for i in range(slates.shape[0]):
        offered = candidates[i]
        for a in range(slates.shape[1]):
            video = slates[i, a]
            n_equal = 0
            for j in range(offered.shape[0]):  # to the end: without a way out this is a few vector instructions
                n_equal += offered[j] == video
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
            at = n_seen[user] % h
            video_id[user, at] = slates[i, j]
            ring_watch_s[user, at] = watch_s[i, j]
            ring_events[user, at] = events[i, j]
            ring_clock_h[user, at] = clock_h[i]
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
    """Unroll each ring oldest first into right-aligned rows; what is not there stays as given (zeros)."""
    h = video_id.shape[1]
    for i in range(rows.shape[0]):
        user = rows[i]
        n = min(n_seen[user], h)
        for j in range(n):
            at = (n_seen[user] - n + j) % h
            to = h - n + j
            out_video_id[i, to] = video_id[user, at]
            out_watch_s[i, to] = ring_watch_s[user, at]
            out_events[i, to] = ring_events[user, at]
            out_hours_ago[i, to] = clock_h[i] - ring_clock_h[user, at]
            out_mask[i, to] = True


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
    """Add a request's views to each user's counts and watch time; returns how many questionnaires were shown.

    Columns of `counts` are `simulator.user_days.COUNTS`: behaviours from the clicks on, in the order of the bits of
    events, and answers from the satisfied ones on, downwards.
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
