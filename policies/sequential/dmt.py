"""DMT: a transformer per behaviour that the candidate queries, experts shared by tasks, and a bias net for the slate.

Gu, Ding, Wang, Zou, Liu and Yin, "Deep multifaceted transformers for multi-objective ranking in large-scale e-commerce
recommender systems", CIKM 2020, https://doi.org/10.1145/3340531.3412697. Sizes are smaller here; satisfied and
dissatisfied views stand in for carts and orders, long views for orders as a task, and the bias net knows the place in
the slate but not the neighbours (ours).

Axes: `b` requests, `n` candidates, `h` views of a sequence, `d` embedding size, `tasks` click and long view.
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
from policies.torch_rankers.histories import Answers, Behaviour, RequestBatch, subsequence, trimmed
from policies.torch_rankers.initialisers import normal_table
from policies.torch_rankers.layers import Attention, Dropout, EncoderShape, FeedForward, Mlp, Mmoe, SequenceEncoder
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.slate_samples import PER_STEP, SlateSample, SlateSource
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Sampling, Unshown, with_unshown

_BEHAVIOURS: Final = {Behaviour.CLICKED: 50, Behaviour.SATISFIED: 20, Behaviour.DISSATISFIED: 10}
"""What is read, and how many views of it at most."""
_EXPERTS: Final = 4
_TASKS: Final = 2
_PLACES: Final = 32
_LEARNING_RATE: Final = 0.003
"""Below the shared one, at which its encoders stop telling histories apart and only popularity is learned."""


@final
class Facet(nn.Module):
    """One behaviour: an encoder of its views, and a decoder whose query is the candidate."""

    def __init__(self, shape: EncoderShape, dropout: float, generator: torch.Generator) -> None:
        """Begin with one block each."""
        super().__init__()
        self.encoder = SequenceEncoder(shape, generator, dropout)
        self.attention = Attention(shape.d, shape.heads, generator)
        self.norm, self.dropout = nn.LayerNorm(shape.d), Dropout(dropout, generator)
        self.forward_block = FeedForward(shape.d, shape.d, self.dropout, generator)

    @override
    def forward(
        self, items: Float32[Tensor, "b n d"], x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]
    ) -> Float32[Tensor, "b n d"]:
        """Encode a behaviour sequence for each candidate."""
        attended = self.attention(items, self.encoder(x, mask), mask[:, None])
        return self.forward_block(self.norm(items + self.dropout(attended)))


@final
class Dmt(nn.Module):
    """Facets of the history, concatenated with candidate and user, through mixtures of experts to a logit per task."""

    def __init__(
        self, catalogue: FeatureTables, generator: torch.Generator, *, d: int, dropout: float, answers: Answers
    ) -> None:
        """Begin with Glorot weights."""
        super().__init__()
        self._answers: Answers = answers
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.users = UserEmbedding(catalogue, d, generator)
        shapes = [EncoderShape(m, d, heads=2 - d % 2) for m in _BEHAVIOURS.values()]
        self.facets = nn.ModuleList([Facet(shape, dropout, generator) for shape in shapes])
        self.mixture = Mmoe((d * (len(shapes) + 2), 2 * d, d), _EXPERTS, _TASKS, generator)
        self.towers = nn.ModuleList([Mlp((d, d, 1), generator) for _ in range(_TASKS)])
        self.places = normal_table(_PLACES, 16, 0.1, generator)
        self.bias = Mlp((16, 16, _TASKS), generator)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores: the task of clicking, without the bias of any place."""
        return self.tasks(requests, candidates)[0]

    def tasks(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "tasks b n"]:
        """Logits of a click and of a long view, without the bias of any place."""
        table = self.videos.table()
        items = functional.embedding(candidates, table)
        parts = [items, self.users(requests)[:, None].expand_as(items)]
        for facet, (kind, m) in zip(self.facets, _BEHAVIOURS.items(), strict=True):
            read = trimmed(subsequence(requests.views, kind, m, self._answers))
            parts.append(facet(items, functional.embedding(read.video_id, table), read.mask))
        mixed = self.mixture(torch.cat(parts, dim=2))
        return torch.stack([tower(part)[..., 0] for tower, part in zip(self.towers, mixed, strict=True)])


def slate_loss(model: Dmt, slates: SlateSample) -> Float32[Tensor, ""]:
    """Binary cross-entropy of click and long view, the bias of its place added to each view's logits.

    What was not shown counts as skipped in the first place: a bias of its own would tell it apart from what was.
    """
    position = torch.arange(slates.mask.shape[1]).clamp(max=_PLACES - 1)
    position[slates.n_shown :] = 0
    logits = model.tasks(slates.requests, slates.candidates) + model.bias(model.places[position]).T[:, None]
    happened = torch.stack([slates.has(Event.CLICK), slates.has(Event.LONG_VIEW)])
    return _TASKS * functional.binary_cross_entropy_with_logits(logits[:, slates.mask], happened[:, slates.mask])


@final
@dataclass(eq=False)
class DmtPolicy(TorchPolicy):
    """Rank by DMT: a transformer per behaviour that the candidate queries, learned from all that was shown.

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

    size: int = 16
    history: int = 50
    answers: Answers = "both"
    dropout: float = 0.1
    epochs: int = 4
    max_targets: int = 300_000
    unshown: Unshown = "none"
    teaching: Teaching = "feed"

    @override
    def spec(self) -> RankerSpec:
        make = partial(Dmt, d=self.size, dropout=self.dropout, answers=self.answers)
        sampling = with_unshown(Sampling(self.history, self.max_targets, targets="shown"), self.unshown)
        spec = RankerSpec("dmt", make, slate_loss, sampling, self.epochs, _LEARNING_RATE, PER_STEP, SlateSource)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
