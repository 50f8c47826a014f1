r"""DFN: explicit and implicit feedback, each read with the candidate among it, and the unclicked sorted by the others.

Xie, Ling, Wang, Wang, Xia and Lin, "Deep feedback network for recommendation", IJCAI 2020,
https://doi.org/10.24963/ijcai.2020/349. Dissatisfied views are the dislikes here, and Adam learns (the paper: Adagrad).

Self-attention over $\{t, x_1 .. x_h\}$ and the mean of its rows, as the paper has it for each candidate $t$, needs no
attention of its own per candidate: row $j$ is $(1 - p_{jt}) A_j + p_{jt} v_t$, where $A_j$ is what $x_j$ finds among
the views alone and $p_{jt}$ the share of its attention that goes to $t$.

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
from policies.torch_rankers.feature_tables import FeatureTables, UserEmbedding, VideoEmbedding
from policies.torch_rankers.histories import Answers, Behaviour, RequestBatch, subsequence, trimmed
from policies.torch_rankers.initialisers import linear
from policies.torch_rankers.layers import Mlp, TargetAttention
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.slate_samples import PER_STEP, SlateSample, SlateSource
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Sampling, Unshown, with_unshown

_BEHAVIOURS: Final = {Behaviour.CLICKED: 30, Behaviour.UNCLICKED: 30, Behaviour.DISSATISFIED: 10}
"""What is read, and how many views of it at most."""
_HEADS: Final = 4


@final
class Internal(nn.Module):
    """Self-attention over a candidate and a sequence, averaged, for every candidate at once."""

    def __init__(self, d: int, heads: int, generator: torch.Generator) -> None:
        """Begin with Glorot weights."""
        super().__init__()
        self._heads = heads
        self.ask, self.key, self.value, self.out = (linear(d, d, generator) for _ in range(4))

    @override
    def forward(
        self, items: Float32[Tensor, "b n d"], x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]
    ) -> Float32[Tensor, "b n d"]:
        """Mean over the candidate's and the views' rows; the candidate's own value where there are no views."""
        ask, key, value = (self._split(layer(x)) for layer in (self.ask, self.key, self.value))
        ask_t, key_t, value_t = (self._split(layer(items)) for layer in (self.ask, self.key, self.value))
        scale = ask.shape[-1] ** -0.5
        hidden = torch.where(mask, 0.0, -1e9)[:, None, None, :]
        among = ask @ key.transpose(2, 3) * scale + hidden
        to_target = ask @ key_t.transpose(2, 3) * scale
        is_view = mask[:, None, :, None].to(x.dtype)
        share = torch.sigmoid(to_target - among.logsumexp(3, keepdim=True)) * is_view
        attended = functional.softmax(among, dim=3) @ value
        rows = (is_view - share).transpose(2, 3) @ attended + share.sum(2)[..., None] * value_t
        asked = ask_t @ key.transpose(2, 3) * scale + hidden
        own = (ask_t * key_t).sum(3, keepdim=True) * scale
        shares = functional.softmax(torch.cat([asked, own], dim=3), dim=3)
        rows = rows + shares[..., :-1] @ value + shares[..., -1:] * value_t
        return self.out((rows / (is_view.sum(2, keepdim=True) + 1)).transpose(1, 2).flatten(2))

    def _split(self, x: Float32[Tensor, "b h d"]) -> Float32[Tensor, "b heads h e"]:
        """One sequence per head."""
        return x.unflatten(2, (self._heads, -1)).transpose(1, 2)


@final
class Dfn(nn.Module):
    """DFN: internal and external feedback, candidate and user; logit = wide + factorisation machine + deep."""

    def __init__(self, catalogue: FeatureTables, generator: torch.Generator, *, d: int, answers: Answers) -> None:
        """Begin with Glorot weights."""
        super().__init__()
        self._answers: Answers = answers
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.users = UserEmbedding(catalogue, d, generator)
        heads = _HEADS if d % _HEADS == 0 else 1
        self.internal = nn.ModuleList([Internal(d, heads, generator) for _ in _BEHAVIOURS])
        self.external = nn.ModuleList([TargetAttention(d, 2 * d, generator) for _ in range(2)])
        self.wide = VideoEmbedding(catalogue, 1, generator)
        self.wide_user = UserEmbedding(catalogue, 1, generator)
        self.deep = Mlp((7 * d, 32, 16, 1), generator)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Logits of a click."""
        table = self.videos.table()
        items = functional.embedding(candidates, table)
        fields = [items, self.users(requests)[:, None].expand_as(items), *self.feedback(requests, items, table)]
        wide = self.wide(candidates)[..., 0] + self.wide_user(requests)
        both = torch.stack(fields)
        factorised = 0.5 * (both.sum(0).square() - both.square().sum(0)).sum(-1)
        return wide + factorised + self.deep(torch.cat(fields, dim=2))[..., 0]

    def feedback(
        self, requests: RequestBatch, items: Float32[Tensor, "b n d"], table: Float32[Tensor, "videos d"]
    ) -> list[Float32[Tensor, "b n d"]]:
        """Summaries of the three behaviours, and of the unclicked as clicks and as dislikes see them."""
        read = [trimmed(subsequence(requests.views, kind, m, self._answers)) for kind, m in _BEHAVIOURS.items()]
        x = [functional.embedding(part.video_id, table) for part in read]
        inner = [net(items, seq, part.mask) for net, seq, part in zip(self.internal, x, read, strict=True)]
        asking, unclicked = (inner[0], inner[2]), read[1].mask
        count = unclicked.sum(1).clamp(min=1)[:, None, None]
        outer = [net(ask, x[1], unclicked) / count for net, ask in zip(self.external, asking, strict=True)]
        return inner + outer


def slate_loss(model: Dfn, slates: SlateSample) -> Float32[Tensor, ""]:
    """Compute the binary cross-entropy of clicks on shown videos, and on negatives."""
    present = slates.mask
    logits = model(slates.requests, slates.candidates)
    return functional.binary_cross_entropy_with_logits(logits[present], slates.has(Event.CLICK)[present])


@final
@dataclass(eq=False)
class DfnPolicy(TorchPolicy):
    """Rank by DFN: clicked, unclicked and disliked views, read with the candidate among them.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        answers: What tells satisfaction, see `policies.torch_rankers.histories.Answers`.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most, in whole slates; at least 1.
        unshown: Videos that count as not clicked beside what was shown, see
            `policies.torch_rankers.view_samples.Unshown`.
        teaching: What it is taught by, see `policies.torch_rankers.ranker.Teaching`.
    """

    size: int = 16
    history: int = 50
    answers: Answers = "both"
    epochs: int = 4
    max_targets: int = 300_000
    unshown: Unshown = "none"
    teaching: Teaching = "feed"

    @override
    def spec(self) -> RankerSpec:
        make = partial(Dfn, d=self.size, answers=self.answers)
        sampling = with_unshown(Sampling(self.history, self.max_targets, targets="shown"), self.unshown)
        spec = RankerSpec("dfn", make, slate_loss, sampling, self.epochs, per_step=PER_STEP, source=SlateSource)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
