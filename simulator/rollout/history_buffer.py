"""Histories: the last views of each user."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float32, Int32, Int64, UInt16

from policies.base import History
from simulator.rollout.loop_kernel import recall, remember
from user_models.dynamics.state import Response

HISTORY: Final = 50
"""Views per user in a history."""


@final
@dataclass(frozen=True)
class HistoryBuffer:
    """Ring buffers of each user's last views; `n_seen` counts all views so far."""

    video_id: Int32[np.ndarray, "users h"]
    watch_s: Float32[np.ndarray, "users h"]
    events: UInt16[np.ndarray, "users h"]
    clock_h: Int32[np.ndarray, "users h"]
    n_seen: Int64[np.ndarray, " users"]

    @staticmethod
    def empty(n_users: int) -> "HistoryBuffer":
        """Make empty histories."""
        shape = (n_users, HISTORY)
        return HistoryBuffer(
            np.zeros(shape, np.int32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.uint16),
            np.zeros(shape, np.int32),
            np.zeros(n_users, np.int64),
        )

    def add(
        self,
        rows: Int64[np.ndarray, " rows"],
        slates: Int32[np.ndarray, "rows k"],
        response: Response,
        clock_h: Int32[np.ndarray, " rows"],
    ) -> None:
        """Write the views of one request per row into the histories."""
        remember(
            rows, slates, response.viewed, response.watch_s, response.events, clock_h,
            self.video_id, self.watch_s, self.events, self.clock_h, self.n_seen,
        )  # fmt: skip

    def read(self, rows: Int64[np.ndarray, " rows"], clock_h: Int32[np.ndarray, " rows"]) -> History:
        """Read the histories of users, oldest view first, right-aligned."""
        shape = (len(rows), HISTORY)
        history = History(
            np.zeros(shape, np.int32),
            np.zeros(shape, np.float32),
            np.zeros(shape, np.uint16),
            np.zeros(shape, np.int32),
            np.zeros(shape, bool),
        )
        recall(
            rows, clock_h, self.video_id, self.watch_s, self.events, self.clock_h, self.n_seen,
            history.video_id, history.watch_s, history.events, history.hours_ago, history.mask,
        )  # fmt: skip
        return history
