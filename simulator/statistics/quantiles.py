"""Distribution of watch time over users: quantiles per arm, with standard errors.

Users are counted in 18,421 bins of .1% width between a thousandth of a second and a day. So memory does not grow with
their number, and a quantile is exact to within .05%. Its error is that of the order statistics around it (Woodruff,
JASA 1952, https://doi.org/10.1080/01621459.1952.10483443); arms are independent, so squared errors add up.
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
    """Number of users per bin; the first bin is the value 0."""

    users: Int64[np.ndarray, " bins"]

    @staticmethod
    def of(values: Float64[np.ndarray, " users"]) -> "BinCounts":
        """Count values that are 0 or more; values outside the bins go into the outermost ones."""
        bins = np.zeros(len(values), np.int64)
        is_positive = values > 0
        bins[is_positive] = 1 + np.clip(np.floor(np.log(values[is_positive] / _LEAST) / _STEP), 0, _N_BINS - 2).astype(
            np.int64
        )
        return BinCounts(np.bincount(bins, minlength=_N_BINS).astype(np.int64))

    def __add__(self, other: "BinCounts") -> "BinCounts":
        """Add the counts of another slice."""
        return BinCounts(self.users + other.users)

    @property
    def n(self) -> int:
        """Number of users."""
        return int(self.users.sum())

    def quantile(self, levels: Float64[np.ndarray, " levels"]) -> Float64[np.ndarray, " levels"]:
        """Smallest value that the share `levels` of users do not exceed; levels are clipped to 0 and 1."""
        ranks = np.clip(np.ceil(levels * self.n), 1, self.n)
        bins = np.searchsorted(np.cumsum(self.users), ranks)
        return np.where(bins > 0, _LEAST * np.exp((bins - 0.5) * _STEP), 0.0)

    def error(self, levels: Float64[np.ndarray, " levels"]) -> Float64[np.ndarray, " levels"]:
        """Standard errors of quantiles."""
        level_reach = SURE * np.sqrt(levels * (1 - levels) / self.n)
        return (self.quantile(levels + level_reach) - self.quantile(levels - level_reach)) / (2 * SURE)
