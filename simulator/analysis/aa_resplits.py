"""A/A tests of a run's users: they are split at random many times, so any difference between the sides is chance.

Each user's side is a keyed coin per split. Sums are taken slice by slice, so memory does not grow with users.
Kohavi, Tang and Xu, Trustworthy Online Controlled Experiments, Cambridge University Press 2020, chapter 19.
"""

import math
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64, UInt64
from scipy.stats import kstest, norm

from simulator.analysis.moment_kernel import add_splits
from simulator.metrics import Ratio
from simulator.noise import row_keys, seed_word
from simulator.reports.sections import Resplits

SPLITS: Final = 200
_BITS: Final = 64
_ALARM: Final = 0.001


@final
@dataclass(frozen=True)
class SplitSums:
    """Sums over users of n, d, n n, d d and n d, and the number of users; n and d are the metric's sides.

    Attributes:
        heads: Sums over the users on one side, per split.
        total: Sums over all users.
    """

    heads: Float64[np.ndarray, "splits 6"]
    total: Float64[np.ndarray, " 6"]

    def __add__(self, other: "SplitSums") -> "SplitSums":
        """Add the sums of another slice."""
        return SplitSums(self.heads + other.heads, self.total + other.total)


def coins(user_id: Int64[np.ndarray, " users"], seed: int) -> UInt64[np.ndarray, "words users"]:
    """Draw the side of each user in each split, 64 splits per word, from seed, user and split alone."""
    word, lap = seed_word(seed, "re-split"), np.zeros(len(user_id), np.int32)
    return np.stack([row_keys(word, user_id, first, lap) for first in range(0, SPLITS, _BITS)])


def split_sums(metric: Ratio, words: UInt64[np.ndarray, "words users"], splits: int = SPLITS) -> SplitSums:
    """Sum a slice of users by split, for the first `splits` splits."""
    n, d = metric.numerator, metric.denominator
    columns = np.stack([n, d, n * n, d * d, n * d, np.ones(len(n))])
    heads = np.zeros((len(columns), splits))
    add_splits(words, columns, np.empty(splits), heads)
    return SplitSums(np.ascontiguousarray(heads.T), columns.sum(axis=1))


def split_p_values(sums: SplitSums) -> Float64[np.ndarray, " splits"] | None:
    """Two-sided p-value of each split by the delta method; None if a side has no value or does not vary."""
    value, variance = zip(*(_side(sums_of_side) for sums_of_side in (sums.heads, sums.total - sums.heads)), strict=True)
    with np.errstate(invalid="ignore"):
        spread = variance[0] + variance[1]
    if not np.isfinite(spread).all() or (spread <= 0).any():
        return None
    return 2 * norm.sf(np.abs(value[0] - value[1]) / np.sqrt(spread))


def resplits(metric: str, sums: SplitSums) -> Resplits:
    """Test the p-values of one metric's splits for being uniform."""
    p_values, splits = split_p_values(sums), len(sums.heads)
    if p_values is None:
        reason = "the metric has no value or does not vary on one side of a split"
        reasons = {"rejected": reason, "ks_p_value": reason, "passed": reason}
        return Resplits(metric=metric, splits=splits, rejected=None, ks_p_value=None, passed=None, reasons=reasons)
    rejected, ks = float((p_values < 0.05).mean()), float(kstest(p_values, "uniform").pvalue)
    rejects_as_planned = abs(rejected - 0.05) <= 3.29 * math.sqrt(0.05 * 0.95 / splits)
    return Resplits(
        metric=metric, splits=splits, rejected=rejected, ks_p_value=ks, passed=rejects_as_planned and ks >= _ALARM
    )


def _side(
    sums: Float64[np.ndarray, "splits 6"],
) -> tuple[Float64[np.ndarray, " splits"], Float64[np.ndarray, " splits"]]:
    """Value and variance of the metric on one side of each split; NaN where it has none."""
    n, d, nn, dd, nd, users = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        value = n / d
        return value, (nn - 2 * value * nd + value**2 * dd) / d**2 * users / (users - 1)
