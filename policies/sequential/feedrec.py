"""FeedRec: one transformer over all feedback, one per kind of it, explicit feedback as the query of implicit feedback.

Wu, Wu, Qi, Liu, Tian, Li, He, Huang and Xie, "FeedRec: news feed recommendation with various user feedbacks", WWW 2022,
https://arxiv.org/abs/2102.04903. The kinds stand in for news feedback (satisfied for shares, skips for quick closes),
and the vectors of a side are averaged rather than gated (ours).

Axes: `b` requests, `n` candidates, `h` views of a sequence, `d` embedding size.
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
from policies.kernel import N_GRADES
from policies.torch_rankers.feature_tables import FeatureTables, UserEmbedding, VideoEmbedding
from policies.torch_rankers.histories import (
    N_WATCHES,
    Answers,
    Behaviour,
    RequestBatch,
    ViewSequence,
    chosen,
    packing,
    trimmed,
)
from policies.torch_rankers.initialisers import linear, normal_table
from policies.torch_rankers.layers import Attention, AttentivePool, EncoderShape, SequenceEncoder, match
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.slate_samples import PER_STEP, SlateSample, SlateSource
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Sampling, Unshown, with_unshown

_BEHAVIOURS: Final = {
    Behaviour.CLICKED: 50,
    Behaviour.SKIPPED: 30,
    Behaviour.SATISFIED: 20,
    Behaviour.DISSATISFIED: 10,
}
"""What is read, and how many views of it at most: two weak kinds, then the strong kind of each side."""
_APART: Final = 0.1
"""Weight of the loss that keeps the sides apart."""
_LEARNING_RATE: Final = 0.003
"""Below the shared one, at which its encoders stop telling histories apart and only popularity is learned."""


@final
class BehaviourEncoder(nn.Module):
    """One kind of feedback: a transformer of its own over rows of the shared one."""

    def __init__(self, shape: EncoderShape, dropout: float, generator: torch.Generator) -> None:
        """Begin with one block."""
        super().__init__()
        self._m = shape.h
        self.encoder = SequenceEncoder(shape, generator, dropout)

    @override
    def forward(
        self, x: Float32[Tensor, "b h d"], kept: Bool[Tensor, "b h"]
    ) -> tuple[Float32[Tensor, "b m d"], Bool[Tensor, "b m"]]:
        """The kind's views in its own context, and where there are any."""
        place, mask = packing(kept, self._m)
        filled = max(1, int(mask.sum(1).max()))
        place, mask = place[:, -filled:], mask[:, -filled:]
        rows = x.gather(1, place[:, :, None].expand(-1, -1, x.shape[2]))
        return self.encoder(rows, mask), mask


