"""DIPN: one recurrent net per behaviour, attention within behaviours and then between them.

Guo, Hua, Jia, Fang, Zhao and Cui, "Buying or browsing? Predicting real-time purchasing intent using attention-based
deep network with multiple behavior", KDD 2019, https://doi.org/10.1145/3292500.3330670. The paper predicts whether a
user buys; that its user vector is multiplied with candidates, and which behaviours stand in for theirs, is our guess.

Axes: `b` requests, `n` candidates, `k` behaviours, `h` views of a sequence, `d` embedding size.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final, final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.base import Event
from policies.torch_rankers.feature_tables import FeatureTables, UserEmbedding, VideoEmbedding
from policies.torch_rankers.histories import Answers, Behaviour, RequestBatch, ViewSequence, subsequence, trimmed
from policies.torch_rankers.initialisers import linear, normal_table
from policies.torch_rankers.layers import AttentivePool, Dropout, Gru, Mlp, match
from policies.torch_rankers.losses import cross_entropy
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Negatives, Sampling, ViewSample

_BEHAVIOURS: Final = {
    Behaviour.CLICKED: 50,
    Behaviour.SKIPPED: 20,
    Behaviour.SATISFIED: 20,
    Behaviour.DISSATISFIED: 10,
}
"""What is read, and how many views of it at most."""


@final
class Intent(nn.Module):
    """One behaviour: a bidirectional GRU, and attention over its states."""

    def __init__(self, d: int, generator: torch.Generator) -> None:
        """Begin with states of `d` numbers each way."""
        super().__init__()
        self.onwards = Gru(d, d, generator)
        self.backwards = Gru(d, d, generator, backwards=True)
        self.joined = linear(2 * d, d, generator)
        self.pool = AttentivePool(d, generator)

    @override
    def forward(self, x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]) -> Float32[Tensor, "b d"]:
        """Encode a behaviour sequence; zeros if it is empty."""
        states = torch.cat([self.onwards(x, mask), self.backwards(x, mask)], dim=2)
        return self.pool(self.joined(states), mask)


@final
class Dipn(nn.Module):
    """DIPN: attention over summaries of behaviours, with the user's features; one user vector per task."""

    def __init__(
        self, catalogue: FeatureTables, generator: torch.Generator, *, d: int, dropout: float, answers: Answers
    ) -> None:
        """Begin with Glorot weights."""
        super().__init__()
        self._answers: Answers = answers
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.users = UserEmbedding(catalogue, d, generator)
        self.within = nn.ModuleList([Intent(d, generator) for _ in _BEHAVIOURS])
        self.kinds = normal_table(len(_BEHAVIOURS), d, 0.1, generator)
        self.between = AttentivePool(d, generator)
        self.head = Mlp((2 * d, 2 * d, 2 * d), generator)
        self.dropout = Dropout(dropout, generator)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores: the task of clicking."""
        return self.tasks(requests, candidates)[0]

    def tasks(
        self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]
    ) -> tuple[Float32[Tensor, "b n"], Float32[Tensor, "b n"]]:
        """Logits of a click and of a long view."""
        table = self.videos.table()
        both = torch.cat([self.intent(requests.views, table), self.users(requests)], dim=1)
        click, long = self.head(self.dropout(both)).chunk(2, dim=1)
        items = functional.embedding(candidates, table)
        return match(click, items), match(long, items)

    def intent(self, views: ViewSequence, table: Float32[Tensor, "videos d"]) -> Float32[Tensor, "b d"]:
        """Attention between the summaries of behaviours; those without views are left out."""
        read = [trimmed(subsequence(views, kind, m, self._answers)) for kind, m in _BEHAVIOURS.items()]
        summaries = [
            net(functional.embedding(part.video_id, table), part.mask)
            for net, part in zip(self.within, read, strict=True)
        ]
        there = torch.stack([part.mask.any(1) for part in read], dim=1)
        return self.between(torch.stack(summaries, dim=1) + self.kinds, there)


def click_and_long_view_loss(model: Dipn, sample: ViewSample) -> Float32[Tensor, ""]:
    """Cross-entropy of the click among sampled negatives, plus binary cross-entropy of its being a long view."""
    click, long = model.tasks(sample.requests, sample.candidates)
    aside = functional.binary_cross_entropy_with_logits(long[:, 0], sample.has(Event.LONG_VIEW))
    return cross_entropy(click) + aside


@final
@dataclass(eq=False)
class DipnPolicy(TorchPolicy):
    """Rank by DIPN: a recurrent net per behaviour, with attention between behaviours.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        answers: What tells satisfaction, see `policies.torch_rankers.histories.Answers`.
        dropout: Share of numbers dropped in training.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most; at least 1.
        negatives: What a click is told apart from, see `policies.torch_rankers.view_samples.Negatives`.
        teaching: What it is taught by, see `policies.torch_rankers.ranker.Teaching`.
    """

    size: int = 32
    history: int = 50
    answers: Answers = "both"
    dropout: float = 0.1
    epochs: int = 4
    max_targets: int = 200_000
    negatives: Negatives = "uniform"
    teaching: Teaching = "feed"

    @override
    def spec(self) -> RankerSpec:
        make = partial(Dipn, d=self.size, dropout=self.dropout, answers=self.answers)
        sampling = Sampling(history=self.history, max_targets=self.max_targets, negatives=self.negatives)
        spec = RankerSpec("dipn", make, click_and_long_view_loss, sampling, self.epochs)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
