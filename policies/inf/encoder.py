r"""Feedback-aware encoder of a history: skipped views carry as much information as watched ones.

Reconstruction of the encoding module of Pan et al., "Learning and Optimization of Implicit Negative Feedback for
Industrial Short-video Recommender System", CIKM 2023, https://arxiv.org/abs/2308.13249, of which only the abstract and
the introduction could be had. Its attention is that of
a sister paper, DFAR (Pan et al., WWW 2023, https://arxiv.org/abs/2302.03965): the heads that ask and the heads that
are asked are chosen by the feedback on either side, so that skip -> skip, skip -> watched and so on have parameters of
their own,

$$ e_{ij} = q^{(f_i)}_i \cdot k^{(f_j)}_j / \sqrt{d}, \qquad f \in \{-, +\}. $$

Ours: the values too are chosen by feedback; feedback is `policies.kernel.grade`, negative below 3 s and where hated;
the context of a view is its hour, its place in its run of views without an hour between, the feedback on the view
before and the hours since; the context of a request is hour, views of the day, and how many views were skipped in a
row.

Axes: `b` requests, `h` history, `n` candidates, `d` vector size.
"""

from typing import Final, final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.kernel import N_GRADES
from policies.torch_rankers.histories import RequestBatch, ViewSequence
from policies.torch_rankers.initialisers import linear, normal_table
from policies.torch_rankers.layers import Dropout, FeedForward, Positions

_FIRST_WATCHED: Final = 3
"""Grades from here on are positive: watched for 3 s or more, and not hated."""
_GAP_H: Final = torch.tensor([1, 2, 6, 12, 24, 72])
_RUN: Final = torch.tensor([1, 2, 3, 5, 8, 12, 20, 30])
_HOURS: Final = 24
_SCALE: Final = 0.1


def positive(views: ViewSequence) -> Bool[Tensor, "b h"]:
    """True where a view was watched for 3 s or more and not hated."""
    return views.mask & (views.grade >= _FIRST_WATCHED)


def skipped_in_a_row(views: ViewSequence) -> Int64[Tensor, " b"]:
    """Count the newest views that are negative without a break."""
    broken = (positive(views) | ~views.mask).flip(1).cumsum(1) > 0
    return (~broken).sum(1)


def gap_h(views: ViewSequence) -> Int64[Tensor, "b h"]:
    """Return the whole hours between each view and the one before; 0 for the oldest."""
    before = torch.cat([views.hours_ago[:, :1], views.hours_ago[:, :-1]], dim=1)
    has_both = views.mask & torch.cat([torch.zeros_like(views.mask[:, :1]), views.mask[:, :-1]], dim=1)
    return (before - views.hours_ago) * has_both


def place_in_run(views: ViewSequence) -> Int64[Tensor, "b h"]:
    """Views of the same run before each view; a run ends where an hour or more goes by."""
    position = torch.arange(views.mask.shape[1]).expand_as(views.mask)
    first = ~torch.cat([torch.zeros_like(views.mask[:, :1]), views.mask[:, :-1]], dim=1)
    opens = first | (gap_h(views) > 0)
    return (position - torch.where(opens, position, 0).cummax(1).values) * views.mask


@final
class FeedbackTokens(nn.Module):
    """Vectors of views: video, feedback, position, and context."""

    def __init__(self, h: int, d: int, generator: torch.Generator) -> None:
        """Begin small."""
        super().__init__()
        self.feedback = normal_table(N_GRADES, d, _SCALE, generator)
        self.feedback_before = normal_table(N_GRADES + 1, d, _SCALE, generator)
        self.hour = normal_table(_HOURS, d, _SCALE, generator)
        self.gap = normal_table(len(_GAP_H) + 1, d, _SCALE, generator)
        self.run = normal_table(len(_RUN) + 1, d, _SCALE, generator)
        self.places = Positions(h, d, generator)

    @override
    def forward(self, videos: Float32[Tensor, "b h d"], requests: RequestBatch) -> Float32[Tensor, "b h d"]:
        """Tokens; zeros where there is no view."""
        views = requests.views
        grade = torch.where(views.mask, views.grade, N_GRADES)
        before = torch.cat([torch.full_like(grade[:, :1], N_GRADES), grade[:, :-1]], dim=1)
        hour = (requests.hour[:, None] - views.hours_ago) % _HOURS
        parts = [
            videos,
            functional.embedding(views.grade, self.feedback),
            functional.embedding(before, self.feedback_before),
            functional.embedding(hour, self.hour),
            functional.embedding(torch.bucketize(gap_h(views), _GAP_H, right=True), self.gap),
            functional.embedding(torch.bucketize(place_in_run(views), _RUN, right=True), self.run),
        ]
        return self.places(torch.stack(parts).sum(0), views.mask)


@final
class PolarLinear(nn.Module):
    """One linear map for negative tokens and one for positive ones."""

    def __init__(self, d: int, generator: torch.Generator) -> None:
        """Begin with Glorot weights."""
        super().__init__()
        self.negative, self.positive = linear(d, d, generator), linear(d, d, generator)

    @override
    def forward(self, x: Float32[Tensor, "b h d"], is_positive: Bool[Tensor, "b h"]) -> Float32[Tensor, "b h d"]:
        """Each token by its own map."""
        return torch.where(is_positive[:, :, None], self.positive(x), self.negative(x))


