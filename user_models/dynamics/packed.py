"""Bundles of arrays laid out one record per item, so that a kernel is handed one array and reads one place in memory.

Handing a kernel a bundle of fifty arrays costs it more than answering a slate. A record array answers to the same
names inside a kernel (`users.taste[user, j]`), so kernels take either.
"""

from typing import Any, TypeAlias, cast

import numpy as np

Packed: TypeAlias = Any
"""A record array; inside a kernel it has the attributes of the bundle that it was packed from."""


def pack(bundle: tuple[np.ndarray, ...]) -> Packed:
    """One record per item of a named tuple of arrays that share their first axis."""
    arrays = dict(zip(_names(bundle), bundle, strict=True))
    kind = np.dtype([(name, array.dtype, array.shape[1:]) for name, array in arrays.items()], align=True)
    return _filled(np.zeros(len(bundle[0]), kind), arrays)


def pack_row(bundle: tuple[Any, ...]) -> Packed:
    """A named tuple of numbers and small arrays as a table of one record, which kernels read as `table[0]`."""
    arrays = {name: np.asarray(value) for name, value in zip(_names(bundle), bundle, strict=True)}
    kind = np.dtype([(name, array.dtype, array.shape) for name, array in arrays.items()], align=True)
    return _filled(np.zeros(1, kind), {name: array[None] for name, array in arrays.items()})


def _names(bundle: tuple[Any, ...]) -> tuple[str, ...]:
    """Field names of a named tuple."""
    return cast("Any", bundle)._fields


def _filled(table: np.ndarray, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The table with its fields written."""
    for name, array in arrays.items():
        table[name] = array
    return table
