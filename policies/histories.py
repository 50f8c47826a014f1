"""The history that each logged request was served with: the last `h` views before the request began.

A log is sorted by user, then time, so that a history is a slice of it: rows `first` to `start`. Views of the
request itself are never part of it: the simulator knows none of them when it asks for a slate.

Axes: `rows` logged views, `requests` logged requests, `h` history length.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Int, Int32, Int64

from policies.base import Feedback, History


@final
@dataclass(frozen=True)
class LoggedRequests:
    """The requests of a log, in its order.

    Attributes:
        user_id: Who asked.
        clock_h: Hours from the start of day 0 to the request.
        first: Row of the oldest view in the request's history.
        start: Row of the request's first view; its history ends before it.
        of_row: Which request each view belongs to.
    """

    user_id: Int32[np.ndarray, " requests"]
    clock_h: Int32[np.ndarray, " requests"]
    first: Int64[np.ndarray, " requests"]
    start: Int64[np.ndarray, " requests"]
    of_row: Int64[np.ndarray, " rows"]

    def __len__(self) -> int:
        return len(self.user_id)


def clock_h(day: Int[np.ndarray, "*b"], hour: Int[np.ndarray, "*b"]) -> Int32[np.ndarray, "*b"]:
    """Hours from the start of day 0; negative before it."""
    return 24 * day.astype(np.int32) + hour.astype(np.int32)


def run_bounds(key: np.ndarray) -> Int64[np.ndarray, " bounds"]:
    """Return where each run of equal keys begins, and last where the final one ends; at least one key.

    >>> run_bounds(np.array([4, 4, 7, 9, 9])).tolist()
    [0, 2, 3, 5]
    """
    return np.concatenate([[0], np.flatnonzero(np.diff(key)) + 1, [len(key)]]).astype(np.int64)


def find_requests(feedback: Feedback, h: int) -> LoggedRequests:
    """The requests of a log and their histories of at most `h` views.

    Raises:
        ValueError: The log is not sorted by user.
    """
    user = feedback.user_id
    if (np.diff(user) < 0).any():
        raise ValueError("log with users out of order given, want it sorted by user, then time")
    opens = np.ones(len(user), bool)
    opens[1:] = (np.diff(user) != 0) | (np.diff(feedback.day) != 0) | (np.diff(feedback.request) != 0)
    start = np.flatnonzero(opens)
    user_start = np.searchsorted(user, user[start])
    first = np.maximum(start - h, user_start)
    return LoggedRequests(
        user[start], clock_h(feedback.day[start], feedback.hour[start]), first, start, np.cumsum(opens) - 1
    )


def gather_history(
    feedback: Feedback,
    first: Int64[np.ndarray, " requests"],
    end: Int64[np.ndarray, " requests"],
    now_h: Int32[np.ndarray, " requests"],
    h: int,
) -> History:
    """Views `first` to `end` (not included) of each request as the simulator lays them out: newest in column -1.

    Args:
        feedback: The log that the rows point into.
        first: Oldest row; rows further than `h` from `end` are left out.
        end: Row after the newest.
        now_h: Hour of each request, from the start of day 0.
        h: Columns.
    """
    row = end[:, None] + np.arange(-h, 0)
    mask = row >= first[:, None]
    row = np.where(mask, row, 0)
    if len(feedback) == 0:
        feedback = _blank()
    return History(
        video_id=np.where(mask, feedback.video_id[row], 0).astype(np.int32),
        watch_s=np.where(mask, feedback.watch_s[row], 0).astype(np.float32),
        events=np.where(mask, feedback.events[row], 0).astype(np.uint16),
        hours_ago=np.where(mask, now_h[:, None] - clock_h(feedback.day[row], feedback.hour[row]), 0).astype(np.int32),
        mask=mask,
    )


def history_of(feedback: Feedback, requests: LoggedRequests, h: int) -> History:
    """The history of every logged request, as arrays."""
    return gather_history(feedback, requests.first, requests.start, requests.clock_h, h)


def history_after(feedback: Feedback, user_id: Int[np.ndarray, " users"], now_h: int, h: int) -> History:
    """The last `h` views of each user when the log ends; users without views get an empty history."""
    first = np.searchsorted(feedback.user_id, user_id)
    end = np.searchsorted(feedback.user_id, user_id, side="right")
    return gather_history(feedback, first, end, np.full(len(user_id), now_h, np.int32), h)


def _blank() -> Feedback:
    """One row that every mask hides, so that an empty log can be indexed."""
    i16, i8 = np.zeros(1, np.int16), np.zeros(1, np.int8)
    i32 = np.zeros(1, np.int32)
    return Feedback(i32, i32, i16, i8, i16, i8, np.zeros(1, np.float32), np.zeros(1, np.uint16), i8)
