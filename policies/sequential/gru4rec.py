"""GRU4Rec: the state of a recurrent net after the user's clicks; and GRU4Rec_M, its kin of SAQRec's comparison.

Hidasi, Karatzoglou, Baltrunas and Tikk, "Session-based recommendations with recurrent neural networks", ICLR 2016,
https://arxiv.org/abs/1511.06939.

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

from policies.torch_rankers.click_sequence import ClickSequenceReader, SequenceOptions, merged_kinds, sequence_options
from policies.torch_rankers.feature_tables import FeatureTables, VideoEmbedding
from policies.torch_rankers.histories import Answers, RequestBatch
from policies.torch_rankers.layers import Dropout, Gru, match
from policies.torch_rankers.losses import softmax_loss
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Negatives, Sampling


@final
class Gru4Rec(nn.Module):
    """Score = last state of the GRU over the sequence, times the candidate's embedding."""

    def __init__(
        self, catalogue: FeatureTables, generator: torch.Generator, *, d: int, dropout: float, reading: SequenceOptions
    ) -> None:
        """Begin with states as long as embeddings."""
        super().__init__()
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.reader = ClickSequenceReader(reading, d, generator)
        self.gru = Gru(d, d, generator)
        self.dropout = Dropout(dropout, generator)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores."""
        table = self.videos.table()
        read = self.reader(requests.views, table)
        states = self.gru(self.dropout(read.x), read.mask)
        return match(states[:, -1], functional.embedding(candidates, table))


@final
@dataclass(eq=False)
class Gru4RecPolicy(TorchPolicy):
    """Rank by GRU4Rec: a recurrent net over clicks.

    Learned by cross-entropy among sampled negatives, which the authors later preferred to their BPR and TOP1.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        dropout: Share of numbers dropped in training.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most; at least 1.
        negatives: What a click is told apart from, see `policies.torch_rankers.view_samples.Negatives`.
        merged: Read clicked, satisfied and dissatisfied views as one sequence by time, instead of clicks.
        typed: Add a vector per kind of view to a merged sequence.
        answers: What tells satisfaction in a merged sequence, see `policies.torch_rankers.histories.Answers`.
        teaching: What it is taught by, see `policies.torch_rankers.ranker.Teaching`.
    """

    stored_kinds = merged_kinds("gru4rec")

    size: int = 32
    history: int = 50
    dropout: float = 0.1
    epochs: int = 4
    max_targets: int = 200_000
    negatives: Negatives = "uniform"
    merged: bool = False
    typed: bool = True
    answers: Answers = "both"
    teaching: Teaching = "feed"

    @override
    def spec(self) -> RankerSpec:
        reading = sequence_options(self.history, merged=self.merged, typed=self.typed, answers=self.answers)
        make = partial(Gru4Rec, d=self.size, dropout=self.dropout, reading=reading)
        sampling = Sampling(history=self.history, max_targets=self.max_targets, negatives=self.negatives)
        spec = RankerSpec("gru4rec_m" if self.merged else "gru4rec", make, softmax_loss, sampling, self.epochs)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
