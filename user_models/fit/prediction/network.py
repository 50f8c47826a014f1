"""Networks of the predictor: from inputs to log-odds through two hidden layers and a linear skip.

Axes: `rows` views; `items` users or videos; `numbers` inputs; `outputs` log-odds.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from user_models.fit.rows.batches import Batch
from user_models.fit.rows.features import Features

_BAG: Final = 12
_WIDE: Final = 128
_NARROW: Final = 64


@final
@dataclass(frozen=True)
class Public:
    """Public features of the users and videos that views point to."""

    users: Features
    videos: Features


@final
@dataclass(frozen=True)
class ViewInputs:
    """Views with their inputs.

    Attributes:
        batch: The views.
        numbers: Inputs, not standardised.
        public: Tables that the views point into.
    """

    batch: Batch
    numbers: Float[Tensor, "rows numbers"]
    public: Public

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, chosen: Tensor) -> "ViewInputs":
        """Some of the views."""
        return ViewInputs(self.batch.take(chosen), self.numbers[chosen], self.public)


@final
@dataclass(frozen=True)
class Shape:
    """Sizes of a network."""

    user_codes: int
    video_codes: int
    user_numbers: int
    video_numbers: int
    numbers: int
    outputs: int


@final
class Network(nn.Module):
    """Log-odds of the outputs; public categories come in as sums of short vectors, and as their products.

    Args:
        shape: Sizes.
        mean: Of each number; it is taken off.
        spread: Of each number; it is divided by.
        dropout: Share of the hidden units left out while learning.
        generator: Draws the first weights.
    """

    def __init__(
        self,
        shape: Shape,
        mean: Float32[np.ndarray, " numbers"],
        spread: Float32[np.ndarray, " numbers"],
        dropout: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", torch.from_numpy(mean.copy()))
        self.register_buffer("spread", torch.from_numpy(spread.copy()))
        self.dropout = dropout
        n = shape.numbers + shape.user_numbers + shape.video_numbers
        self.user_bag = _normal(generator, 0.03, shape.user_codes, _BAG)
        self.video_bag = _normal(generator, 0.03, shape.video_codes, _BAG)
        self.wide = _normal(generator, (n + 3 * _BAG) ** -0.5, n + 3 * _BAG, _WIDE)
        self.wide_bias = nn.Parameter(torch.zeros(_WIDE))
        self.narrow = _normal(generator, _WIDE**-0.5, _WIDE, _NARROW)
        self.narrow_bias = nn.Parameter(torch.zeros(_NARROW))
        self.out = _normal(generator, 0.3 * _NARROW**-0.5, _NARROW, shape.outputs)
        self.direct = nn.Parameter(torch.zeros(n, shape.outputs))
        self.level = nn.Parameter(torch.zeros(shape.outputs))

    def forward(self, known: ViewInputs, generator: torch.Generator | None = None) -> Float[Tensor, "rows outputs"]:
        """Log-odds; with a generator, hidden units are left out at random."""
        user, video = known.batch.user, known.batch.video
        standard = ((known.numbers - self.mean) / self.spread).clamp(-5, 5)
        public = (_numbers(known.public.users)[user], _numbers(known.public.videos)[video])
        plain = torch.cat([standard, *public], dim=1)
        one = _bag(known.public.users, user, self.user_bag)
        other = _bag(known.public.videos, video, self.video_bag)
        inputs = torch.cat([plain, one, other, one * other], dim=1)
        hidden = nn.functional.silu(self._thinned(inputs, generator) @ self.wide + self.wide_bias)
        hidden = nn.functional.silu(self._thinned(hidden, generator) @ self.narrow + self.narrow_bias)
        return self.level + plain @ self.direct + self._thinned(hidden, generator) @ self.out

    def _thinned(self, x: Float[Tensor, "rows n"], generator: torch.Generator | None) -> Float[Tensor, "rows n"]:
        """Without some of its numbers, the others larger (Srivastava et al., JMLR 2014)."""
        if generator is None:
            return x
        mask = torch.rand(x.shape, generator=generator) >= self.dropout
        return x * mask / (1 - self.dropout)


def _numbers(features: Features) -> Float[Tensor, "items numbers"]:
    return torch.from_numpy(features.numbers)


def _bag(features: Features, items: Tensor, vectors: Tensor) -> Float[Tensor, "rows bag"]:
    """Sum of the vectors of each item's categories."""
    return nn.functional.embedding_bag(torch.from_numpy(features.codes)[items], vectors, mode="sum")


def _normal(generator: torch.Generator, spread: float, *shape: int) -> nn.Parameter:
    return nn.Parameter(spread * torch.randn(*shape, generator=generator))
