"""The distribution of watching over users: quantiles per arm, and how they differ.

Users are counted in 18,421 bins of .1% width between a thousandth of a second and a day, so memory does not grow with
their number and a quantile is told to within .05%. Its error is that of the order statistics around it (Woodruff, JASA
1952, https://doi.org/10.1080/01621459.1952.10483443); arms are independent, so squared errors add up.
"""

import math
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64

LEVELS: Final = tuple(level / 20 for level in range(1, 20))
_LEAST: Final = 1e-3
_STEP: Final = 1e-3
_N_BINS: Final = 1 + math.ceil(math.log(1e8) / _STEP)
SURE: Final = 1.959964
"""Standard errors from the middle of a 95% interval to its ends."""


@final
@dataclass(frozen=True)
class BinCounts:
    """Users per bin: the first holds those with exactly nothing."""

    users: Int64[np.ndarray, " bins"]

    @staticmethod
    def of(values: Float64[np.ndarray, " users"]) -> "BinCounts":
        """Of values that are 0 or more; what lies outside the bins goes into the outermost."""
        bins = np.zeros(len(values), np.int64)
        some = values > 0
        bins[some] = 1 + np.clip(np.floor(np.log(values[some] / _LEAST) / _STEP), 0, _N_BINS - 2).astype(np.int64)
        return BinCounts(np.bincount(bins, minlength=_N_BINS).astype(np.int64))

    def __add__(self, other: "BinCounts") -> "BinCounts":
        """Of both slices together."""
        return BinCounts(self.users + other.users)

    @property
    def n(self) -> int:
        """All users."""
        return int(self.users.sum())

    def quantile(self, levels: Float64[np.ndarray, " levels"]) -> Float64[np.ndarray, " levels"]:
        """The least value that so many users do not exceed; levels are cut off at 0 and 1."""
        ranks = np.clip(np.ceil(levels * self.n), 1, self.n)
        bins = np.searchsorted(np.cumsum(self.users), ranks)
        return np.where(bins > 0, _LEAST * np.exp((bins - 0.5) * _STEP), 0.0)

    def error(self, levels: Float64[np.ndarray, " levels"]) -> Float64[np.ndarray, " levels"]:
        """Standard errors of quantiles."""
        off = SURE * np.sqrt(levels * (1 - levels) / self.n)
        return (self.quantile(levels + off) - self.quantile(levels - off)) / (2 * SURE)
