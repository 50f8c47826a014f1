"""Moments of one metric by hash group of users, for the delete-a-group jackknife.

Users are put into `GROUPS` groups by a hash of their id, so groups do not depend on files, shards or the order of rows.
Leaving out one group is then total minus group (delete-a-group jackknife: Kott, Journal of Official Statistics 17,
2001, page 521; Shao and Tu, The Jackknife and Bootstrap, Springer 1995).

Axes: `g` groups of users, `k` columns: numerator, denominator, then covariates. Leading axes are samples, such as the
splits of an audit; one sample has none.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from simulator.assignment import hash_share
from simulator.metrics import Ratio
from simulator.statistics.moments import Moments

GROUPS: Final = 100
"""Number of groups of users."""
_SALT: Final = "jackknife"
"""Salt that makes the groups independent of the buckets, which use the same hash."""


def group_of(user_id: np.ndarray) -> Int64[np.ndarray, " users"]:
    """The group of each user, from 0 to `GROUPS` - 1; ids are whole numbers or anything that pandas can hash.

    >>> group_of(np.array([1, 2, 3])).tolist() == group_of(np.array([1, 2, 3], np.int32)).tolist()
    True
    """
    ids = np.asarray(user_id)
    if ids.dtype.kind in "iu":
        return (hash_share(ids.astype(np.int64), _SALT) * GROUPS).astype(np.int64)
    hashed = pd.util.hash_array(ids.astype(str).astype(object), categorize=True)
    return (hashed % np.uint64(GROUPS)).astype(np.int64)


@final
@dataclass(frozen=True)
class GroupMoments:
    """Counts, sums, and sums of centred products of a few columns, by group of users.

    Attributes:
        n: Number of users.
        total: Sum of each column.
        scatter: Sum over the group's users of the product of each two columns' distances from the group's means.
        cubes: Sums of x^3, x^2 y, x y^2 and y^3, with x the first column and y the second.
        present: Number of users of all groups whose value is not 0, by column.
        least: Smallest value of each column over all groups; infinite without users.
        greatest: Largest value of each column over all groups; minus infinite without users.
    """

    n: Float64[np.ndarray, "*r g"]
    total: Float64[np.ndarray, "*r g k"]
    scatter: Float64[np.ndarray, "*r g k k"]
    cubes: Float64[np.ndarray, "*r g 4"]
    present: Int64[np.ndarray, " k"]
    least: Float64[np.ndarray, " k"]
    greatest: Float64[np.ndarray, " k"]

    @staticmethod
    def of(columns: tuple[Float64[np.ndarray, " users"], ...], group: Int64[np.ndarray, " users"]) -> "GroupMoments":
        """Compute moments of columns by group, in the order of the rows."""

        def added(values: Float64[np.ndarray, " users"]) -> Float64[np.ndarray, " g"]:
            return np.bincount(group, weights=values, minlength=GROUPS).astype(np.float64)  # whole numbers if empty

        n, k = np.bincount(group, minlength=GROUPS).astype(np.float64), len(columns)
        total = np.stack([added(column) for column in columns], axis=1)
        mean = total / np.maximum(n, 1)[:, None]
        centred = [column - mean[group, i] for i, column in enumerate(columns)]
        scatter = np.zeros((GROUPS, k, k))
        for i, j in combinations_with_replacement(range(k), 2):
            scatter[:, i, j] = scatter[:, j, i] = added(centred[i] * centred[j])
        x, y = columns[:2]
        cubes = np.stack([added(x * x * x), added(x * x * y), added(x * y * y), added(y * y * y)], axis=1)
        present = np.array([np.count_nonzero(column) for column in columns], np.int64)
        least = np.array([column.min(initial=np.inf) for column in columns])
        greatest = np.array([column.max(initial=-np.inf) for column in columns])
        return GroupMoments(n, total, scatter, cubes, present, least, greatest)

    def __add__(self, other: "GroupMoments") -> "GroupMoments":
        """Add the moments of another slice (Chan, Golub and LeVeque, The American Statistician 1983)."""
        n = self.n + other.n
        mean_difference = self.total / np.maximum(self.n, 1)[:, None] - other.total / np.maximum(other.n, 1)[:, None]
        weight = self.n * other.n / np.maximum(n, 1)
        between_products = mean_difference[:, :, None] * mean_difference[:, None, :] * weight[:, None, None]
        return GroupMoments(
            n,
            self.total + other.total,
            self.scatter + other.scatter + between_products,
            self.cubes + other.cubes,
            self.present + other.present,
            np.minimum(self.least, other.least),
            np.maximum(self.greatest, other.greatest),
        )

    def take(self, columns: tuple[int, ...]) -> "GroupMoments":
        """Select columns, in the order given; the first two stay the first two, so that `cubes` stay valid.

        Raises:
            ValueError: The first two columns are not 0 and 1.
        """
        if columns[:2] != (0, 1):
            raise ValueError(f"columns {columns} given, want 0 and 1 first")
        indices = list(columns)
        scatter = self.scatter[..., indices, :][..., indices]
        least_and_greatest = self.least[indices], self.greatest[indices]
        return GroupMoments(
            self.n, self.total[..., indices], scatter, self.cubes, self.present[indices], *least_and_greatest
        )

    def combined(self, weights: Float64[np.ndarray, "new k"]) -> "GroupMoments":
        """Moments of weighted sums of the columns, without cubes and extreme values: the jackknife needs none."""
        scatter = (weights[:, :, None, None] * weights[None, None, :, :]).transpose(0, 2, 1, 3)
        combined_scatter = np.array(
            [
                [(scatter[i, j] * self.scatter).sum(axis=(1, 2)) for j in range(len(weights))]
                for i in range(len(weights))
            ]
        )
        present = np.array([self.present[row != 0].max(initial=0) for row in weights], np.int64)
        unknown_values = np.full((GROUPS, 4), np.nan), np.full(len(weights), np.nan)
        total = (self.total[:, None, :] * weights).sum(axis=2)
        return GroupMoments(
            self.n,
            total,
            np.moveaxis(combined_scatter, 2, 0),
            unknown_values[0],
            present,
            unknown_values[1],
            unknown_values[1],
        )

    @property
    def whole(self) -> Moments:
        """Moments of all groups together."""
        samples = self.samples()
        present = tuple(int(users) for users in self.present)
        return Moments(int(samples.n), self.total.sum(axis=0), samples.scatter, present)

    def samples(self) -> "Samples":
        """Samples of all users, without the axis of groups."""
        n, centre, first, second = self._about_centre()
        return _sample(n.sum(axis=-1), centre, first.sum(axis=-2), second.sum(axis=-3))

    def without_each(self) -> "Samples":
        """Samples without each group in turn, on a last axis; see `left_out`."""
        n, centre, first, second = self._about_centre()
        return _sample(
            n.sum(axis=-1)[..., None] - n,
            centre[..., None, :],
            first.sum(axis=-2)[..., None, :] - first,
            second.sum(axis=-3)[..., None, :, :] - second,
        )

    @property
    def left_out(self) -> Bool[np.ndarray, "*r g"]:
        """Groups that have users and are not the only ones that do."""
        return (self.n > 0) & (self.n < self.n.sum(axis=-1)[..., None])

    def _about_centre(
        self,
    ) -> tuple[
        Float64[np.ndarray, "*r g"],
        Float64[np.ndarray, "*r k"],
        Float64[np.ndarray, "*r g k"],
        Float64[np.ndarray, "*r g k k"],
    ]:
        """Numbers of users, the overall mean, and each group's sums of distances from it and of their products."""
        n = self.n
        centre = self.total.sum(axis=-2) / np.maximum(n.sum(axis=-1), 1.0)[..., None]
        first = self.total - n[..., None] * centre[..., None, :]
        second = self.scatter + first[..., :, None] * (first / np.maximum(n, 1)[..., None])[..., None, :]
        return n, centre, first, second


