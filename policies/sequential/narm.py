"""NARM: a recurrent encoder of the general intent, and an attentive one of the main purpose.

Li, Ren, Chen, Ren, Lian and Ma, "Neural attentive session-based recommendation", CIKM 2017,
https://arxiv.org/abs/1711.04725.

Axes: `b` requests, `n` candidates, `h` views of a sequence, `d` embedding size.
"""

from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.torch_rankers.click_sequence import ClickSequenceReader, SequenceOptions
from policies.torch_rankers.feature_tables import FeatureTables, VideoEmbedding
from policies.torch_rankers.histories import RequestBatch
from policies.torch_rankers.initialisers import linear, normal_table
from policies.torch_rankers.layers import Dropout, Gru, match
from policies.torch_rankers.losses import softmax_loss
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Negatives, Sampling


@final
class Narm(nn.Module):
    """NARM: a GRU's last state as the general intent, attention over its states as the main purpose.

    With states h_j and last state h_t: local = sum_j (v . sigmoid(A1 h_t + A2 h_j)) h_j, c = [h_t, local], score of y =
    y . B c. Dropout is on embeddings and, twice as strong, on c, as in the paper (.25 and .5).
    """

    def __init__(self, catalogue: FeatureTables, generator: torch.Generator, *, d: int, h: int, dropout: float) -> None:
        """Begin with states as long as embeddings."""
        super().__init__()
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.reader = ClickSequenceReader(SequenceOptions(h), d, generator)
        self.gru = Gru(d, d, generator)
        self.of_last, self.of_state = linear(d, d, generator), linear(d, d, generator)
        self.weight = normal_table(d, 1, d**-0.5, generator)
        self.decoder = linear(2 * d, d, generator)
        self.inner, self.outer = Dropout(dropout, generator), Dropout(min(2 * dropout, 0.9), generator)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores."""
        table = self.videos.table()
        clicks = self.reader(requests.views, table)
        states = self.gru(self.inner(clicks.x), clicks.mask)
        return match(self.decoder(self.outer(self.purpose(states))), functional.embedding(candidates, table))

    def purpose(self, states: Float32[Tensor, "b h d"]) -> Float32[Tensor, "b c"]:
        """Last state, and the states by their likeness to it; states of padding are zeros and add nothing."""
        last = states[:, -1]
        share = torch.sigmoid(self.of_last(last)[:, None] + self.of_state(states)) @ self.weight
        return torch.cat([last, (share * states).sum(1)], dim=1)


@final
@dataclass(eq=False)
class NarmPolicy(TorchPolicy):
    """Rank by NARM: a recurrent net over clicks with attention to its states.

    Learned by cross-entropy among sampled negatives; the paper's is over all videos.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        dropout: Share of numbers dropped in training.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most; at least 1.
        negatives: What a click is told apart from, see `policies.torch_rankers.view_samples.Negatives`.
        teaching: What it is taught by, see `policies.torch_rankers.ranker.Teaching`.
    """

    size: int = 32
    history: int = 50
    dropout: float = 0.1
    epochs: int = 4
    max_targets: int = 200_000
    negatives: Negatives = "uniform"
    teaching: Teaching = "feed"

    @override
    def spec(self) -> RankerSpec:
        make = partial(Narm, d=self.size, dropout=self.dropout, h=self.history)
        sampling = Sampling(history=self.history, max_targets=self.max_targets, negatives=self.negatives)
        spec = RankerSpec("narm", make, softmax_loss, sampling, self.epochs)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
