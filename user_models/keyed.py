"""Compiled scalar building blocks: keyed random numbers, and the decorator that compiles a kernel.

A key is a 64-bit word mixed from (seed, purpose, user, day, request, video); every draw is a pure function of
its key (SplitMix64's finalizer; Steele, Lea and Flood, OOPSLA 2014, https://doi.org/10.1145/2660193.2660195).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile to machine code at first call, keep the result on disk, release the GIL while running."""
    return cast("F", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
