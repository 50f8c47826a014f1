"""STAMP: short-term attention and memory priority.

Liu, Zeng, Mokhosi and Zhang, "STAMP: short-term attention/memory priority model for session-based recommendation",
KDD 2018, https://doi.org/10.1145/3219819.3219950.

Axes: `b` requests, `n` candidates, `h` views of a sequence, `d` embedding size.
"""

from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.torch_rankers.click_sequence import ClickSequenceReader, SequenceOptions
from policies.torch_rankers.feature_tables import FeatureTables, VideoEmbedding
from policies.torch_rankers.histories import RequestBatch
from policies.torch_rankers.initialisers import linear, normal_table
from policies.torch_rankers.layers import match, mean
from policies.torch_rankers.losses import softmax_loss
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Negatives, Sampling


@final
class Stamp(nn.Module):
    """STAMP: attention over clicks as general memory, the last click apart, and a trilinear score.

    With clicks x_i, last click t and mean s: a_i = w . sigmoid(W1 x_i + W2 t + W3 s + b), m = sum_i a_i x_i,
    score of y = (tanh(A m) * tanh(B t)) . y. The paper takes a sigmoid of that before its softmax; it changes no order
    and is left out, so that the loss can tell a sure case from an unsure one.
    """

    def __init__(self, catalogue: FeatureTables, generator: torch.Generator, *, d: int, h: int) -> None:
        """Begin with Glorot weights."""
        super().__init__()
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.reader = ClickSequenceReader(SequenceOptions(h), d, generator)
        self.of_click, self.of_last, self.of_mean = (linear(d, d, generator) for _ in range(3))
        self.weight = normal_table(d, 1, d**-0.5, generator)
        self.general, self.current = linear(d, d, generator), linear(d, d, generator)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores."""
        table = self.videos.table()
        clicks = self.reader(requests.views, table)
        return match(self.query(clicks.x, clicks.mask), functional.embedding(candidates, table))

    def query(self, x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]) -> Float32[Tensor, "b d"]:
        """Compute the user vector that is multiplied with each candidate's."""
        last, usual = x[:, -1], mean(x, mask)
        hidden = self.of_click(x) + (self.of_last(last) + self.of_mean(usual))[:, None]
        share = (torch.sigmoid(hidden) @ self.weight)[..., 0] * mask
        memory = (share[:, None] @ x)[:, 0]
        return torch.tanh(self.general(memory)) * torch.tanh(self.current(last))


@final
@dataclass(eq=False)
class StampPolicy(TorchPolicy):
    """Rank by STAMP: attention over clicks, with the last click kept apart.

    Learned by cross-entropy among sampled negatives; the paper's is over all videos.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most; at least 1.
        negatives: What a click is told apart from, see `policies.torch_rankers.view_samples.Negatives`.
        teaching: What it is taught by, see `policies.torch_rankers.ranker.Teaching`.
    """

    size: int = 32
    history: int = 50
    epochs: int = 4
    max_targets: int = 200_000
    negatives: Negatives = "uniform"
    teaching: Teaching = "feed"

    @override
    def spec(self) -> RankerSpec:
        make = partial(Stamp, d=self.size, h=self.history)
        sampling = Sampling(history=self.history, max_targets=self.max_targets, negatives=self.negatives)
        spec = RankerSpec("stamp", make, softmax_loss, sampling, self.epochs)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
