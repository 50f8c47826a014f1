"""The decorators that compile a kernel; kept on disk after the first call, without the GIL while running."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile to machine code at first call.

    Arrays are borrowed from the caller and never counted: numba counts references with atomic operations, which
    cost more than a score. So a function compiled like this makes no arrays; it writes into those it is given.
    """
    borrowed = numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False)  # pyright: ignore[reportCallIssue] # _nrt is real, if unlisted
    return cast("F", borrowed(function))


def compiled_sums(function: F) -> F:
    """The same, with sums in whatever order the machine adds fastest.

    The order is fixed when the kernel is compiled, so equal rows still give equal bits on one machine.
    """
    fast = {"reassoc", "contract"}
    borrowed = numba.njit(nogil=True, cache=True, error_model="numpy", _nrt=False, fastmath=fast)  # pyright: ignore[reportCallIssue] # _nrt is real, if unlisted
    return cast("F", borrowed(function))


def compiled_with_room(function: F) -> F:
    """The same as `compiled` for a function that makes arrays to work in."""
    return cast("F", numba.njit(nogil=True, cache=True, error_model="numpy")(function))
