"""Layers against what they are in formulas, and against padding."""

import pytest
import torch
from torch.nn import functional

from policies.sequential.dfn import Internal
from policies.torch_rankers.layers import (  # fmt: skip
    Attention,
    AttentivePool,
    Dropout,
    EncoderShape,
    FilterBlock,
    Gru,
    Mmoe,
    SequenceEncoder,
    TargetAttention,
)

B, H, D = 3, 7, 8
MASK = torch.tensor([[False] * 4 + [True] * 3, [True] * 7, [False] * 7])


def generator(seed=0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbers(*shape, seed=1) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed))


X = numbers(B, H, D) * MASK[:, :, None]


def widened(x: torch.Tensor, mask: torch.Tensor, n: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """The same sequences with `n` more columns of padding, which holds anything."""
    x = torch.cat([numbers(len(x), n, x.shape[2], seed=9), torch.where(mask[:, :, None], x, 5.0)], dim=1)
    return x, functional.pad(mask, (n, 0))


LAYERS = {
    "encoder": lambda: SequenceEncoder(EncoderShape(20, D, layers=2), generator()),
    "causal encoder": lambda: SequenceEncoder(EncoderShape(20, D, layers=2), generator(), causal=True),
    "gru": lambda: Gru(D, D, generator()),
    "backward gru": lambda: Gru(D, D, generator(), backwards=True),
    "pool": lambda: AttentivePool(D, generator()),
}


@pytest.mark.parametrize("name", ["encoder", "causal encoder", "gru", "pool"])
def test_padding_changes_nothing(name):
    layer = LAYERS[name]().eval()
    wide, mask = widened(X, MASK)
    narrow, found = layer(X, MASK), layer(wide, mask)
    torch.testing.assert_close(found if found.dim() == 2 else found[:, 2:], narrow, atol=1e-5, rtol=1e-5)
    assert not narrow[2].any()


def test_causal_states_know_nothing_of_later_views():
    causal, full = LAYERS["causal encoder"]().eval(), LAYERS["encoder"]().eval()
    later = X.clone()
    later[1, 5:] += 1
    torch.testing.assert_close(causal(later, MASK)[1, :5], causal(X, MASK)[1, :5])
    assert not torch.allclose(full(later, MASK)[1, :5], full(X, MASK)[1, :5], atol=1e-3)


def test_gru_is_torchs_on_the_views_alone():
    layer = LAYERS["gru"]()
    torch.testing.assert_close(layer(X, MASK)[0, 4:], layer.cell(X[:1, 4:])[0][0], atol=1e-6, rtol=1e-5)


def test_backward_gru_reads_from_the_newest():
    layer = LAYERS["backward gru"]()
    torch.testing.assert_close(layer(X, MASK)[0, 4:].flip(0), layer.cell(X[:1, 4:].flip(1))[0][0], atol=1e-6, rtol=1e-5)


def test_attention_finds_nothing_among_nothing():
    layer = Attention(D, 2, generator())
    asking = numbers(B, 4, D)
    found = layer(asking, X, MASK[:, None])
    assert not found[2].any()
    split = [part.unflatten(2, (2, 4)).transpose(1, 2) for part in (layer.ask(asking), layer.key(X), layer.value(X))]
    want = functional.softmax(split[0][1] @ split[1][1].transpose(1, 2) / 2, dim=2) @ split[2][1]
    torch.testing.assert_close(found[1], layer.out(want.transpose(0, 1).flatten(1)), atol=1e-5, rtol=1e-5)


def test_heads_divide_the_vectors():
    with pytest.raises(ValueError, match="heads=3 given for vectors of 8"):
        Attention(D, 3, generator())


@pytest.mark.parametrize("h", [6, 7])
def test_the_filter_is_a_circular_convolution(h):
    block = FilterBlock(h, D, Dropout(0.0, generator()), generator())
    x = numbers(2, h, D)
    kernel = torch.fft.irfft(torch.view_as_complex(block.weight), n=h, dim=0, norm="backward")
    places = torch.arange(h)
    want = sum(x[:, (places - lag) % h] * kernel[lag] for lag in range(h))
    torch.testing.assert_close(block.filtered(x), want, atol=1e-5, rtol=1e-4)


def test_a_filter_of_ones_is_the_identity():
    block = FilterBlock(H, D, Dropout(0.0, generator()), generator())
    with torch.no_grad():
        block.weight[..., 0], block.weight[..., 1] = 1, 0
    torch.testing.assert_close(block.filtered(X), X, atol=1e-6, rtol=1e-5)


def test_target_attention_is_din_of_every_pair():
    layer = TargetAttention(D, 5, generator())
    asking = numbers(B, 4, D)
    q, k = asking[:, :, None].expand(B, 4, H, D), X[:, None].expand(B, 4, H, D)
    ask, key = layer.of_asking, layer.of_key
    hidden = q @ ask.weight.T + ask.bias + k @ key.weight.T + key.bias + (q * k) @ layer.of_product
    want = layer.outer(functional.relu(hidden))[..., 0]
    torch.testing.assert_close(layer.weights(asking, X), want, atol=1e-5, rtol=1e-5)
    assert not layer(asking, X, MASK)[2].any()


def test_candidates_among_the_views_is_self_attention_with_each():
    layer = Internal(D, 2, generator())
    items = numbers(B, 4, D)
    found = layer(items, X, MASK)
    for i in range(B):
        for j in range(4):
            rows = torch.cat([X[i][MASK[i]], items[i, j : j + 1]])
            q, k, v = (part(rows).unflatten(1, (2, 4)).transpose(0, 1) for part in (layer.ask, layer.key, layer.value))
            attended = (functional.softmax(q @ k.transpose(1, 2) / 2, dim=2) @ v).transpose(0, 1).flatten(1)
            torch.testing.assert_close(found[i, j], layer.out(attended.mean(0)), atol=1e-5, rtol=1e-4)


def test_mixtures_mix_experts_by_their_gates():
    layer = Mmoe((D, 6), 3, 2, generator())
    x = numbers(5, D)
    experts = torch.stack([functional.relu(expert(x)) for expert in layer.experts])
    for task in range(2):
        gate = functional.softmax(layer.gates[task](x), dim=1)
        torch.testing.assert_close(layer(x)[task], torch.einsum("be,ebo->bo", gate, experts))


def test_dropout_is_by_its_own_generator():
    x = torch.ones(200, 100)
    first, same, other = (Dropout(0.25, generator(seed)).train()(x) for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert first.unique().tolist() == pytest.approx([0, 4 / 3])
    assert first.mean().item() == pytest.approx(1, abs=3.29 * (1 / 3 / x.numel()) ** 0.5)
    before = torch.get_rng_state()
    Dropout(0.5, generator()).train()(x)
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_does_nothing_in_serving():
    assert torch.equal(Dropout(0.5, generator()).eval()(X), X)
    with pytest.raises(ValueError, match=r"dropout=1\.0 given"):
        Dropout(1.0, generator())


@pytest.mark.parametrize("causal", [False, True])
def test_the_newest_view_alone_is_the_last_of_all(causal):
    encoder = SequenceEncoder(EncoderShape(20, D, layers=2), generator(), causal=causal).eval()
    assert torch.allclose(encoder.last(X, MASK), encoder(X, MASK)[:, -1], atol=1e-6)
