"""Matrix products and elementary functions of torch through NumPy, so that they are the same on every processor.

Products: MKL, which torch brings, has one branch that gives the same sums on processors of every maker, COMPATIBLE; its
products take six times as long. OpenBLAS takes the same kernel on every processor once `OPENBLAS_CORETYPE` names it,
and is near MKL's speed. Products that are not replaced here stay with MKL: as portable, only slower.

Functions: MKL begins roots and other functions with the processor's approximate instructions (`rsqrtps`, `rcpps`).
Their last bits differ between makers, whatever branch is chosen: a sixth of torch's square roots are not the nearest
float. NumPy's are exact for roots, and use exactly rounded operations alone for the others.
"""

import os
import warnings
from collections.abc import Mapping
from functools import cache, partial
from typing import Final

import numpy as np
import torch
from torch import Tensor

_SMALL: tuple[torch.dtype, ...] = (torch.float16, torch.bfloat16)
"""Kinds of numbers that NumPy has no products of, or slow ones."""
_FUNCTIONS: Final[Mapping[str, np.ufunc]] = {
    "sqrt": np.sqrt,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "tanh": np.tanh,
}
"""Functions that torch takes from MKL."""


@cache
def use_portable_kernels() -> None:
    """Give torch's matrix products and functions on the CPU to NumPy, where libraries are held to one kernel.

    This holds for the whole process and until it ends.
    """
    if os.environ.get("MKL_CBWR") != "COMPATIBLE" or "OPENBLAS_CORETYPE" not in os.environ:
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Warning only once for all operators|.*[Oo]verriding", UserWarning)
        for name, product in (("mm", _product), ("bmm", _product), ("addmm", _sum_with_product)):
            _library().impl(name, product, "CPU", allow_override=True)
        for name, function in _FUNCTIONS.items():
            _library().impl(name, partial(_applied, function), "CPU", allow_override=True)
            _library().impl(f"{name}_", partial(_applied_in_place, function), "CPU", allow_override=True)


@cache
def _library() -> torch.library.Library:
    """Create the library of operators; they stay registered as long as it exists."""
    return torch.library.Library("aten", "IMPL")


def _applied(function: np.ufunc, x: Tensor) -> Tensor:
    """A function of every element; whole numbers become floats of torch's default kind."""
    if x.dtype in _SMALL:
        return _applied(function, x.float()).to(x.dtype)
    floats = x if x.is_floating_point() or x.is_complex() else x.to(torch.get_default_dtype())
    with np.errstate(all="ignore"):  # torch does not warn either
        return torch.from_numpy(np.asarray(function(floats.numpy(force=True))))


def _applied_in_place(function: np.ufunc, x: Tensor) -> Tensor:
    """The same, written over the elements."""
    return x.copy_(_applied(function, x))


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