def metric_moments(test: Ratio, ratio_before: Ratio | None, group: Int64[np.ndarray, " users"]) -> GroupMoments:
    """Moments of a metric's sides, during the test and before it, by group of users."""
    sides = (test.numerator, test.denominator)
    return GroupMoments.of(
        sides if ratio_before is None else (*sides, ratio_before.numerator, ratio_before.denominator), group
    )


@final
@dataclass(frozen=True)
class Samples:
    """Moments of samples of users; leading axes are those of the samples.

    Attributes:
        n: Number of users, shape [...].
        mean: Mean of each column, shape [..., k].
        scatter: Sums of products of distances from the means, shape [..., k, k].
    """

    n: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray

    def with_axis(self) -> "Samples":
        """Add a last axis of length 1, to combine with samples that leave out groups."""
        return Samples(self.n[..., None], self.mean[..., None, :], self.scatter[..., None, :, :])


def _sample(n: np.ndarray | np.float64, centre: np.ndarray, first: np.ndarray, second: np.ndarray) -> Samples:
    """Make samples from sums of distances from a common centre, and of their products."""
    n = np.asarray(n, np.float64)
    shift = first / np.maximum(n, 1)[..., None]
    return Samples(n, centre + shift, second - first[..., :, None] * shift[..., None, :])
