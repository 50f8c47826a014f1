"""Decorators that compile a kernel; cached on disk after the first call, without the GIL while running."""

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])
_log = logging.getLogger("askew.compiled")
_NO_FOLDER: Final = (
    "no folder to keep compiled code in, so each command compiles for some seconds; set NUMBA_CACHE_DIR to a folder "
    "that can be written"
)
"""Said by whichever package compiles first."""


def _past_renames(kernel: Any) -> Any:  # noqa: ANN401 - numba's own type
    """Recompile when the index on disk names a class that has since been renamed or moved.

    numba reads the whole index before it looks at the date of the source file, and ends in AttributeError there.
    """
    index = kernel._cache._cache_file
    read = index._load_index

    def read_or_nothing() -> dict[Any, str]:
        try:
            return read()
        except (AttributeError, ImportError):
            return {}

    index._load_index = read_or_nothing
    return kernel


def _cached(**options: Any) -> Callable[[F], F]:  # noqa: ANN401 - what numba takes
    """Compile without the GIL and keep the result on disk, or in memory where numba finds no folder to write to."""

    def keep(function: F) -> F:
        try:
            return cast(
                "F", _past_renames(numba.njit(nogil=True, error_model="numpy", cache=True, **options)(function))
            )
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            _log.warning("askew: %s", _NO_FOLDER)
            _log.disabled = True
            return cast("F", numba.njit(nogil=True, error_model="numpy", **options)(function))

    return keep


def compiled(function: F) -> F:
    """Compile to machine code at first call.

    Arrays are borrowed from the caller and never counted: numba counts references with atomic operations, which
    cost more than a score. So a function compiled like this makes no arrays; it writes into those it is given.
    """
    return _cached(_nrt=False)(function)


def compiled_sums(function: F) -> F:
    """Compile a function whose sums may be reordered for speed.

    The order is fixed when the kernel is compiled, so equal rows still give equal bits on one machine.
    """
    return _cached(_nrt=False, fastmath={"reassoc", "contract"})(function)


def compiled_with_room(function: F) -> F:
    """Compile a function that allocates arrays."""
    return _cached()(function)
