"""Moments of many splits of the same users at once: one product of memberships with what each user did.

What a test needs of a bucket is its size, sums and sums of products, all linear in who belongs to it. So a thousand
splits are a matrix of memberships, and their moments are that matrix times the users' values and products.

Axes: `r` splits, `users` everybody, `k` columns of a block, `kk` those and products.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float64


@final
@dataclass(frozen=True)
class Moments:
    """One bucket of every split.

    Attributes:
        n: Users in it.
        mean: Of each column.
        covariance: Over its users; of the ratios' delta method all that is needed.
    """

    n: Float64[np.ndarray, " r"]
    mean: Float64[np.ndarray, "r k"]
    covariance: Float64[np.ndarray, "r k k"]

    def __add__(self, other: "Moments") -> "Moments":
        """Of both buckets together."""
        n = self.n + other.n
        apart = self.mean - other.mean
        between = apart[:, :, None] * apart[:, None, :] * (self.n * other.n / n)[:, None, None]
        scatter = self._scatter + other._scatter + between
        mean = (self.n[:, None] * self.mean + other.n[:, None] * other.mean) / n[:, None]
        return Moments(n, mean, scatter / (n - 1)[:, None, None])

    @property
    def _scatter(self) -> Float64[np.ndarray, "r k k"]:
        """Sums of products of distances from the means."""
        return self.covariance * (self.n - 1)[:, None, None]


@final
@dataclass(frozen=True)
class Sheet:
    """What each user did, laid out so that one product gives the moments of every split.

    Attributes:
        centres: Mean over everybody of the columns of each block, by its name; taken off before anything is squared, so
            that no digits are lost.
        values: Blocks side by side: their columns, then the products of each two of them.
    """

    centres: dict[str, Float64[np.ndarray, " k"]]
    values: Float64[np.ndarray, "users kk"]

    @staticmethod
    def of(blocks: dict[str, Float64[np.ndarray, "users _"]]) -> "Sheet":
        """Lay out blocks of columns."""
        centres = {name: columns.mean(axis=0) for name, columns in blocks.items()}
        parts: list[np.ndarray] = []
        for name, columns in blocks.items():
            away = columns - centres[name]
            at, to = np.triu_indices(columns.shape[1])
            parts += [away, away[:, at] * away[:, to]]
        return Sheet(centres, np.concatenate(parts, axis=1))

    def moments(self, members: Float64[np.ndarray, "r users"]) -> dict[str, Moments]:
        """Moments of the users that each split puts into a bucket, by block.

        Args:
            members: 1 for a user of the bucket, else 0; each row has two users or more.
        """
        sums, n = members @ self.values, members.sum(axis=1)
        found: dict[str, Moments] = {}
        first = 0
        for name, centre in self.centres.items():
            last = first + len(centre) * (len(centre) + 3) // 2
            found[name] = _moments(n, centre, sums[:, first:last])
            first = last
        return found


def _moments(
    n: Float64[np.ndarray, " r"], centre: Float64[np.ndarray, " k"], sums: Float64[np.ndarray, "r kk"]
) -> Moments:
    """One block's moments from sums of distances from the centre and of their products."""
    k = len(centre)
    at, to = np.triu_indices(k)
    mean = sums[:, :k] / n[:, None]
    covariance = np.empty((len(n), k, k))
    covariance[:, at, to] = (sums[:, k:] - n[:, None] * mean[:, at] * mean[:, to]) / (n - 1)[:, None]
    covariance[:, to, at] = covariance[:, at, to]
    return Moments(n, centre + mean, covariance)
