"""FMLP-Rec: learnable filters over the user's clicks; and FMLP-Rec_M, its kin of SAQRec's comparison.

Zhou, Yu, Zhao and Wen, "Filter-enhanced MLP is all you need for sequential recommendation", WWW 2022,
https://arxiv.org/abs/2202.13556. Places without a view are set to zero after each block (ours).

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
from policies.torch_rankers.layers import Dropout, FilterBlock, Positions, match
from policies.torch_rankers.losses import pairwise_loss
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Negatives, Sampling


@final
class FmlpRec(nn.Module):
    """Score = last place after blocks of learnable filters over the sequence, times the candidate's embedding."""

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
        """Begin with small filters."""
        super().__init__()
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.reader = ClickSequenceReader(reading, d, generator)
        self.positions = Positions(reading.h, d, generator)
        self.norm, self.dropout = nn.LayerNorm(d), Dropout(dropout, generator)
        blocks = [FilterBlock(reading.h, d, self.dropout, generator) for _ in range(layers)]
        self.blocks = nn.ModuleList(blocks)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores."""
        table = self.videos.table()
        read = self.reader(requests.views, table, whole=True)
        is_view = read.mask[:, :, None]
        x = self.dropout(self.norm(self.positions(read.x, read.mask))) * is_view
        for block in self.blocks:
            x = block(x) * is_view
        return match(x[:, -1], functional.embedding(candidates, table))


@final
@dataclass(eq=False)
class FmlpRecPolicy(TorchPolicy):
    """Rank by FMLP-Rec: learnable filters over clicks.

    Learned by BPR with sampled negatives.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        layers: Blocks of filters; at least 1.
        dropout: Share of numbers dropped in training.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most; at least 1.
        negatives: What a click is told apart from, see `policies.torch_rankers.view_samples.Negatives`.
        merged: Read clicked, satisfied and dissatisfied views as one sequence by time, instead of clicks.
        typed: Add a vector per kind of view to a merged sequence.
        answers: What tells satisfaction in a merged sequence, see `policies.torch_rankers.histories.Answers`.
        teaching: What it is taught by, see `policies.torch_rankers.ranker.Teaching`.
    """

    stored_kinds = merged_kinds("fmlprec")

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
        make = partial(FmlpRec, d=self.size, layers=self.layers, dropout=self.dropout, reading=reading)
        sampling = Sampling(history=self.history, max_targets=self.max_targets, negatives=self.negatives)
        spec = RankerSpec("fmlprec_m" if self.merged else "fmlprec", make, pairwise_loss, sampling, self.epochs)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
