"""Batches of whole users out of a log, with the history that each of their requests was served with.

Axes: `rows` views, `requests`, `f` user features, `chosen` users.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from policies.base import Event, Log
from policies.histories import find_requests, run_bounds
from policies.kernel import fill_grades


@final
@dataclass(frozen=True)
class ViewBatch:
    """Views of some users, ready for the towers; rows and requests are numbered within.

    Attributes:
        video_id: What was shown.
        grade: How it went, see `policies.kernel.grade`.
        clicked: 1 or 0.
        log_watch: log(1 + seconds).
        of_row: Request of each view.
        first: Row of the oldest view in each request's history.
        start: Row after the newest.
        features: Public features of each request's user.
    """

    video_id: Int64[Tensor, " rows"]
    grade: Int64[Tensor, " rows"]
    clicked: Float32[Tensor, " rows"]
    log_watch: Float32[Tensor, " rows"]
    of_row: Int64[Tensor, " rows"]
    first: Int64[Tensor, " requests"]
    start: Int64[Tensor, " requests"]
    features: Float32[Tensor, "requests f"]


@final
class ViewSource:
    """A log cut by user, from which batches of whole users are taken."""

    def __init__(self, log: Log, h: int) -> None:
        """Grade the log's views and find their histories of at most `h` views."""
        feedback = log.feedback
        self._requests = find_requests(feedback, h)
        self._features = log.users.features
        grades = np.empty(len(feedback), np.int64)
        fill_grades(feedback.watch_s, feedback.events, grades)
        self._video_id, self._grade = torch.from_numpy(feedback.video_id.astype(np.int64)), torch.from_numpy(grades)
        self._clicked = torch.from_numpy(feedback.has(Event.CLICK).astype(np.float32))
        self._log_watch = torch.from_numpy(np.log1p(feedback.watch_s))
        self._row_bounds = run_bounds(feedback.user_id)
        self._request_bounds = run_bounds(self._requests.user_id)

    @property
    def n_users(self) -> int:
        """Users with views."""
        return len(self._row_bounds) - 1

    def take(self, users: Int64[Tensor, " chosen"]) -> ViewBatch:
        """All views of some users, numbered by their place in the log."""
        places = users.numpy()
        rows, row_shift = _gather_runs(self._row_bounds, places)
        asked, request_shift = _gather_runs(self._request_bounds, places)
        requests = self._requests
        n_rows = np.diff(self._row_bounds)[places]
        n_requests = np.diff(self._request_bounds)[places]
        shift = np.repeat(row_shift, n_requests)
        at = torch.from_numpy(rows)
        return ViewBatch(
            self._video_id[at],
            self._grade[at],
            self._clicked[at],
            self._log_watch[at],
            torch.from_numpy(requests.of_row[rows] + np.repeat(request_shift, n_rows)),
            torch.from_numpy(requests.first[asked] + shift),
            torch.from_numpy(requests.start[asked] + shift),
            torch.from_numpy(self._features[requests.user_id[asked]]),
        )


def _gather_runs(
    bounds: Int64[np.ndarray, " bounds"], places: Int64[np.ndarray, " chosen"]
) -> tuple[Int64[np.ndarray, " rows"], Int64[np.ndarray, " chosen"]]:
    """Members of some runs, one run after the other, and by how much each run moved."""
    length = (bounds[1:] - bounds[:-1])[places]
    shift = np.cumsum(length) - length - bounds[places]
    return np.arange(length.sum()) - np.repeat(shift, length), shift
