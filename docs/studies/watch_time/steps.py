"""Distributions known at edges only: what lies between two edges is spread evenly, on a log scale past 7 s.

Axes: `rows` views; `edges` in seconds; `points` at which a distribution is asked.
"""

from dataclasses import dataclass
from typing import Final, final

import torch
from form import uniforms
from jaxtyping import Float
from torch import Tensor

LOG_FROM_S: Final = 7.0
"""Cells that begin here or later are even in log-seconds, as in the world's own draw; earlier ones in seconds."""


@final
@dataclass(frozen=True)
class Steps:
    """The distribution at its edges.

    Attributes:
        edges_s: From 0, never decreasing along a row.
        reached: P(watch <= edge), never decreasing along a row; 1 at the last edge.
    """

    edges_s: Float[Tensor, "rows edges"]
    reached: Float[Tensor, "rows edges"]

    def cdf(self, seconds: Float[Tensor, "rows points"]) -> Float[Tensor, "rows points"]:
        """P(watch <= seconds)."""
        right = torch.searchsorted(self.edges_s.contiguous(), seconds.contiguous(), right=True)
        right = right.clamp(1, self.edges_s.shape[1] - 1)
        low, high = self.edges_s.gather(1, right - 1), self.edges_s.gather(1, right)
        below, above = self.reached.gather(1, right - 1), self.reached.gather(1, right)
        even = (seconds - low) / (high - low).clamp(min=1e-9)
        floor = low.clamp(min=LOG_FROM_S)
        log = (seconds.clamp(min=LOG_FROM_S) / floor).log() / (high.clamp(min=LOG_FROM_S) / floor).log().clamp(min=1e-9)
        return below + torch.where(low < LOG_FROM_S, even, log).clamp(0, 1) * (above - below)

    def draw(self, generator: torch.Generator) -> Float[Tensor, " rows"]:
        """One watch time per row, by inversion of one uniform."""
        u = uniforms(self.reached[:, 0], generator)[:, None]
        right = torch.searchsorted(self.reached.contiguous(), u).clamp(1, self.reached.shape[1] - 1)
        low, high = self.edges_s.gather(1, right - 1), self.edges_s.gather(1, right)
        below, above = self.reached.gather(1, right - 1), self.reached.gather(1, right)
        part = (u - below) / (above - below).clamp(min=1e-12)
        placed = torch.where(low < LOG_FROM_S, low + part * (high - low), low * (high / low.clamp(min=1)) ** part)
        return torch.where(u <= self.reached[:, :1], 0.0, placed)[:, 0]
