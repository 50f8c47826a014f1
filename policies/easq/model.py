r"""EASQ's network: a ranker of behaviour that hears questionnaires through a low-rank side path.

Kuaishou, January 2026, https://arxiv.org/abs/2601.20215; no code is public, and sizes, pairs and weights below are
ours [R]. For a candidate $x$ of a request,

$$h = W_0 x, \quad h_{lora} = B A x, \quad h_{main} = h + \mathrm{sg}(h_{lora}), \quad
h_{satis} = \mathrm{sg}(h) + h_{lora},$$

$$\hat y = \mathrm{softplus}\,\mathrm{MoE}_{main}(h_{main}), \quad
\hat s = \mathrm{softplus}\,\mathrm{MoE}_{satis}(h_{satis}), \quad g = \mathrm{ReLU}(W_{gate} h).$$

With the stop-gradients sg the behaviour reads what answers taught and cannot write it, and answers leave the backbone
alone. Only $\hat y$ is served. Ours [R]: $x$ is a one-hot video id beside what the base ranker's towers predict and
their parts, so that $W_0$ and $A$ have a column per video; candidates are scored one by one, while the ranker that EASQ
builds on, EMER (https://arxiv.org/abs/2508.05093), lets those of a request look at each other; and each mixture has one
expert without a gate, so that a router all of whose gates are shut kills neither the score nor its gradient.

Axes: `*b` any batch of candidates, `i` dense inputs, `d` width, `r` rank.
"""

from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.torch_rankers.initialisers import linear, normal_table

_UNITS: Final = 16
"""Hidden units of an expert."""


@final
@dataclass(frozen=True)
class EasqShape:
    """Sizes.

    Attributes:
        n_videos: Catalogue.
        n_inputs: Dense inputs.
        d: Width of the backbone.
        rank: Of the side path; 0 leaves it out.
        main_experts: With a gate, K1; 0 leaves the mixture out.
        satisfaction_experts: Likewise, K2.
    """

    n_videos: int
    n_inputs: int
    d: int = 32
    rank: int = 8
    main_experts: int = 4
    satisfaction_experts: int = 2


@final
class Inputs(nn.Module):
    """A linear layer on a one-hot video id and dense inputs; ids begin with nothing of their own."""

    def __init__(self, shape: EasqShape, n_out: int, generator: torch.Generator) -> None:
        super().__init__()
        self.by_id = normal_table(shape.n_videos, n_out, 0.0, generator)
        self.dense = linear(shape.n_inputs, n_out, generator)

    @override
    def forward(self, video_id: Int64[Tensor, "*b"], dense: Float32[Tensor, "*b i"]) -> Float32[Tensor, "*b o"]:
        """The product."""
        return functional.embedding(video_id, self.by_id) + self.dense(dense)


@final
class Expert(nn.Module):
    """A number from one hidden layer."""

    def __init__(self, d: int, generator: torch.Generator) -> None:
        super().__init__()
        self.inner = linear(d, _UNITS, generator)
        self.outer = linear(_UNITS, 1, generator)

    @override
    def forward(self, h: Float32[Tensor, "*b d"]) -> Float32[Tensor, "*b"]:
        """The number."""
        return self.outer(functional.relu(self.inner(h)))[..., 0]


@final
class ExpertMixture(nn.Module):
    """Experts behind ReLU gates, and one that is always heard; positive."""

    def __init__(self, d: int, experts: int, generator: torch.Generator) -> None:
        super().__init__()
        self.router = linear(d, experts, generator) if experts else None
        self.experts = nn.ModuleList(Expert(d, generator) for _ in range(experts))
        self.shared = Expert(d, generator)

    @override
    def forward(self, h: Float32[Tensor, "*b d"]) -> Float32[Tensor, "*b"]:
        """The score."""
        score = self.shared(h)
        if self.router is not None:
            gate = functional.relu(self.router(h))
            score = score + (gate * torch.stack([expert(h) for expert in self.experts], dim=-1)).sum(-1)
        return functional.softplus(score) + 1e-6


@final
class EasqNetwork(nn.Module):
    """Both scores of a candidate: behaviour and satisfaction."""

    def __init__(self, shape: EasqShape, generator: torch.Generator) -> None:
        """Start with B = 0: the side path adds nothing before the first answer."""
        super().__init__()
        self.d = shape.d
        self.w0 = Inputs(shape, shape.d, generator)
        self.a = Inputs(shape, shape.rank, generator) if shape.rank else None
        self.b = nn.Parameter(torch.zeros(shape.rank, shape.d)) if shape.rank else None
        self.main = ExpertMixture(shape.d, shape.main_experts, generator)
        self.satisfaction = ExpertMixture(shape.d, shape.satisfaction_experts, generator)

    @override
    def forward(
        self, video_id: Int64[Tensor, "*b"], dense: Float32[Tensor, "*b i"]
    ) -> tuple[Float32[Tensor, "*b"], Float32[Tensor, "*b"]]:
        """Behaviour score and satisfaction score, both positive."""
        h, side = self.w0(video_id, dense), self.side(video_id, dense)
        return self.main(h + side.detach()), self.satisfaction(h.detach() + side)

    def served(self, video_id: Int64[Tensor, "*b"], dense: Float32[Tensor, "*b i"]) -> Float32[Tensor, "*b"]:
        """The behaviour score alone."""
        return self.main(self.w0(video_id, dense) + self.side(video_id, dense))

    def side(self, video_id: Int64[Tensor, "*b"], dense: Float32[Tensor, "*b i"]) -> Float32[Tensor, "*b d"]:
        """Compute the side path's term; zeros without a side path."""
        if self.a is None or self.b is None:
            return torch.zeros(*video_id.shape, self.d)
        return self.a(video_id, dense) @ self.b
