"""Matrix products of torch by OpenBLAS, through NumPy, so that they are the same on every processor and fast.

MKL, which torch brings, has one branch that gives the same sums on processors of every maker, COMPATIBLE; its products
take six times as long. OpenBLAS takes the same kernel on every processor once `OPENBLAS_CORETYPE` names it, and is
near MKL's speed. What is not replaced here stays with MKL: as portable, only slower.
"""

import os
import warnings
from functools import cache

import numpy as np
import torch
from torch import Tensor

_SMALL: tuple[torch.dtype, ...] = (torch.float16, torch.bfloat16)
"""Kinds of numbers that NumPy has no products of, or slow ones."""


@cache
def use_openblas() -> None:
    """Give torch's matrix products on the CPU to OpenBLAS, where both libraries are held to one kernel.

    This holds for the whole process and until it ends.
    """
    if os.environ.get("MKL_CBWR") != "COMPATIBLE" or "OPENBLAS_CORETYPE" not in os.environ:
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Warning only once for all operators|.*[Oo]verriding", UserWarning)
        for name, product in (("mm", _product), ("bmm", _product), ("addmm", _sum_with_product)):
            _library().impl(name, product, "CPU", allow_override=True)


@cache
def _library() -> torch.library.Library:
    """Create the library of operators; they stay registered as long as it exists."""
    return torch.library.Library("aten", "IMPL")


def _product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply two matrices, or two stacks of them."""
    if left.dtype in _SMALL:
        return _product(left.float(), right.float()).to(left.dtype)
    fits = left.dim() == right.dim() > 1 and left.shape[-1] == right.shape[-2] and left.shape[:-2] == right.shape[:-2]
    if not fits or left.dtype != right.dtype:
        raise RuntimeError(
            f"matrix product of {tuple(left.shape)} {left.dtype} and {tuple(right.shape)} {right.dtype} given, "
            "want equal inner sizes and equal types"
        )
    return torch.from_numpy(np.matmul(_array(left), _array(right)))


def _sum_with_product(added: Tensor, left: Tensor, right: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """`beta * added + alpha * left @ right`; what is added may be one row for all, and does not count at `beta` 0."""
    out = _product(left, right)
    if alpha != 1:
        out.mul_(alpha)
    return out.add_(added, alpha=beta) if beta != 0 else out


def _array(matrix: Tensor) -> np.ndarray:
    """View a tensor as an array; copied where both axes are strided, which OpenBLAS cannot read."""
    strides = matrix.stride()
    return (matrix if strides[-1] == 1 or strides[-2] == 1 else matrix.contiguous()).numpy(force=True)
