"""Moments of buckets: the few numbers that the statistics need, for any number of users.

Users are taken in slices of consecutive ids. The moments of slices are merged in order of id (Chan, Golub and LeVeque,
The American Statistician 1983, https://doi.org/10.1080/00031305.1983.10483115), so they depend on the users alone:
not on files, row groups or threads.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Final, final

import numpy as np
from jaxtyping import Float64

ROUNDING: Final = 1e-12
"""Variance, relative to that of the metric's sides, below which it is only rounding."""


@final
@dataclass(frozen=True)
class Moments:
    """Count, sums, and sums of centred products of a few columns.

    Attributes:
        n: Number of users.
        total: Sum of each column.
        scatter: Sum over users of the product of each two columns' distances from their means.
        present: Number of users whose value is not 0, by column.
    """

    n: int
    total: Float64[np.ndarray, " k"]
    scatter: Float64[np.ndarray, "k k"]
    present: tuple[int, ...]

    @staticmethod
    def of(columns: tuple[Float64[np.ndarray, " users"], ...]) -> "Moments":
        """Compute moments of a slice of users, in the order of the rows."""
        n, k = len(columns[0]), len(columns)
        total = np.array([column.sum() for column in columns])
        centred = [column - column.mean() if n else column for column in columns]
        scatter = np.zeros((k, k))
        for i, j in combinations_with_replacement(range(k), 2):
            scatter[i, j] = scatter[j, i] = (centred[i] * centred[j]).sum()
        return Moments(n, total, scatter, tuple(int(np.count_nonzero(column)) for column in columns))

    def __add__(self, other: "Moments") -> "Moments":
        """Add the moments of another slice."""
        if not self.n or not other.n:
            return self if self.n else other
        mean_difference = self.total / self.n - other.total / other.n
        n = self.n + other.n
        between_products = np.outer(mean_difference, mean_difference) * (self.n * other.n / n)
        present = tuple(a + b for a, b in zip(self.present, other.present, strict=True))
        return Moments(n, self.total + other.total, self.scatter + other.scatter + between_products, present)

    def take(self, columns: tuple[int, ...]) -> "Moments":
        """Select columns, in the order given."""
        indices = list(columns)
        present = tuple(self.present[column] for column in columns)
        return Moments(self.n, self.total[indices], self.scatter[np.ix_(indices, indices)], present)

    def combined(self, weights: Float64[np.ndarray, "new k"]) -> "Moments":
        """Moments of weighted sums of the columns; `present` is the largest one of the columns with a weight."""
        present = tuple(max(n for n, w in zip(self.present, row, strict=True) if w) for row in weights)
        return Moments(self.n, weights @ self.total, weights @ self.scatter @ weights.T, present)

    def variance_of(self, weights: Float64[np.ndarray, " k"]) -> float | None:
        """Variance over users of a weighted sum of columns; None for fewer than two users, 0 if it is only rounding."""
        if self.n < 2:
            return None
        covariance = self.covariance
        variance, sides = float(weights @ covariance @ weights), float(weights**2 @ np.diag(covariance))
        return variance if variance > ROUNDING * sides else 0.0

    @property
    def covariance(self) -> Float64[np.ndarray, "k k"]:
        """Covariance over users, of which there have to be at least two."""
        return self.scatter / (self.n - 1)


def effective_sample_size(spread: Moments, column: int) -> float:
    """Kish's effective sample size of a column, (sum x)^2 / sum x^2 (Kish, Survey Sampling, 1965).

    If a few users make up most of a total, as with hates, a bucket of thousands holds no more information on it than
    a few dozen equal users, and the delta method's variance is too small.
    """
    total, scatter = float(spread.total[column]), float(spread.scatter[column, column])
    return 1 / (scatter / total / total + 1 / spread.n) if total else 0.0


def ratio_of(spread: Moments) -> float | None:
    """Value of the metric; None if its denominator sums to 0."""
    denominator = float(spread.total[1])
    return float(spread.total[0]) / denominator if denominator else None
