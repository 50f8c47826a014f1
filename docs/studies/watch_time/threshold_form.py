"""Discretised thresholds in the manner of CREAD: one classifier per threshold in seconds.

P(watch > t_m) = sigma(o_m) for thresholds common to all videos (Sun et al., CREAD, AAAI 2024,
https://arxiv.org/abs/2401.07521). The loss is the sum of the cross-entropies and of CREAD's ordinal penalty
relu(P(watch > t_{m+1}) - P(watch > t_m)). Thresholds are error-adaptive: t_m = Q(gamma(m / M)) with Q the quantiles of
the positive watch times and gamma(z) = (1 - e^{-alpha z}) / (1 - e^{-alpha}), between equal frequency (alpha to 0) and
equal width. Departures: gamma's form and alpha are a reconstruction; the restoration loss, which is about the mean
alone, is left out; what still rises from one threshold to the next is flattened by a running minimum, since a
distribution is asked here and CREAD gives a mean; a threshold at 0 s stands for nothing watched.

Axes: `rows` views; `thresholds` in seconds, one output each; `points` at which a distribution is asked.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Float32
from steps import Steps
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

_ALPHA: Final = 1.5
_ORDINAL: Final = 1.0
_ONCE: Final = 0.2
"""Weight of the loss: 32 nested labels of one view say about as much as five independent ones of its likelihood.

The encoder's prior is the same for all formulations, so a loss that counts each view several times would escape it.
"""


@final
@dataclass(frozen=True)
class ThresholdForm:
    """One chance to exceed each threshold.

    Attributes:
        thresholds_s: The first is 0; increasing.
        top_s: No view lasts longer.
    """

    thresholds_s: Float[Tensor, " thresholds"]
    top_s: float

    def start(self) -> Float[Tensor, " thresholds"]:
        """Falling from nearly all to few."""
        return torch.linspace(2.0, -2.0, len(self.thresholds_s))

    def loss(
        self,
        outputs: Float[Tensor, "rows thresholds"],
        watch_s: Float[Tensor, " rows"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, " rows"]:
        """Cross-entropies and the ordinal penalty; the length plays no part but through the outputs."""
        del duration_s
        over = (watch_s[:, None] > self.thresholds_s).to(outputs.dtype)
        entropy = binary_cross_entropy_with_logits(outputs, over, reduction="none").sum(dim=1)
        return _ONCE * (entropy + _ORDINAL * torch.sigmoid(outputs).diff(dim=1).relu().sum(dim=1))

    def cdf(
        self,
        outputs: Float[Tensor, "rows thresholds"],
        seconds: Float[Tensor, "rows points"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, "rows points"]:
        """See `WatchForm.cdf`."""
        del duration_s
        return self.steps(outputs).cdf(seconds)

    def draw(
        self, outputs: Float[Tensor, "rows thresholds"], duration_s: Float[Tensor, " rows"], generator: torch.Generator
    ) -> Float[Tensor, " rows"]:
        """See `WatchForm.draw`."""
        del duration_s
        return self.steps(outputs).draw(generator)

    def steps(self, outputs: Float[Tensor, "rows thresholds"]) -> Steps:
        """The distribution at the thresholds and at the top."""
        reached = 1 - torch.sigmoid(outputs).cummin(dim=1).values
        edges_s = torch.cat([self.thresholds_s, torch.tensor([self.top_s])]).to(outputs.dtype)
        ones = torch.ones_like(reached[:, :1])
        return Steps(edges_s.expand(len(outputs), -1), torch.cat([reached, ones], dim=1))


def adaptive_thresholds(watch_s: Float32[np.ndarray, " rows"], n: int) -> ThresholdForm:
    """Error-adaptive thresholds from the watch times of the rows learned from."""
    played = watch_s[watch_s > 0]
    share = (1 - np.exp(-_ALPHA * np.arange(1, n) / n)) / (1 - np.exp(-_ALPHA))
    thresholds_s = np.concatenate([[0.0], np.quantile(played, share)]).astype(np.float32)
    return ThresholdForm(torch.from_numpy(thresholds_s), float(played.max()))
