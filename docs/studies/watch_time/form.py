"""What a formulation of watch time has to offer, and what all of them share.

Axes: `rows` views; `outputs` of the network; `points` in seconds at which a distribution is asked.
"""

from typing import Final, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

END_BAND: Final = 1.02
"""A view of `d` seconds that ends between `d` and this many `d` is a plain completion.

KuaiRand logs next to no view that stops at the exact millisecond of the end: players overrun, so the completion spike
is a narrow band. Formulations with a point mass at the end spread it evenly over the band, or they would have no
density where the completions are.
"""


@runtime_checkable
class WatchForm(Protocol):
    """A family of distributions of watch seconds, indexed by a vector of outputs per view."""

    def start(self) -> Float[Tensor, " outputs"]:
        """Outputs to begin with; their number is the number that the form needs."""
        ...

    def loss(
        self,
        outputs: Float[Tensor, "rows outputs"],
        watch_s: Float[Tensor, " rows"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, " rows"]:
        """What the form minimises in training, per view."""
        ...

    def cdf(
        self,
        outputs: Float[Tensor, "rows outputs"],
        seconds: Float[Tensor, "rows points"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, "rows points"]:
        """P(watch <= seconds), for seconds of 0 or more; at 0 it is the chance that nothing is watched."""
        ...

    def draw(
        self, outputs: Float[Tensor, "rows outputs"], duration_s: Float[Tensor, " rows"], generator: torch.Generator
    ) -> Float[Tensor, " rows"]:
        """One watch time per view, in seconds."""
        ...


def uniforms(like: Float[Tensor, " rows"], generator: torch.Generator) -> Float[Tensor, " rows"]:
    """One even draw in [0, 1) per view, of the same precision."""
    return torch.rand(like.shape, generator=generator, dtype=like.dtype)


def completed(
    seconds: Float[Tensor, "rows points"], duration_s: Float[Tensor, " rows"]
) -> Float[Tensor, "rows points"]:
    """Share of the completion band that lies at or below `seconds`."""
    return ((seconds / duration_s[:, None] - 1) / (END_BAND - 1)).clamp(0, 1)


def completion_log_density(
    watch_s: Float[Tensor, " rows"], duration_s: Float[Tensor, " rows"]
) -> Float[Tensor, " rows"]:
    """Log-density per second of the completion band; minus infinity outside of it."""
    inside = (watch_s >= duration_s) & (watch_s < END_BAND * duration_s)
    return torch.where(inside, -((END_BAND - 1) * duration_s).log(), -torch.inf)
