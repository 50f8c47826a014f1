"""Log rows as every formulation reads them: who met which video where and when, and how long they watched.

Axes: `rows` views; `basis` functions of the length; `context` numbers known before the view.
"""

from dataclasses import dataclass, fields
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from user_models.fit.rows.log_rows import N_SURFACES, LogRows

N_TABS: Final = N_SURFACES + 1
TWO_COLUMNS: Final = 1
"""Code of the page where videos are chosen from a grid."""
_NODES: Final = torch.tensor([5.0, 7, 9, 12, 18, 25, 35, 50, 75, 110, 160, 250, 450]).log()
"""Log-seconds at which the hat functions of the length peak."""
N_CONTEXT: Final = len(_NODES) + 3 * N_TABS


@final
@dataclass(frozen=True)
class Views:
    """Views of the standard log.

    Attributes:
        user: Row of the user table.
        video: Row of the video table.
        tab: Code of the page.
        hour: Hour of day.
        before: 0.5 if the view before in the session was clicked, -0.5 if not, 0 if there is none.
        duration_s: Length of the video.
        watch_s: Seconds watched.
    """

    user: Int[Tensor, " rows"]
    video: Int[Tensor, " rows"]
    tab: Int[Tensor, " rows"]
    hour: Int[Tensor, " rows"]
    before: Float[Tensor, " rows"]
    duration_s: Float[Tensor, " rows"]
    watch_s: Float[Tensor, " rows"]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, chosen: Int[Tensor, " chosen"]) -> "Views":
        """Some of the views."""
        return Views(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def context(self) -> Float[Tensor, "rows context"]:
        """Length as hat functions (a linear interpolation); page, page by length, page by the view before."""
        page = torch.nn.functional.one_hot(self.tab, N_TABS).to(self.before.dtype)
        length = (self.duration_s.log() - 4)[:, None]
        return torch.cat([_hats(self.duration_s.log()), page, page * length, page * self.before[:, None]], dim=1)


def as_views(rows: LogRows) -> Views:
    """Log rows as tensors."""
    duration_s: Float32[np.ndarray, " rows"] = np.exp(rows.log_duration)
    arrays = (rows.user, rows.video, rows.tab, rows.hour, rows.before, duration_s, rows.watch_s)
    return Views(*(torch.from_numpy(array.copy()) for array in arrays))


def _hats(log_s: Float[Tensor, " rows"]) -> Float[Tensor, "rows basis"]:
    """Weights of the two nodes around each length; they sum to 1."""
    nodes = _NODES.to(log_s.dtype)
    x = log_s.clamp(float(nodes[0]), float(nodes[-1]))
    right = torch.searchsorted(nodes, x).clamp(1, len(nodes) - 1)
    part = (x - nodes[right - 1]) / (nodes[right] - nodes[right - 1])
    hats = torch.zeros(len(x), len(nodes), dtype=log_s.dtype)
    return hats.scatter(1, torch.stack([right - 1, right], 1), torch.stack([1 - part, part], 1))
