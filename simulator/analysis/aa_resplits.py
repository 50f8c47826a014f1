"""A/A tests of the users at hand: split anew many times, with nothing to find, so that chance can be seen.

Every split is a keyed coin per user; sums are taken slice by slice, so memory does not grow with users.
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
    """Sums over users of n, d, n n, d d and n d, with n and d the sides of a metric, and their number.

    Attributes:
        heads: Of the users on one side, per split.
        total: Of all users.
    """

    heads: Float64[np.ndarray, "splits 6"]
    total: Float64[np.ndarray, " 6"]

    def __add__(self, other: "SplitSums") -> "SplitSums":
        """Of both slices together."""
        return SplitSums(self.heads + other.heads, self.total + other.total)


def coins(user_id: Int64[np.ndarray, " users"], seed: int) -> UInt64[np.ndarray, "words users"]:
    """Which side each user is on in each split, 64 splits a word; depends on seed, user and split alone."""
    word, lap = seed_word(seed, "re-split"), np.zeros(len(user_id), np.int32)
    return np.stack([row_keys(word, user_id, first, lap) for first in range(0, SPLITS, _BITS)])


def split_sums(metric: Ratio, words: UInt64[np.ndarray, "words users"], splits: int = SPLITS) -> SplitSums:
    """One slice of users, in so many of the splits."""
    n, d = metric.numerator, metric.denominator
    columns = np.stack([n, d, n * n, d * d, n * d, np.ones(len(n))])
    heads = np.zeros((len(columns), splits))
    add_splits(words, columns, np.empty(splits), heads)
    return SplitSums(np.ascontiguousarray(heads.T), columns.sum(axis=1))


def split_p_values(sums: SplitSums) -> Float64[np.ndarray, " splits"] | None:
    """Two-sided p-value of every split by the delta method; None where a side has no value or nothing varies."""
    value, variance = zip(*(_side(part) for part in (sums.heads, sums.total - sums.heads)), strict=True)
    with np.errstate(invalid="ignore"):
        spread = variance[0] + variance[1]
    if not np.isfinite(spread).all() or (spread <= 0).any():
        return None
    return 2 * norm.sf(np.abs(value[0] - value[1]) / np.sqrt(spread))


def resplits(metric: str, sums: SplitSums) -> Resplits:
    """What the splits of one metric say."""
    p_values, splits = split_p_values(sums), len(sums.heads)
    if p_values is None:
        reason = "the metric has no value or does not vary on one side of a split"
        reasons = {"rejected": reason, "ks_p_value": reason, "passed": reason}
        return Resplits(metric=metric, splits=splits, rejected=None, ks_p_value=None, passed=None, reasons=reasons)
    rejected, ks = float((p_values < 0.05).mean()), float(kstest(p_values, "uniform").pvalue)
    near = abs(rejected - 0.05) <= 3.29 * math.sqrt(0.05 * 0.95 / splits)
    return Resplits(metric=metric, splits=splits, rejected=rejected, ks_p_value=ks, passed=near and ks >= _ALARM)


def _side(
    sums: Float64[np.ndarray, "splits 6"],
) -> tuple[Float64[np.ndarray, " splits"], Float64[np.ndarray, " splits"]]:
    """The metric on one side of every split, and the variance of it; nan where it has none."""
    n, d, nn, dd, nd, users = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        value = n / d
        return value, (nn - 2 * value * nd + value**2 * dd) / d**2 * users / (users - 1)
