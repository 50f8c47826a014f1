"""Layers of sequence rankers; initial weights and dropout are drawn from a given generator.

Axes: `b` sequences, `h` their length, `n` candidates, `d` vector size, `k` experts. Sequences are right-aligned, and
nothing that a mask hides reaches what is returned: padding on the left changes no result.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

import torch
from jaxtyping import Bool, Float32
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.torch_rankers.initialisers import linear, normal_table

_BYTE: Final = 256


@final
class Dropout(nn.Module):
    """Dropout (Srivastava et al., JMLR 2014) by its own generator; the share is rounded to a 256th."""

    def __init__(self, share: float, generator: torch.Generator) -> None:
        """Begin with a share to drop, in [0, 1), and where to draw from."""
        super().__init__()
        if not 0 <= share < 1:
            raise ValueError(f"dropout={share} given, want at least 0 and less than 1")
        self._dropped, self._generator = round(share * _BYTE), generator

    @override
    def forward(self, x: Float32[Tensor, "*b"]) -> Float32[Tensor, "*b"]:
        """Drop in training, leave alone in serving."""
        if not self.training or self._dropped == 0:
            return x
        words = torch.randint(-(2**63), 2**63 - 1, (x.numel() // 8 + 1,), generator=self._generator)
        stays = words.view(torch.uint8)[: x.numel()].view(x.shape) >= self._dropped
        return x * stays * (_BYTE / (_BYTE - self._dropped))


@final
class Mlp(nn.Module):
    """Linear layers with ReLU between them, none after the last."""

    def __init__(self, sizes: tuple[int, ...], generator: torch.Generator) -> None:
        """Begin with layers from `sizes[0]` to `sizes[-1]` numbers."""
        super().__init__()
        self.layers = nn.ModuleList([linear(a, b, generator) for a, b in pairwise(sizes)])

    @override
    def forward(self, x: Float32[Tensor, "*b i"]) -> Float32[Tensor, "*b o"]:
        """Apply the layers."""
        for i, layer in enumerate(self.layers):
            x = layer(functional.relu(x) if i else x)
        return x


@final
class Positions(nn.Module):
    """A learned vector for every place, counted from the newest (Vaswani et al., NeurIPS 2017, learned as in BERT)."""

    def __init__(self, h: int, d: int, generator: torch.Generator) -> None:
        """Begin small."""
        super().__init__()
        self.table = normal_table(h, d, 0.02, generator)

    @override
    def forward(self, x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]) -> Float32[Tensor, "b h d"]:
        """Sequences with their places added, and zeros where there is no view."""
        return (x + self.table[-x.shape[1] :]) * mask[:, :, None]


@final
class Attention(nn.Module):
    """Multi-head attention (Vaswani et al., NeurIPS 2017, https://arxiv.org/abs/1706.03762).

    Who may look at nothing gets zeros.
    """

    def __init__(self, d: int, heads: int, generator: torch.Generator) -> None:
        """Begin with Glorot weights; `heads` divides `d`."""
        super().__init__()
        if d % heads:
            raise ValueError(f"heads={heads} given for vectors of {d}, want a number that divides {d}")
        self._heads = heads
        self.ask, self.key, self.value, self.out = (linear(d, d, generator) for _ in range(4))

    @override
    def forward(
        self, asking: Float32[Tensor, "b q d"], x: Float32[Tensor, "b h d"], seen: Bool[Tensor, "b #q h"]
    ) -> Float32[Tensor, "b q d"]:
        """Attend from each query vector to the views it may read."""
        q, k, v = (self._split(part) for part in (self.ask(asking), self.key(x), self.value(x)))
        some = seen.any(-1, keepdim=True)
        logits = (q @ k.transpose(2, 3)) * q.shape[3] ** -0.5
        share = functional.softmax(logits.masked_fill(~(seen | ~some)[:, None], -torch.inf), dim=3)
        return self.out((share @ v).transpose(1, 2).flatten(2)) * some

    def _split(self, x: Float32[Tensor, "b h d"]) -> Float32[Tensor, "b heads h e"]:
        """One sequence per head."""
        return x.unflatten(2, (self._heads, -1)).transpose(1, 2)


@final
class FeedForward(nn.Module):
    """Two linear layers at each place, with their residual and layer normalisation."""

    def __init__(self, d: int, inner: int, dropout: Dropout, generator: torch.Generator) -> None:
        """Begin with `inner` hidden units."""
        super().__init__()
        self.inner, self.outer = linear(d, inner, generator), linear(inner, d, generator)
        self.norm, self.dropout = nn.LayerNorm(d), dropout

    @override
    def forward(self, x: Float32[Tensor, "b h d"]) -> Float32[Tensor, "b h d"]:
        """Apply it."""
        return self.norm(x + self.dropout(self.outer(functional.gelu(self.inner(x)))))


@final
class EncoderBlock(nn.Module):
    """Self-attention and feed-forward, each with residual, dropout and layer normalisation after it."""

    def __init__(self, d: int, heads: int, dropout: Dropout, generator: torch.Generator) -> None:
        """Begin with `d` hidden units, as SASRec has."""
        super().__init__()
        self.attention = Attention(d, heads, generator)
        self.norm, self.dropout = nn.LayerNorm(d), dropout
        self.forward_block = FeedForward(d, d, dropout, generator)

    @override
    def forward(
        self, x: Float32[Tensor, "b h d"], seen: Bool[Tensor, "b #q h"], *, last: bool = False
    ) -> Float32[Tensor, "b asking d"]:
        """Apply the layer to each view, or to the newest alone if `last`; `seen` masks the keys of each query."""
        asking = x[:, -1:] if last else x
        return self.forward_block(
            self.norm(asking + self.dropout(self.attention(asking, x, seen[:, -1:] if last else seen)))
        )


@final
@dataclass(frozen=True)
class EncoderShape:
    """Size of an encoder.

    Attributes:
        h: Places, at most.
        d: Size of the vectors.
        heads: Heads of attention; divides `d`.
        layers: Blocks.
    """

    h: int
    d: int
    heads: int = 2
    layers: int = 1


@final
class SequenceEncoder(nn.Module):
    """Blocks of self-attention over a sequence with learned places; zeros where there is no view."""

    def __init__(
        self, shape: EncoderShape, generator: torch.Generator, dropout: float = 0.1, *, causal: bool = False
    ) -> None:
        """Begin with `shape.layers` blocks; `causal` hides later views from earlier ones."""
        super().__init__()
        self._causal = causal
        self.dropout = Dropout(dropout, generator)
        self.positions = Positions(shape.h, shape.d, generator)
        blocks = [EncoderBlock(shape.d, shape.heads, self.dropout, generator) for _ in range(shape.layers)]
        self.blocks = nn.ModuleList(blocks)

    @override
    def forward(self, x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]) -> Float32[Tensor, "b h d"]:
        """Encode each view."""
        visible, x = self._begin(x, mask)
        for block in self.blocks:
            x = block(x, visible)
        return x * mask[:, :, None]

    def last(self, x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]) -> Float32[Tensor, "b d"]:
        """Encode the newest view alone: what `forward` has in its last column, for less."""
        visible, x = self._begin(x, mask)
        for i, block in enumerate(self.blocks):
            x = block(x, visible, last=i == len(self.blocks) - 1)
        return x[:, -1] * mask[:, -1:]

    def _begin(
        self, x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]
    ) -> tuple[Bool[Tensor, "b #h h"], Float32[Tensor, "b h d"]]:
        """Return the views that each view may read, and the views with their places."""
        visible = mask[:, None, :]
        if self._causal:
            visible = visible & torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        return visible, self.dropout(self.positions(x, mask))


@final
class Gru(nn.Module):
    """A gated recurrent unit (Cho et al., EMNLP 2014) over right-aligned sequences; zeros where there is no view."""

    def __init__(self, n_in: int, n_out: int, generator: torch.Generator, *, backwards: bool = False) -> None:
        """Begin with Glorot weights; `backwards` reads from the newest to the oldest."""
        super().__init__()
        self._backwards = backwards
        self.cell = nn.GRU(n_in, n_out, batch_first=True, device="meta").to_empty(device="cpu")
        for name, weights in self.cell.named_parameters():
            if name.startswith("weight"):
                nn.init.xavier_uniform_(weights, generator=generator)
            else:
                nn.init.zeros_(weights)

    @override
    def forward(self, x: Float32[Tensor, "b h i"], mask: Bool[Tensor, "b h"]) -> Float32[Tensor, "b h o"]:
        """State after each view; sequences are moved to the left, so that padding is read last."""
        if self._backwards:
            return self.cell(x.flip(1))[0].flip(1) * mask[:, :, None]
        h = x.shape[1]
        lack = (h - mask.sum(1))[:, None]
        there = (torch.arange(h) + lack) % h
        back = (torch.arange(h) - lack) % h
        moved = x.gather(1, there[:, :, None].expand_as(x))
        states = self.cell(moved)[0]
        return states.gather(1, back[:, :, None].expand_as(states)) * mask[:, :, None]


@final
class TargetAttention(nn.Module):
    """DIN's activation unit: attention weights of a user's views per candidate.

    The weight of view k for candidate q is an MLP of (q, k, q - k, q * k) with one hidden layer, not normalised; the
    first layer is applied part by part, which is the same and needs no vector per pair.
    Zhou et al., KDD 2018, https://arxiv.org/abs/1706.06978.
    """

    def __init__(self, d: int, units: int, generator: torch.Generator) -> None:
        """Begin with `units` hidden units."""
        super().__init__()
        self.of_asking, self.of_key = linear(d, units, generator), linear(d, units, generator)
        self.of_product = normal_table(d, units, d**-0.5, generator)
        self.outer = linear(units, 1, generator)

    @override
    def forward(
        self, asking: Float32[Tensor, "b n d"], x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]
    ) -> Float32[Tensor, "b n d"]:
        """Weighted sum of the views for each candidate."""
        return (self.weights(asking, x) * mask[:, None, :]) @ x

    def weights(self, asking: Float32[Tensor, "b n d"], x: Float32[Tensor, "b h d"]) -> Float32[Tensor, "b n h"]:
        """Weight of each view for each candidate."""
        h, units = x.shape[1], self.of_product.shape[1]
        scaled = (x[:, :, :, None] * self.of_product).permute(0, 2, 1, 3).flatten(2)
        pairs = (asking @ scaled).unflatten(2, (h, units))
        hidden = pairs + self.of_asking(asking)[:, :, None] + self.of_key(x)[:, None]
        return self.outer(functional.relu(hidden))[..., 0]


@final
class FilterBlock(nn.Module):
    """FMLP-Rec's learnable filter: a product in the frequencies of time, so a circular convolution over the places.

    Zhou et al., WWW 2022, https://arxiv.org/abs/2202.13556.
    """

    def __init__(self, h: int, d: int, dropout: Dropout, generator: torch.Generator) -> None:
        """Start with small complex weights, stored as pairs; all sequences have length `h`."""
        super().__init__()
        self._h = h
        self.weight = nn.Parameter(torch.randn(h // 2 + 1, d, 2, generator=generator) * 0.02)
        self.norm, self.dropout = nn.LayerNorm(d), dropout
        self.forward_block = FeedForward(d, 4 * d, dropout, generator)

    @override
    def forward(self, x: Float32[Tensor, "b h d"]) -> Float32[Tensor, "b h d"]:
        """Filter and feed forward, each with its residual."""
        return self.forward_block(self.norm(x + self.dropout(self.filtered(x))))

    def filtered(self, x: Float32[Tensor, "b h d"]) -> Float32[Tensor, "b h d"]:
        """The filter alone."""
        spectrum = torch.fft.rfft(x, dim=1, norm="ortho") * torch.view_as_complex(self.weight)
        return torch.fft.irfft(spectrum, n=self._h, dim=1, norm="ortho")


@final
class Mmoe(nn.Module):
    """Experts shared by tasks, mixed by a gate per task.

    Ma et al., KDD 2018, https://doi.org/10.1145/3219819.3220007.
    """

    def __init__(self, sizes: tuple[int, ...], experts: int, tasks: int, generator: torch.Generator) -> None:
        """Begin with `experts` networks of these sizes, ReLU after each layer."""
        super().__init__()
        self.experts = nn.ModuleList([Mlp(sizes, generator) for _ in range(experts)])
        self.gates = nn.ModuleList([linear(sizes[0], experts, generator) for _ in range(tasks)])

    @override
    def forward(self, x: Float32[Tensor, "*b i"]) -> Float32[Tensor, "tasks *b o"]:
        """One vector per task."""
        outputs = torch.stack([functional.relu(expert(x)) for expert in self.experts], dim=-2)
        gates = torch.stack([gate(x) for gate in self.gates], dim=-2)
        return (functional.softmax(gates, dim=-1) @ outputs).movedim(-2, 0)


@final
class AttentivePool(nn.Module):
    """A sequence as one vector, places weighted by v . tanh(W x) (Yang et al., NAACL 2016); zeros for an empty one."""

    def __init__(self, d: int, generator: torch.Generator) -> None:
        """Begin with Glorot weights."""
        super().__init__()
        self.inner, self.outer = linear(d, d, generator), linear(d, 1, generator)

    @override
    def forward(self, x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]) -> Float32[Tensor, "b d"]:
        """Pool."""
        return weighted(self.outer(torch.tanh(self.inner(x)))[..., 0], x, mask)


def weighted(
    logits: Float32[Tensor, "b h"], x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]
) -> Float32[Tensor, "b d"]:
    """Mean of a sequence by the softmax of its logits; zeros for an empty one."""
    share = functional.softmax(logits.masked_fill(~mask, -1e9), dim=1) * mask
    return (share[:, None] @ x)[:, 0]


def mean(x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"]) -> Float32[Tensor, "b d"]:
    """Mean of a sequence; zeros for an empty one."""
    return (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)


def match(user: Float32[Tensor, "b d"], items: Float32[Tensor, "b n d"]) -> Float32[Tensor, "b n"]:
    """Inner product of one vector with several."""
    return (items @ user[:, :, None])[..., 0]
