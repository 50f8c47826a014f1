"""Rows and features as torch tensors, and the rows' place on the duration axis.

Axes: `rows` of a batch; `thresholds` of watch time; `actions`.
"""

from dataclasses import dataclass, fields
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from user_models.fit.rows.log_rows import LogRows

NODES_S: Final = np.array([5, 6, 7, 8.5, 10, 13, 18, 25, 35, 50, 70, 100, 150, 220, 350, 600])
"""Lengths at which the pass logits are tabulated, in seconds; the first and last stand for what is beyond."""
_MIDDLE: Final = 4.0
"""A typical log-duration."""


def log_nodes() -> Float32[np.ndarray, " nodes"]:
    """The nodes in log-seconds."""
    return np.log(NODES_S).astype(np.float32)


@final
@dataclass(frozen=True)
class Batch:
    """Views as the model reads them.

    Attributes:
        user: Row of the user table.
        video: Row of the video table.
        tab: Code of the page, 0 the main feed.
        hour: Hour of day.
        before: Centred click of the view before, 0 without one.
        length: Log-duration less a typical one.
        right: Duration node on the right.
        part: How near to that node, 0 to 1.
        passed: Thresholds passed.
        exists: True where a threshold has a length.
        acted: 1 where the action was taken.
        chosen: 1 where a ranker chose the video and random rows are at hand to tell what that changes, else 0.
        activity: Log of the user's views against the typical one's.
    """

    user: Int[Tensor, " rows"]
    video: Int[Tensor, " rows"]
    tab: Int[Tensor, " rows"]
    hour: Int[Tensor, " rows"]
    before: Float[Tensor, " rows"]
    length: Float[Tensor, " rows"]
    right: Int[Tensor, " rows"]
    part: Float[Tensor, " rows"]
    passed: Int[Tensor, " rows"]
    exists: Bool[Tensor, "rows thresholds"]
    acted: Float[Tensor, "rows actions"]
    chosen: Float[Tensor, " rows"]
    activity: Float[Tensor, " rows"]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, chosen: Int[Tensor, " chosen"]) -> "Batch":
        """Some of the views."""
        return Batch(*(getattr(self, field.name)[chosen] for field in fields(self)))


def as_batch(rows: LogRows) -> Batch:
    """All rows at once."""
    right, part = place(rows.log_duration)
    own = (rows.user, rows.video, rows.tab, rows.hour, rows.before)
    rest = (rows.passed, rows.exists, rows.acted, _chosen(rows), _activity(rows))
    duration = (rows.log_duration - np.float32(_MIDDLE), right, part)
    return Batch(*(torch.from_numpy(array.copy()) for array in (*own, *duration, *rest)))


def _chosen(rows: LogRows) -> Float32[np.ndarray, " rows"]:
    """Return 1 for rows with the ranker's selection terms, else 0."""
    return (~rows.random & rows.random.any()).astype(np.float32)


def _activity(rows: LogRows) -> Float32[np.ndarray, " rows"]:
    """Log of each user's number of views, its mean over the views taken off."""
    if not len(rows):
        return np.zeros(0, np.float32)
    log_views = np.log(np.bincount(rows.user)[rows.user])
    return (log_views - log_views.mean()).astype(np.float32)


def place(
    log_duration: Float32[np.ndarray, " rows"],
) -> tuple[Int[np.ndarray, " rows"], Float32[np.ndarray, " rows"]]:
    """The node on the right of each duration, and how near it is: 0 at the left node, 1 at the right one."""
    nodes = log_nodes()
    x = np.clip(log_duration, nodes[0], nodes[-1])
    right = np.clip(np.searchsorted(nodes, x), 1, len(nodes) - 1)
    part = (x - nodes[right - 1]) / (nodes[right] - nodes[right - 1])
    return right.astype(np.int64), part.astype(np.float32)
