"""GRU4Rec: the state of a recurrent net after the user's clicks; and GRU4Rec_M, its kin of SAQRec's comparison.

Hidasi, Karatzoglou, Baltrunas and Tikk, "Session-based recommendations with recurrent neural networks", ICLR 2016,
https://arxiv.org/abs/1511.06939.

Axes: `b` requests, `n` candidates, `h` views of a sequence, `d` embedding size.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import final

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.torch_rankers import ranker
from policies.torch_rankers.click_sequence import ClickSequenceReader, Merged, SequenceOptions
from policies.torch_rankers.feature_tables import FeatureTables, VideoEmbedding
from policies.torch_rankers.histories import Answers, RequestBatch
from policies.torch_rankers.layers import Dropout, Gru, match
from policies.torch_rankers.losses import softmax_loss
from policies.torch_rankers.ranker import RankerSpec, TorchRanker
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
class Gru4RecPolicy:
    """Rank by GRU4Rec: a recurrent net over clicks.

    Learned by cross-entropy among sampled negatives, which the authors later preferred to their BPR and TOP1.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        dropout: Share of numbers dropped in training.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most; at least 1.
        negatives: What a click is told apart from, see `policies.torch_rankers.view_samples.Negatives`.
    """

    size: int = 32
    history: int = 50
    dropout: float = 0.1
    epochs: int = 4
    max_targets: int = 200_000
    negatives: Negatives = "uniform"
    core: TorchRanker = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ranker.check_options(self)
        make = partial(Gru4Rec, d=self.size, dropout=self.dropout, reading=SequenceOptions(self.history))
        sampling = Sampling(history=self.history, max_targets=self.max_targets, negatives=self.negatives)
        self.core = TorchRanker(RankerSpec("gru4rec", make, softmax_loss, sampling, self.epochs))

    rank = ranker.rank
    scores = ranker.scores
    fit = ranker.fit
    save = ranker.save
    load = classmethod(ranker.load)


@final
@dataclass(eq=False)
class Gru4RecMergedPolicy:
    """Rank by GRU4Rec_M: a recurrent net over clicked, satisfied and dissatisfied views by time.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        typed: Whether a vector tells satisfied, dissatisfied and other views apart.
        answers: What tells satisfaction, see `policies.torch_rankers.histories.Answers`.
        dropout: Share of numbers dropped in training.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most; at least 1.
        negatives: What a click is told apart from, see `policies.torch_rankers.view_samples.Negatives`.
    """

    size: int = 32
    history: int = 50
    typed: bool = True
    answers: Answers = "both"
    dropout: float = 0.1
    epochs: int = 4
    max_targets: int = 200_000
    negatives: Negatives = "uniform"
    core: TorchRanker = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ranker.check_options(self)
        make = partial(
            Gru4Rec,
            d=self.size,
            dropout=self.dropout,
            reading=SequenceOptions(self.history, Merged(self.typed, self.answers)),
        )
        sampling = Sampling(history=self.history, max_targets=self.max_targets, negatives=self.negatives)
        self.core = TorchRanker(RankerSpec("gru4rec_m", make, softmax_loss, sampling, self.epochs))

    rank = ranker.rank
    scores = ranker.scores
    fit = ranker.fit
    save = ranker.save
    load = classmethod(ranker.load)
