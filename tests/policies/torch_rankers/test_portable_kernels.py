"""Products and functions by NumPy are torch's: values, gradients, kinds of numbers, and what is refused."""

import os

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from policies.torch_rankers.training import one_thread


@pytest.fixture(autouse=True)
def _openblas():
    if os.environ.get("MKL_CBWR") != "COMPATIBLE":
        pytest.skip("torch's own products are used on this machine")
    with one_thread():
        yield


def numbers(*shape, dtype=torch.float64):
    return torch.from_numpy(np.random.default_rng(len(shape)).normal(size=shape)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("n", "m"), [(4, 5), (1, 5), (4, 1), (0, 5)])
def test_products_are_right(dtype, n, m):
    left, right = numbers(n, 3, dtype=dtype), numbers(3, m, dtype=dtype)
    product = left @ right
    assert product.dtype == dtype
    expected = left.double().numpy() @ right.double().numpy()
    assert_allclose(product.double().numpy(), expected, rtol=0.02 if dtype.itemsize == 2 else 1e-5, atol=0.02)


def test_products_of_views_that_skip_rows_and_columns_are_right():
    left, right = numbers(8, 12)[::2, ::3], numbers(12, 4)[::3].T.T
    assert_allclose((left @ right).numpy(), left.numpy() @ right.numpy(), rtol=1e-12)
    stacks = numbers(2, 5, 6)
    assert_allclose((stacks @ stacks.mT).numpy(), np.einsum("bij,bkj->bik", stacks.numpy(), stacks.numpy()), rtol=1e-12)
    assert_allclose((stacks.expand(2, 5, 6) @ stacks[:1].mT.expand(2, 6, 5))[1, 0, 0], stacks[1, 0] @ stacks[0, 0])


@pytest.mark.parametrize(("beta", "alpha"), [(1, 1), (0, 2), (0.5, -1)])
def test_sums_with_products_are_right(beta, alpha):
    row, left, right = numbers(5), numbers(4, 3), numbers(3, 5)
    total = torch.addmm(row, left, right, beta=beta, alpha=alpha)
    assert_allclose(total.numpy(), beta * row.numpy() + alpha * (left.numpy() @ right.numpy()), rtol=1e-12)
    nothing = torch.addmm(torch.full((5,), torch.nan), left, right, beta=0)
    assert not nothing.isnan().any()


def test_gradients_are_right():
    layer = nn.Linear(3, 2).double()
    assert torch.autograd.gradcheck(layer, numbers(4, 3).requires_grad_())
    stack = numbers(2, 3, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: x @ x.mT, stack)


def test_complex_and_whole_numbers_are_right():
    z = torch.complex(numbers(3, 3), numbers(3, 3))
    assert_allclose((z.mH @ z).numpy(), z.numpy().conj().T @ z.numpy())
    whole = torch.arange(6).view(2, 3)
    assert (whole @ whole.T).tolist() == [[5, 14], [14, 50]]


def test_unequal_sizes_and_types_are_refused():
    with pytest.raises(RuntimeError, match=r"\(2, 3\).*\(2, 3\)"):
        numbers(2, 3) @ numbers(2, 3)
    with pytest.raises(RuntimeError, match="float"):
        numbers(2, 3) @ numbers(3, 2).float()
    with pytest.raises(RuntimeError, match="given, want"):
        torch.mm(numbers(3), numbers(3, 2))


FUNCTIONS = ("sqrt", "exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "asin", "acos", "atan")


@pytest.mark.parametrize("name", [*FUNCTIONS, "tanh"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_functions_are_right(name, dtype):
    x = numbers(40, 7, dtype=dtype).abs().clamp(max=0.99)
    expected = getattr(torch, name)(x.double())
    tolerance = {torch.float32: 1e-6, torch.float64: 1e-14, torch.bfloat16: 0.02}[dtype]
    assert_allclose(getattr(torch, name)(x).double(), expected, rtol=tolerance, atol=tolerance)
    assert getattr(torch, name)(x).dtype == dtype
    assert torch.equal(getattr(x.clone(), f"{name}_")(), getattr(torch, name)(x))
    assert torch.autograd.gradcheck(getattr(torch, name), numbers(3, 2).abs().clamp(0.1, 0.9).requires_grad_())


def test_roots_are_the_nearest_floats():
    """No approximate instruction has a part in them: its last bits differ between makers of processors."""
    x = torch.from_numpy(np.random.default_rng(0).exponential(size=100_000).astype(np.float32))
    nearest = np.sqrt(x.double().numpy()).astype(np.float32)
    assert np.array_equal(x.sqrt().numpy(), nearest)
    assert np.array_equal(torch._foreach_sqrt([x])[0].numpy(), nearest)


@pytest.mark.parametrize("name", ["exp", "log", "tanh"])
def test_functions_of_single_precision_are_numpys(name):
    x = np.random.default_rng(0).exponential(size=100_000).astype(np.float32)
    assert np.array_equal(getattr(torch, name)(torch.from_numpy(x)).numpy(), getattr(np, name)(x))


def test_functions_of_whole_numbers_no_numbers_and_one_number():
    assert torch.tensor([4, 9]).sqrt().tolist() == [2.0, 3.0]
    assert torch.tensor([4, 9]).sqrt().dtype == torch.float32
    assert torch.tensor(-1.0).sqrt().isnan()
    assert torch.tensor(0.0).log() == -torch.inf
    assert torch.zeros(0, 3).exp().shape == (0, 3)
