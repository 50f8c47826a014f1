"""Discretised watch time as a binary tree, in the manner of TPM.

The leaves are nothing watched and 31 quantile buckets of the positive watch times of videos of about the same length;
each inner node is a classifier of which half the view falls into, and a leaf's chance is the product on its path (Lin
et al., KDD 2023, https://arxiv.org/abs/2306.03392). One set of buckets per class of lengths is TPM's backdoor
adjustment for duration. Departure: trained by the leaves' likelihood alone, without TPM's terms on mean and variance.

Axes: `rows` views; `nodes` inner nodes in heap order, one output each; `leaves`; `groups` classes of lengths; `edges`
of the buckets; `points` at which a distribution is asked.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from steps import Steps
from torch import Tensor
from torch.nn.functional import logsigmoid

DEPTH: Final = 5
N_LEAVES: Final = 2**DEPTH


@final
@dataclass(frozen=True)
class TreeForm:
    """One chance per fork.

    Attributes:
        bounds_s: Lengths at which one class of lengths ends and the next begins.
        edges_s: Of the buckets of each class, from 0 to the longest view; the leaf before them is for nothing watched.
    """

    bounds_s: Float[Tensor, " bounds"]
    edges_s: Float[Tensor, "groups edges"]

    def start(self) -> Float[Tensor, " nodes"]:
        """Even forks."""
        return torch.zeros(N_LEAVES - 1)

    def loss(
        self, outputs: Float[Tensor, "rows nodes"], watch_s: Float[Tensor, " rows"], duration_s: Float[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """Minus the log-chance of the leaf."""
        edges_s = self.edges_s[self._group(duration_s)]
        leaf = torch.searchsorted(edges_s, watch_s[:, None]).clamp(max=N_LEAVES - 1)
        return -_leaf_log_chances(outputs).gather(1, leaf)[:, 0]

    def cdf(
        self,
        outputs: Float[Tensor, "rows nodes"],
        seconds: Float[Tensor, "rows points"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, "rows points"]:
        """See `WatchForm.cdf`."""
        return self.steps(outputs, duration_s).cdf(seconds)

    def draw(
        self, outputs: Float[Tensor, "rows nodes"], duration_s: Float[Tensor, " rows"], generator: torch.Generator
    ) -> Float[Tensor, " rows"]:
        """See `WatchForm.draw`."""
        return self.steps(outputs, duration_s).draw(generator)

    def steps(self, outputs: Float[Tensor, "rows nodes"], duration_s: Float[Tensor, " rows"]) -> Steps:
        """The distribution at the edges of the buckets."""
        edges_s = self.edges_s[self._group(duration_s)].to(outputs.dtype)
        reached = _leaf_log_chances(outputs).exp().cumsum(dim=1).clamp(max=1)
        return Steps(edges_s, torch.cat([reached[:, :-1], torch.ones_like(reached[:, :1])], dim=1))

    def _group(self, duration_s: Float[Tensor, " rows"]) -> Int[Tensor, " rows"]:
        """Class of lengths of each view."""
        return torch.searchsorted(self.bounds_s, duration_s.to(self.bounds_s.dtype))


def quantile_tree(
    watch_s: Float32[np.ndarray, " rows"], duration_s: Float32[np.ndarray, " rows"], n_groups: int
) -> TreeForm:
    """Classes of lengths of equal size, and buckets of equal size in each, from the rows learned from."""
    bounds_s = np.quantile(duration_s, np.arange(1, n_groups) / n_groups).astype(np.float32)
    group, share = np.searchsorted(bounds_s, duration_s), np.arange(1, N_LEAVES) / (N_LEAVES - 1)
    played = [watch_s[(group == at) & (watch_s > 0)] for at in range(n_groups)]
    edges_s = np.stack([np.quantile(inside, share) for inside in played]).astype(np.float32)
    return TreeForm(torch.from_numpy(bounds_s), torch.from_numpy(np.pad(edges_s, ((0, 0), (1, 0)))))


def _leaf_log_chances(outputs: Float[Tensor, "rows nodes"]) -> Float[Tensor, "rows leaves"]:
    """Log-chances of the leaves, left to right."""
    chances = torch.zeros_like(outputs[:, :1])
    for depth in range(DEPTH):
        fork = outputs[:, 2**depth - 1 : 2 ** (depth + 1) - 1]
        chances = torch.stack([chances + logsigmoid(-fork), chances + logsigmoid(fork)], dim=2).flatten(1)
    return chances
