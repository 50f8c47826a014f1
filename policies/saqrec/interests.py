r"""Interests in SAQRec's main model: from satisfied histories to clicks, and satisfied views within clicks.

Ke et al., "SAQRec: Aligning Recommender Systems to User Satisfaction via Questionnaire Feedback", CIKM 2024,
https://doi.org/10.1145/3627673.3679643, equations 9 to 13. `variant="paper"` is the text, `variant="code"` what the
authors' release does where it differs:

- Weights of a sum: a network on all vectors together, not normalised [R: the text names no normalisation]; in the code
  one linear layer per vector, softmax over the vectors that are there.
- Attention of SID: dot product; in the code bilinear.
- Groups of MLSE: by count, best first; in the code between quantiles of the user's scores, so that ties and short
  histories leave groups empty.
- Values of MLSE: the history as encoded; in the code a linear map of it.

Axes: `rows` requests, `l` clicked views, `d` embedding size, `n` vectors or groups, `c` channels of a network.
"""

from typing import Final, Literal, TypeAlias, final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn
from typing_extensions import override

from policies.torch_rankers.initialisers import linear
from policies.torch_rankers.layers import Mlp

InterestVariant: TypeAlias = Literal["paper", "code"]
VARIANTS: Final = ("paper", "code")
_HIDDEN: Final = 32
_OUT: Final = -1e9
"""Logit of what is not there."""


@final
class WeightedSum(nn.Module):
    """A sum of `n` vectors whose weights depend on them (equations 10, 12 and 13)."""

    def __init__(self, n: int, d: int, variant: InterestVariant, generator: torch.Generator) -> None:
        """Begin near the mean of the vectors."""
        super().__init__()
        self.together = Mlp((n * d, _HIDDEN, n), generator) if variant == "paper" else None
        self.apart = nn.ModuleList(linear(d, 1, generator) for _ in range(n if variant == "code" else 0))
        if self.together is not None:
            nn.init.constant_(self.together.layers[-1].bias, 1 / n)  # pyright: ignore[reportArgumentType] # layers are linear

    @override
    def forward(self, vectors: Float32[Tensor, "rows n d"], there: Bool[Tensor, "rows n"]) -> Float32[Tensor, "rows d"]:
        """The sum; vectors that are not `there` have no weight."""
        if self.together is not None:
            weight = self.together((vectors * there[:, :, None]).flatten(1)) * there
        else:
            logit = torch.cat([layer(vectors[:, k]) for k, layer in enumerate(self.apart)], dim=1)
            weight = masked_softmax(logit, there)
        return (weight[:, :, None] * vectors).sum(1)


@final
class DenoisedInterest(nn.Module):
    r"""SID (equations 9 and 10): the part of the clicked history that agrees with a satisfied or dissatisfied interest.

    $u_r = H_r^\top \mathrm{softmax}(H_r h_s)$, then a weighted sum of $h_s$ and $u_r$.
    """

    def __init__(self, d: int, variant: InterestVariant, generator: torch.Generator) -> None:
        super().__init__()
        self.bilinear = linear(d, d, generator) if variant == "code" else None
        self.fuse = WeightedSum(2, d, variant, generator)

    @override
    def forward(
        self,
        clicked: Float32[Tensor, "rows l d"],
        mask: Bool[Tensor, "rows l"],
        interest: Float32[Tensor, "rows d"],
    ) -> Float32[Tensor, "rows d"]:
        """The interest, with its part of the clicked history."""
        key = clicked if self.bilinear is None else self.bilinear(clicked)
        attention = masked_softmax((key @ interest[:, :, None])[:, :, 0], mask)
        agreeing = (attention[:, :, None] * clicked).sum(1)
        there = torch.ones(len(mask), 2, dtype=torch.bool)
        return self.fuse(torch.stack([interest, agreeing], dim=1), there)


@final
class LevelledInterest(nn.Module):
    r"""MLSE (equations 11 and 12): clicked views in groups by how much they satisfied, one interest per group.

    $I_k = \sum_{j \in k} \mathrm{softmax}_j(\hat s_j)\, h_j$ with the teacher's satisfaction $\hat s$.
    """

    def __init__(self, n_groups: int, d: int, variant: InterestVariant, generator: torch.Generator) -> None:
        super().__init__()
        self.n_groups = n_groups
        self.variant: InterestVariant = variant
        self.value = linear(d, d, generator) if variant == "code" else None
        self.fuse = WeightedSum(n_groups, d, variant, generator)

    @override
    def forward(
        self,
        clicked: Float32[Tensor, "rows l d"],
        mask: Bool[Tensor, "rows l"],
        satisfied: Float32[Tensor, "rows l"],
    ) -> Float32[Tensor, "rows d"]:
        """One interest out of all levels; zero for a user without clicks."""
        cut = by_count if self.variant == "paper" else by_quantile
        member = cut(satisfied, mask, self.n_groups)
        value = clicked if self.value is None else self.value(clicked)
        weight = masked_softmax(satisfied[:, None].expand(member.shape), member)
        return self.fuse(weight @ value, member.any(-1))


def masked_softmax(logit: Float32[Tensor, "*b n"], there: Bool[Tensor, "*b n"]) -> Float32[Tensor, "*b n"]:
    """Apply softmax over unmasked entries; all zeros if there are none."""
    return torch.softmax(logit.masked_fill(~there, _OUT), dim=-1) * there


def by_count(score: Float32[Tensor, "rows l"], mask: Bool[Tensor, "rows l"], n_groups: int) -> Bool[Tensor, "rows n l"]:
    """Groups of about equal size, best first: the view of rank r among n is in group r * n_groups // n.

    >>> by_count(torch.tensor([[0.1, 0.9, 0.5, 0.3]]), torch.ones(1, 4, dtype=torch.bool), 2)[0].int().tolist()
    [[0, 1, 1, 0], [1, 0, 0, 1]]
    """
    order = score.masked_fill(~mask, -torch.inf).argsort(dim=1, descending=True, stable=True)
    rank = order.argsort(dim=1)
    group = rank * n_groups // mask.sum(1, keepdim=True).clamp_min(1)
    return _members(group, mask, n_groups)


def by_quantile(
    score: Float32[Tensor, "rows l"], mask: Bool[Tensor, "rows l"], n_groups: int
) -> Bool[Tensor, "rows n l"]:
    """Group by the quantiles 1/n, 2/n, ... of the row's own scores, lowest first; ties stay together."""
    levels = torch.arange(1, n_groups) / n_groups
    edges = torch.nanquantile(score.masked_fill(~mask, torch.nan), levels, dim=1)
    group = (score[None] > edges[:, :, None]).sum(0)
    return _members(group, mask, n_groups)


def _members(group: Int64[Tensor, "rows l"], mask: Bool[Tensor, "rows l"], n_groups: int) -> Bool[Tensor, "rows n l"]:
    """Return which views belong to which group."""
    return (group[:, None] == torch.arange(n_groups)[:, None]) & mask[:, None]
