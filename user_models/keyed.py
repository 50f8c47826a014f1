"""Compiled scalar building blocks: keyed random numbers, and the decorator that compiles a kernel.

A key is a 64-bit word mixed from (seed, purpose, user, day, request, video); every draw is a pure function of
its key (SplitMix64's finalizer; Steele, Lea and Flood, OOPSLA 2014, https://doi.org/10.1145/2660193.2660195).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile to machine code at first call, keep the result on disk, release the GIL while running.

    Arrays are borrowed from the caller and never counted: numba counts references with atomic operations, which
    cost more than a view itself. So a function compiled like this makes no arrays; it writes into those it is given.
    """
    borrowed = numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)  # pyright: ignore[reportCallIssue] # _nrt is real, if unlisted
    return cast("F", borrowed(function))


def compiled_inline(function: F) -> F:
    """The same for a function that is put in wherever a kernel calls it: bundles of arrays are slow to hand over."""
    within = numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False, forceinline=True)  # pyright: ignore[reportCallIssue] # as above
    return cast("F", within(function))


def compiled_with_room(function: F) -> F:
    """The same for a function that makes arrays to work in."""
    return cast("F", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
