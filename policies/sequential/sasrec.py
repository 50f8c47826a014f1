"""SASRec: causal self-attention over the user's clicks; and SASRec_M, its kin of SAQRec's comparison.

Kang and McAuley, "Self-attentive sequential recommendation", ICDM 2018, https://arxiv.org/abs/1808.09781.
Normalisation comes after each residual here, and the feed-forward has GELU (ours; the paper: before, and ReLU).

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

from policies.torch_rankers.click_sequence import (
    ClickSequenceReader,
    Sequence,
    SequenceOptions,
    merged_kinds,
    sequence_options,
)
from policies.torch_rankers.feature_tables import FeatureTables, VideoEmbedding
from policies.torch_rankers.histories import Answers, RequestBatch
from policies.torch_rankers.layers import EncoderShape, SequenceEncoder, match
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Negatives, Sampling, ViewSample


@final
class SasRec(nn.Module):
    """Score = last state of causal self-attention over the sequence, times the candidate's embedding."""

    def __init__(
        self,
        catalogue: FeatureTables,
        generator: torch.Generator,
        *,
        d: int,
        dropout: float,
        layers: int,
        reading: SequenceOptions,
    ) -> None:
        """Begin with two heads, one where `d` is odd."""
        super().__init__()
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.reader = ClickSequenceReader(reading, d, generator)
        shape = EncoderShape(reading.h, d, heads=2 - d % 2, layers=layers)
        self.encoder = SequenceEncoder(shape, generator, dropout, causal=True)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores."""
        table = self.videos.table()
        read = self.reader(requests.views, table)
        return match(self.encoder.last(read.x, read.mask), functional.embedding(candidates, table))

    def states(self, read: Sequence) -> Float32[Tensor, "b h d"]:
        """Encode each view together with the earlier ones."""
        return self.encoder(read.x, read.mask)


def next_view_loss(model: SasRec, sample: ViewSample) -> Float32[Tensor, ""]:
    """Binary cross-entropy at every place, of the view after it and of one negative; after the last is the target."""
    table = model.videos.table()
    read = model.reader(sample.requests.views, table)
    states, h = model.states(read), read.mask.shape[1]
    after = torch.cat([read.video_id[:, 1:], sample.candidates[:, :1]], dim=1)
    pairs = torch.stack([after, sample.candidates[:, -h:]])
    scores = (functional.embedding(pairs, table) * states).sum(-1)
    return (functional.softplus(-scores[0]) + functional.softplus(scores[1]))[read.mask].sum() / read.mask.sum().clamp(
        min=1
    )


@final
@dataclass(eq=False)
class SasRecPolicy(TorchPolicy):
    """Rank by SASRec: self-attention over clicks.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        layers: Blocks of attention; at least 1.
        dropout: Share of numbers dropped in training.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most; at least 1.
        negatives: What a click is told apart from, see `policies.torch_rankers.view_samples.Negatives`.
        merged: Read clicked, satisfied and dissatisfied views as one sequence by time, instead of clicks.
        typed: Add a vector per kind of view to a merged sequence.
        answers: What tells satisfaction in a merged sequence, see `policies.torch_rankers.histories.Answers`.
        teaching: What it is taught by, see `policies.torch_rankers.ranker.Teaching`.
    """

    stored_kinds = merged_kinds("sasrec")

    size: int = 32
    history: int = 50
    layers: int = 2
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
        make = partial(SasRec, d=self.size, layers=self.layers, dropout=self.dropout, reading=reading)
        sampling = Sampling(
            history=self.history, max_targets=self.max_targets, n_negatives=self.history, negatives=self.negatives
        )
        spec = RankerSpec("sasrec_m" if self.merged else "sasrec", make, next_view_loss, sampling, self.epochs)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
