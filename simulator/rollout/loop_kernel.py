"""The loops around the user kernels: candidate windows, histories, totals. Compiled, row by row."""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int16, Int32, Int64, UInt16, UInt64

from user_models.dynamics.compiled import compiled
from user_models.dynamics.kernel import Response


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
            found = 0
            for j in range(offered.shape[0]):  # to the end: without a way out this is a few vector instructions
                found += offered[j] == video
            if found == 0:
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
    seen_watch_s: Float32[np.ndarray, "users h"],
    seen_events: UInt16[np.ndarray, "users h"],
    seen_clock_h: Int32[np.ndarray, "users h"],
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
            seen_watch_s[user, at] = watch_s[i, j]
            seen_events[user, at] = events[i, j]
            seen_clock_h[user, at] = clock_h[i]
            n_seen[user] += 1


@compiled
def recall(
    rows: Int64[np.ndarray, " rows"],
    clock_h: Int32[np.ndarray, " rows"],
    video_id: Int32[np.ndarray, "users h"],
    seen_watch_s: Float32[np.ndarray, "users h"],
    seen_events: UInt16[np.ndarray, "users h"],
    seen_clock_h: Int32[np.ndarray, "users h"],
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
            out_watch_s[i, to] = seen_watch_s[user, at]
            out_events[i, to] = seen_events[user, at]
            out_hours_ago[i, to] = clock_h[i] - seen_clock_h[user, at]
            out_mask[i, to] = True


@compiled
def tally(
    rows: Int64[np.ndarray, " rows"],
    slates: Int32[np.ndarray, "rows k"],
    response: Response,
    duration_s: Float32[np.ndarray, " videos"],
    satisfied_above: float,
    counts: Int32[np.ndarray, "users counts"],
    watch_s: Float64[np.ndarray, " users"],
) -> int:
    """Add a request's views to each user's counts and watch time; returns how many questionnaires were shown.

    Columns of `counts` are those of `simulator.user_days`, in order: from the fourth on they follow the bits of
    events, up to the profile enters.
    """
    n_asked = 0
    for i in range(rows.shape[0]):
        count = counts[rows[i]]
        count[1] += 1
        for j in range(slates.shape[1]):
            if not response.viewed[i, j]:
                break  # whoever leaves a slate sees no more of it
            events = response.events[i, j]
            watched = response.watch_s[i, j]
            count[2] += 1
            watch_s[rows[i]] += watched
            for bit in range(10):
                count[3 + bit] += (events >> bit) & 1
            satisfied = response.satisfaction[i, j] > satisfied_above
            can_be_asked = watched >= 7.0 or watched >= 0.5 * duration_s[slates[i, j]]
            count[13] += can_be_asked
            count[19] += satisfied
            count[20] += satisfied and can_be_asked
            if events & 1024:
                count[14] += 1
                n_asked += 1
            if events & 2048:
                count[15] += 1
                count[19 - response.answer[i, j]] += 1
                count[21] += satisfied
    return n_asked