@final
class FeedRec(nn.Module):
    """A positive and a negative user vector, and a task vector each for click, finish and watch time."""

    def __init__(
        self,
        catalogue: FeatureTables,
        generator: torch.Generator,
        *,
        shape: EncoderShape,
        dropout: float,
        answers: Answers,
    ) -> None:
        """Begin with Glorot weights."""
        super().__init__()
        d = shape.d
        self._answers: Answers = answers
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.users = UserEmbedding(catalogue, d, generator)
        self.by_grade = normal_table(N_GRADES, d, 0.1, generator)
        self.by_watch = normal_table(N_WATCHES, d, 0.1, generator)
        self.mixed = SequenceEncoder(shape, generator, dropout)
        shapes = [EncoderShape(m, d, shape.heads) for m in _BEHAVIOURS.values()]
        self.kinds = nn.ModuleList([BehaviourEncoder(part, dropout, generator) for part in shapes])
        self.pools = nn.ModuleList([AttentivePool(d, generator) for _ in shapes])
        self.strong_to_weak = nn.ModuleList([Attention(d, shape.heads, generator) for _ in range(2)])
        self.heads = linear(3 * d, 3 * d, generator)
        self.bias = VideoEmbedding(catalogue, 3, generator)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores: the task of clicking."""
        table = self.videos.table()
        return self.tasks(requests, self.sides(requests.views, table), candidates, table)[0]

    def sides(
        self, views: ViewSequence, table: Float32[Tensor, "videos d"]
    ) -> tuple[Float32[Tensor, "b d"], Float32[Tensor, "b d"]]:
        """Encode the user's likes and dislikes, in that order."""
        read = trimmed(views)
        x = functional.embedding(read.video_id, table) + self.by_grade[read.grade] + self.by_watch[read.watch]
        x = self.mixed(x, read.mask)
        by_behaviour = [
            net(x, chosen(read, kind, self._answers)) for net, kind in zip(self.kinds, _BEHAVIOURS, strict=True)
        ]
        pooled = [pool(*part) for pool, part in zip(self.pools, by_behaviour, strict=True)]
        asked = [
            net(pooled[strong][:, None], by_behaviour[weak][0], by_behaviour[weak][1][:, None])[:, 0]
            for net, strong, weak in zip(self.strong_to_weak, (2, 3), (0, 1), strict=True)
        ]
        return (pooled[0] + pooled[2] + asked[0]) / 3, (pooled[1] + pooled[3] + asked[1]) / 3

    def tasks(
        self,
        requests: RequestBatch,
        sides: tuple[Float32[Tensor, "b d"], Float32[Tensor, "b d"]],
        candidates: Int64[Tensor, "b n"],
        table: Float32[Tensor, "videos d"],
    ) -> list[Float32[Tensor, "b n"]]:
        """Logits of a click and of finishing, and log watch time."""
        vectors = self.heads(torch.cat([*sides, self.users(requests)], dim=1)).chunk(3, dim=1)
        items, bias = functional.embedding(candidates, table), self.bias(candidates)
        return [match(vector, items) + bias[..., task] for task, vector in enumerate(vectors)]


def slate_loss(model: FeedRec, slates: SlateSample) -> Float32[Tensor, ""]:
    """Compute the losses of click, finish and log watch time, and the cosine similarity of both sides."""
    table, mask = model.videos.table(), slates.mask
    sides = model.sides(slates.requests.views, table)
    click, finish, watch = (part[mask] for part in model.tasks(slates.requests, sides, slates.candidates, table))
    alike = functional.cosine_similarity(*sides).square().mean()
    return (
        functional.binary_cross_entropy_with_logits(click, slates.has(Event.CLICK)[mask])
        + functional.binary_cross_entropy_with_logits(finish, slates.has(Event.COMPLETE)[mask])
        + 0.5 * functional.mse_loss(watch, torch.log1p(slates.watch_s[mask]))
        + _APART * alike
    )


@final
@dataclass(eq=False)
class FeedRecPolicy(TorchPolicy):
    """Rank by FeedRec: a transformer over all feedback and one per kind, positive and negative kept apart.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        answers: What tells satisfaction, see `policies.torch_rankers.histories.Answers`.
        dropout: Share of numbers dropped in training.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most, in whole slates; at least 1.
        unshown: Videos that count as not clicked beside what was shown, see
            `policies.torch_rankers.view_samples.Unshown`.
        teaching: What it is taught by, see `policies.torch_rankers.ranker.Teaching`.
    """

    size: int = 32
    history: int = 50
    answers: Answers = "both"
    dropout: float = 0.1
    epochs: int = 8
    max_targets: int = 300_000
    unshown: Unshown = "none"
    teaching: Teaching = "feed"

    @override
    def spec(self) -> RankerSpec:
        shape = EncoderShape(self.history, self.size, heads=2 - self.size % 2)
        make = partial(FeedRec, shape=shape, dropout=self.dropout, answers=self.answers)
        sampling = with_unshown(Sampling(self.history, self.max_targets, targets="shown"), self.unshown)
        spec = RankerSpec("feedrec", make, slate_loss, sampling, self.epochs, _LEARNING_RATE, PER_STEP, SlateSource)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
