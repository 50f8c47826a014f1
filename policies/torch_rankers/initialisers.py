"""Layers whose first weights come from a generator that is handed in, never from torch's global one."""

import torch
from jaxtyping import Float32
from torch import Tensor, nn


def normal_table(n: int, d: int, scale: float, generator: torch.Generator) -> nn.Parameter:
    """One vector for each of `n` ids, normal with standard deviation `scale`."""
    return nn.Parameter(torch.randn(n, d, generator=generator) * scale)


def linear(n_in: int, n_out: int, generator: torch.Generator) -> nn.Linear:
    """A linear layer with Glorot weights (Glorot and Bengio, AISTATS 2010) and no bias at first."""
    layer = nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def standardise(x: Float32[Tensor, "rows f"]) -> tuple[Float32[Tensor, " f"], Float32[Tensor, " f"]]:
    """Mean and spread of each column; columns that do not vary get spread 1."""
    spread = x.std(dim=0, correction=0)
    return x.mean(dim=0), torch.where(spread > 1e-6, spread, torch.ones_like(spread))
