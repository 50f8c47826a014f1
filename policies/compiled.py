"""The decorators that compile a kernel; kept on disk after the first call, without the GIL while running."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile to machine code at first call."""
    return cast("F", numba.njit(nogil=True, cache=True, error_model="numpy")(function))


def compiled_sums(function: F) -> F:
    """The same, with sums in whatever order the machine adds fastest.

    The order is fixed when the kernel is compiled, so equal rows still give equal bits on one machine.
    """
    fast = {"reassoc", "contract"}
    return cast("F", numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=fast)(function))