@final
class FeedbackAttention(nn.Module):
    """Self-attention layer whose heads depend on the feedback of query and key."""

    def __init__(self, d: int, heads: int, dropout: Dropout, generator: torch.Generator) -> None:
        """Begin with Glorot weights; `heads` divides `d`."""
        super().__init__()
        if d % heads:
            raise ValueError(f"heads={heads} given for vectors of {d}, want a number that divides {d}")
        self._heads = heads
        self.ask, self.key, self.value = (PolarLinear(d, generator) for _ in range(3))
        self.out = linear(d, d, generator)
        self.norm, self.dropout = nn.LayerNorm(d), dropout
        self.forward_block = FeedForward(d, d, dropout, generator)

    @override
    def forward(
        self, x: Float32[Tensor, "b h d"], is_positive: Bool[Tensor, "b h"], mask: Bool[Tensor, "b h"]
    ) -> Float32[Tensor, "b h d"]:
        """Encoded tokens; zeros where there is no view."""
        q, k, v = (
            part(x, is_positive).unflatten(2, (self._heads, -1)).transpose(1, 2)
            for part in (self.ask, self.key, self.value)
        )
        visible = mask[:, None, None, :] | ~mask.any(1)[:, None, None, None]
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=visible).transpose(1, 2).flatten(2)
        return self.forward_block(self.norm(x + self.dropout(self.out(attended)))) * mask[:, :, None]


@final
class FeedbackTargetAttention(nn.Module):
    """DIN's activation unit over watched and skipped views: attention weights of a user's views per candidate.

    A candidate asks watched views as if it were liked and skipped ones as if it were skipped, as in DFAR, and either
    kind has weights of its own. The weight of view k for candidate q is an MLP of (q, k, q * k) with one hidden layer,
    not normalised (Zhou et al., KDD 2018, https://arxiv.org/abs/1706.06978). All that does not hang on the candidate
    is summed once per view.
    """

    def __init__(self, d: int, units: int, generator: torch.Generator) -> None:
        """Begin with `units` hidden units."""
        super().__init__()
        self._units = units
        self.as_if = normal_table(2, d, 0.1, generator)
        self.of_asking, self.of_product = (normal_table(2, d * units, d**-0.5, generator) for _ in range(2))
        self.of_key = linear(d, 2 * units, generator)
        self.outer = linear(units, 2, generator)

    @override
    def forward(
        self,
        target: Float32[Tensor, "b n d"],
        x: Float32[Tensor, "b h d"],
        is_positive: Bool[Tensor, "b h"],
        mask: Bool[Tensor, "b h"],
    ) -> Float32[Tensor, "b n e"]:
        """Average the output of the skipped views, then that of the watched ones; `e` is twice `d`."""
        kind = torch.stack([mask & ~is_positive, mask & is_positive], dim=-1).float()
        return self._said(self._weights(target, x, is_positive), x, kind / mask.sum(1).clamp(min=1)[:, None, None])

    def _weights(
        self, target: Float32[Tensor, "b n d"], x: Float32[Tensor, "b h d"], is_positive: Bool[Tensor, "b h"]
    ) -> Float32[Tensor, "b n h kinds"]:
        """Weight of each view for each candidate, by either kind's last layer."""
        kind, h = is_positive.long(), x.shape[1]
        asking, product = (
            functional.embedding(kind, table).unflatten(2, (-1, self._units))
            for table in (self.of_asking, self.of_product)
        )
        slope = asking + x[..., None] * product
        key = self.of_key(x).unflatten(2, (2, self._units))
        level = torch.where(is_positive[..., None], key[:, :, 1], key[:, :, 0])
        level = level + (functional.embedding(kind, self.as_if)[:, :, None] @ slope)[:, :, 0]
        hidden = torch.baddbmm(level.flatten(1)[:, None], target, slope.transpose(1, 2).flatten(2))
        return self.outer(functional.relu(hidden).unflatten(2, (h, self._units)))

    def _said(
        self, weights: Float32[Tensor, "b n h kinds"], x: Float32[Tensor, "b h d"], share: Float32[Tensor, "b h kinds"]
    ) -> Float32[Tensor, "b n e"]:
        """Weighted sums of the views of each kind."""
        return torch.cat([(weights[..., kind] * share[:, None, :, kind]) @ x for kind in range(2)], dim=-1)


@final
class RequestContext(nn.Module):
    """Vector of a request's context: hour, views of the day, skips in a row."""

    def __init__(self, d: int, generator: torch.Generator) -> None:
        """Begin small."""
        super().__init__()
        self.hour = normal_table(_HOURS, d, _SCALE, generator)
        self.views = normal_table(len(_RUN) + 1, d, _SCALE, generator)
        self.skips = normal_table(len(_RUN) + 1, d, _SCALE, generator)

    @override
    def forward(self, requests: RequestBatch) -> Float32[Tensor, "b d"]:
        """Context vectors."""
        so_far = torch.bucketize(requests.position, _RUN, right=True)
        skips = torch.bucketize(skipped_in_a_row(requests.views), _RUN, right=True)
        return (
            functional.embedding(requests.hour, self.hour)
            + functional.embedding(so_far, self.views)
            + functional.embedding(skips, self.skips)
        )
