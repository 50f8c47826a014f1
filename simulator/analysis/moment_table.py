"""Moments of many metrics and buckets at once, added up over slices of users.

Axes: `cells` buckets, or segments by bucket; `metrics`; `g` hash groups of users. Columns of a metric are its two
sides, then both sides before the test, or their gains in another world.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64

from simulator.analysis.moment_kernel import TERMS, add_moments, add_sides
from simulator.metrics import Metric
from simulator.runs.user_day_chunks import UNIT
from simulator.statistics.groups import GroupMoments
from simulator.statistics.moments import Moments
from simulator.user_days import SUMS

_AT, _TO = np.triu_indices(4)
_PLACE: Final = {(int(i), int(j)): k for k, (i, j) in enumerate(zip(_AT, _TO, strict=True))}
_FULL: Final = np.array([[_PLACE[min(i, j), max(i, j)] for j in range(4)] for i in range(4)])


@final
@dataclass(frozen=True)
class MetricColumns:
    """Columns of metrics in an array of totals.

    Attributes:
        keys: Keys of the metrics.
        units: Divisor of each column of totals.
        columns: Indices of the columns of each sum, by metric and side; -1 is none.
        of_users: 1 where a side is one per user, by metric and side.
        scales: Factors on the numerators.
    """

    keys: tuple[str, ...]
    units: Float64[np.ndarray, " columns"]
    columns: Int64[np.ndarray, "metrics 2 most"]
    of_users: Float64[np.ndarray, "metrics 2"]
    scales: Float64[np.ndarray, " metrics"]

    @staticmethod
    def of(metrics: Sequence[Metric], names: Sequence[str]) -> "MetricColumns":
        """Find the columns of metrics among `names`."""
        sides = [(metric.numerator, metric.denominator or ()) for metric in metrics]
        max_columns = max(len(side) for columns_by_side in sides for side in columns_by_side)
        columns = np.full((len(metrics), 2, max_columns), -1, np.int64)
        for index, columns_by_side in enumerate(sides):
            for side, column_names in enumerate(columns_by_side):
                columns[index, side, : len(column_names)] = [names.index(name) for name in column_names]
        return MetricColumns(
            keys=tuple(metric.key for metric in metrics),
            units=np.array([float(UNIT) if name in SUMS else 1.0 for name in names]),
            columns=columns,
            of_users=np.array([[0.0, float(metric.denominator is None)] for metric in metrics]),
            scales=np.array([metric.scale for metric in metrics]),
        )

    def sides(self, totals: Int64[np.ndarray, "columns users"]) -> Float64[np.ndarray, "metrics 2 users"]:
        """Compute numerators and denominators of users from their totals."""
        sides = np.empty((len(self.keys), 2, totals.shape[1]))
        add_sides(totals, self.units, self.columns, self.of_users, self.scales, sides)
        return sides


@final
@dataclass(frozen=True)
class MomentTable:
    """Moments by cell and metric; see `GroupMoments`.

    Attributes:
        cells: Names of the cells.
        metrics: Keys of the metrics.
        columns: Number of columns in use, 2 or 4.
        n: Number of users.
        total: Sum of each column.
        scatter: Sums of products of distances from the group's means, upper triangle.
        cubes: Sums of cubes of the first two columns.
        ends: Number of users whose value is not 0, smallest and largest value.
    """

    cells: tuple[str, ...]
    metrics: tuple[str, ...]
    columns: int
    n: Float64[np.ndarray, "cells g"]
    total: Float64[np.ndarray, "cells metrics g 4"]
    scatter: Float64[np.ndarray, "cells metrics g 10"]
    cubes: Float64[np.ndarray, "cells metrics g 4"]
    ends: Float64[np.ndarray, "cells metrics 3 4"]

    def __add__(self, other: "MomentTable") -> "MomentTable":
        """Add the moments of other users (Chan, Golub and LeVeque, The American Statistician 1983)."""
        n = self.n + other.n
        n_here, n_there = (np.maximum(table.n, 1)[:, None, :, None] for table in (self, other))
        mean_difference = self.total / n_here - other.total / n_there
        weight = (self.n * other.n / np.maximum(n, 1))[:, None, :, None]
        ends = np.stack(
            [
                self.ends[:, :, 0] + other.ends[:, :, 0],
                np.minimum(self.ends[:, :, 1], other.ends[:, :, 1]),
                np.maximum(self.ends[:, :, 2], other.ends[:, :, 2]),
            ],
            axis=2,
        )
        between_products = mean_difference[..., _AT] * mean_difference[..., _TO] * weight
        return replace(
            self,
            n=n,
            total=self.total + other.total,
            scatter=self.scatter + other.scatter + between_products,
            cubes=self.cubes + other.cubes,
            ends=ends,
        )

    def take(self, cells: range) -> "MomentTable":
        """Select a range of cells."""
        at = slice(cells.start, cells.stop)
        return replace(
            self,
            cells=self.cells[at],
            n=self.n[at],
            total=self.total[at],
            scatter=self.scatter[at],
            cubes=self.cubes[at],
            ends=self.ends[at],
        )

    def group_moments(self, cell: str, metric: str) -> GroupMoments:
        """Moments of one bucket by hash group of users."""
        i, j, k = self.cells.index(cell), self.metrics.index(metric), self.columns
        n_nonzero, least, greatest = self.ends[i, j, :, :k]
        scatter = self.scatter[i, j][:, _FULL[:k, :k]]
        total, cubes = self.total[i, j, :, :k], self.cubes[i, j]
        return GroupMoments(self.n[i], total, scatter, cubes, n_nonzero.astype(np.int64), least, greatest)

    def moments(self, cell: str, metric: str) -> Moments:
        """Moments of one cell whose users are all in one group."""
        i, j = self.cells.index(cell), self.metrics.index(metric)
        n_nonzero = tuple(int(users) for users in self.ends[i, j, 0])
        return Moments(int(self.n[i, 0]), self.total[i, j, 0], self.scatter[i, j, 0][_FULL], n_nonzero)

    def users(self, cell: str) -> int:
        """Number of users of a cell."""
        return int(self.n[self.cells.index(cell)].sum())


@final
class MomentSums:
    """Sums over users so far; products are of distances from the first users' means, which keeps precision.

    Users have to be added in order of id; then the sums depend on the users alone.
    """

    def __init__(self, metrics: tuple[str, ...], groups: int) -> None:
        """Start without cells."""
        self.metrics, self.groups = metrics, groups
        self.centre: Float64[np.ndarray, "metrics 4"] | None = None
        self.n = np.zeros((0, groups))
        self.sums = np.zeros((0, len(metrics), groups, TERMS))
        self.ends = np.zeros((0, len(metrics), 3, 4))

    def add(
        self,
        first: Float64[np.ndarray, "metrics 2 users"],
        second: Float64[np.ndarray, "metrics 2 users"],
        cell: Int64[np.ndarray, " users"],
        group: Int64[np.ndarray, " users"],
        cells: int,
    ) -> None:
        """Add a slice of users; `cells` is the number of all cells so far."""
        centre = self.centre
        if centre is None:
            centre = np.concatenate([first, second], axis=1).cumsum(axis=2)[:, :, -1] / first.shape[2]
        self.centre = centre
        self._grow(cells)
        inside = cell >= 0
        self.n += np.bincount(cell[inside] * self.groups + group[inside], minlength=self.n.size).reshape(self.n.shape)
        add_moments(first, second, cell, group, centre, self.sums, self.ends)

    def _grow(self, cells: int) -> None:
        """Add cells up to `cells`."""
        n_new_cells = cells - len(self.n)
        if n_new_cells <= 0:
            return
        self.n = np.concatenate([self.n, np.zeros((n_new_cells, self.groups))])
        self.sums = np.concatenate([self.sums, np.zeros((n_new_cells, *self.sums.shape[1:]))])
        ends = np.zeros((n_new_cells, *self.ends.shape[1:]))
        ends[:, :, 1], ends[:, :, 2] = np.inf, -np.inf
        self.ends = np.concatenate([self.ends, ends])

    def table(self, cells: tuple[str, ...], columns: int) -> MomentTable:
        """Compute the moments; `columns` is 2 if the second pair of columns is not used."""
        total, products, cubes = np.split(self.sums, [4, 14], axis=-1)
        centre = np.zeros((len(self.metrics), 4)) if self.centre is None else self.centre
        shift = total - self.n[:, None, :, None] * centre[None, :, None, :]
        scatter = products - shift[..., _AT] * shift[..., _TO] / np.maximum(self.n, 1)[:, None, :, None]
        squares = _AT == _TO
        scatter[..., squares] = np.maximum(scatter[..., squares], 0.0)
        return MomentTable(cells, self.metrics, columns, self.n, total, scatter, cubes, self.ends)
