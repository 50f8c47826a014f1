"""The loops around the user kernels: candidate windows, histories, totals. Compiled, row by row."""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int8, Int32, Int64, UInt16

from user_models.keyed import compiled


@compiled
def cut_windows(
    ring: Int32[np.ndarray, " ring"], start: Int64[np.ndarray, " rows"], out: Int32[np.ndarray, "rows n"]
) -> None:
    """Row i of `out` is `ring[start_i : start_i + n]`; `ring` holds its first n entries again at its end."""
    for i in range(start.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = ring[start[i] + j]


@compiled
def first_bad_slate(slates: Int32[np.ndarray, "rows k"], candidates: Int32[np.ndarray, "rows n"]) -> int:
    """The first row with a repeat or with a video that was not on offer; -1 if there is none."""
    for i in range(slates.shape[0]):
        for a in range(slates.shape[1]):
            found = False
            for j in range(candidates.shape[1]):
                if candidates[i, j] == slates[i, a]:
                    found = True
                    break
            if not found:
                return i
            for b in range(a):
                if slates[i, a] == slates[i, b]:
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
    viewed: Bool[np.ndarray, "rows k"],
    watch_s: Float32[np.ndarray, "rows k"],
    duration_s: Float32[np.ndarray, "rows k"],
    events: UInt16[np.ndarray, "rows k"],
    answer: Int8[np.ndarray, "rows k"],
    satisfaction: Float32[np.ndarray, "rows k"],
    weight: Float32[np.ndarray, "rows k"],
    true_weight: Float32[np.ndarray, "rows k"],
    satisfied_above: float,
    counts: Int32[np.ndarray, "users counts"],
    sums: Float64[np.ndarray, "users sums"],
) -> None:
    """Add a request's views to each user's totals; columns are those of `simulator.user_days`, in order."""
    for i in range(rows.shape[0]):
        count = counts[rows[i]]
        total = sums[rows[i]]
        count[1] += 1
        for j in range(viewed.shape[1]):
            if not viewed[i, j]:
                continue
            count[2] += 1
            total[0] += watch_s[i, j]
            for bit in range(4):
                if events[i, j] & (1 << bit):
                    count[(3, 4, 5, 6)[bit]] += 1
            for bit in range(6):
                if events[i, j] & (16 << bit):
                    count[7 + bit] += 1
            satisfied = satisfaction[i, j] > satisfied_above
            can_be_asked = watch_s[i, j] >= 7.0 or watch_s[i, j] >= 0.5 * duration_s[i, j]
            count[13] += can_be_asked
            count[19] += satisfied
            count[20] += satisfied and can_be_asked
            if events[i, j] & 1024:
                count[14] += 1
            if events[i, j] & 2048:
                count[15] += 1
                count[19 - answer[i, j]] += 1
                count[21] += satisfied
                total[1] += weight[i, j]
                total[3] += true_weight[i, j]
                if answer[i, j] == 3:
                    total[2] += weight[i, j]
                    total[4] += true_weight[i, j]
