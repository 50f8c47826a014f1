"""Many splits of the same users at once, by one matrix product.

The moments of a bucket are sums over its users: counts, sums, sums of products and of cubes. So the moments of a
thousand splits are a matrix of memberships times the users' values; if a metric has covariates, there is one product
per group of users. `simulator.statistics.estimator` then takes all splits in one call.

Axes: `r` splits, `users` all users, `g` groups of users, `k` columns of a block, `kk` those, their products and cubes.
"""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import final

import numpy as np
from jaxtyping import Float64, Int64
from scipy import stats

from simulator.statistics.comparison import (
    CONFIDENCE,
    NEAR_ZERO,
    lift_ends,
    lift_p_value,
    same_sign,
    standard_errors_from_zero,
)
from simulator.statistics.estimator import Adjustment, ErrorMethod, estimate
from simulator.statistics.groups import GROUPS, GroupMoments


@final
@dataclass(frozen=True)
class Block:
    """Columns of one metric: numerator, denominator, and covariates.

    Attributes:
        columns: Columns of each user.
        grouped: Whether moments are by group of users; else all users are one group.
    """

    columns: Float64[np.ndarray, "users k"]
    grouped: bool


@final
@dataclass(frozen=True)
class SplitDesign:
    """Users' values, arranged so that matrix products give the moments of every split.

    Attributes:
        blocks: Blocks by name.
        order: Users in the order of their groups.
        edges: Where each group begins in that order, and where the last one ends.
        by_group: Values of the grouped blocks side by side, users in that order.
        together: Values of the other blocks side by side, users in that order.
    """

    blocks: dict[str, Block]
    order: Int64[np.ndarray, " users"]
    edges: Int64[np.ndarray, " g1"]
    by_group: Float64[np.ndarray, "users _"]
    together: Float64[np.ndarray, "users _"]

    @staticmethod
    def of(blocks: dict[str, Block], group: Int64[np.ndarray, " users"]) -> "SplitDesign":
        """Arrange blocks of columns by group of users."""
        order = np.argsort(group, kind="stable")
        edges = np.searchsorted(group[order], np.arange(GROUPS + 1))

        def side_by_side(*, grouped: bool) -> Float64[np.ndarray, "users _"]:
            values = [_values(block.columns[order]) for block in blocks.values() if block.grouped == grouped]
            return np.concatenate([np.empty((len(order), 0)), *values], axis=1)

        return SplitDesign(blocks, order, edges, side_by_side(grouped=True), side_by_side(grouped=False))

    def moments(self, members: Float64[np.ndarray, "r users"]) -> dict[str, GroupMoments]:
        """Moments of a bucket of each split, by block.

        Args:
            members: 1 for a user of the bucket, else 0; each row has two users or more.
        """
        members = members[:, self.order]
        groups = [
            slice(start_by_kind, last) for start_by_kind, last in zip(self.edges[:-1], self.edges[1:], strict=True)
        ]
        by_group = np.stack(
            [members[:, members_of_group] @ self.by_group[members_of_group] for members_of_group in groups], axis=1
        )
        sizes = np.stack([members[:, members_of_group].sum(axis=1) for members_of_group in groups], axis=1)
        ungrouped, size = (members @ self.together)[:, None], sizes.sum(axis=1, keepdims=True)
        moments: dict[str, GroupMoments] = {}
        start_by_kind = {True: 0, False: 0}
        for name, block in self.blocks.items():
            start = start_by_kind[block.grouped]
            end = start_by_kind[block.grouped] = start + _width(block.columns.shape[1])
            sums, users = (by_group, sizes) if block.grouped else (ungrouped, size)
            moments[name] = _moments(users, block.columns, sums[:, :, start:end])
        return moments


def _width(k: int) -> int:
    """Number of values of a block of `k` columns."""
    return k + k * (k + 1) // 2 + 4


def _values(columns: Float64[np.ndarray, "users k"]) -> Float64[np.ndarray, "users kk"]:
    """Distances from the mean, their products, and cubes of the first two columns."""
    distances = columns - columns.mean(axis=0)
    products = [distances[:, i] * distances[:, j] for i, j in combinations_with_replacement(range(columns.shape[1]), 2)]
    x, y = columns[:, 0], columns[:, 1]
    return np.column_stack([distances, *products, x * x * x, x * x * y, x * y * y, y * y * y])


def _moments(
    n: Float64[np.ndarray, "r g"], columns: Float64[np.ndarray, "users k"], sums: Float64[np.ndarray, "r g kk"]
) -> GroupMoments:
    """Moments of one block from the sums of its values."""
    k = columns.shape[1]
    row, column = np.array(list(combinations_with_replacement(range(k), 2))).T
    distances = sums[..., :k]
    scatter = np.empty((*n.shape, k, k))
    centred = sums[..., k:-4] - distances[..., row] * distances[..., column] / np.maximum(n, 1)[..., None]
    scatter[..., row, column] = scatter[..., column, row] = centred
    total = distances + n[..., None] * columns.mean(axis=0)
    no_counts = np.zeros(k, np.int64)
    return GroupMoments(n, total, scatter, sums[..., -4:], no_counts, columns.min(axis=0), columns.max(axis=0))


@final
@dataclass(frozen=True)
class Readings:
    """Results of one method for each split; NaN where it has none.

    Attributes:
        relative_effect: Lift of treatment over control.
        ci_low: Lower end of its 95% interval.
        ci_high: Upper end of its 95% interval.
        p_value: Two-sided p-value of no difference.
    """

    relative_effect: Float64[np.ndarray, " r"]
    ci_low: Float64[np.ndarray, " r"]
    ci_high: Float64[np.ndarray, " r"]
    p_value: Float64[np.ndarray, " r"]

    def take(self, other: "Readings", is_replaced: np.ndarray) -> "Readings":
        """Replace the readings of some splits by those of `other`."""
        names = ("relative_effect", "ci_low", "ci_high", "p_value")
        return Readings(*(np.where(is_replaced, getattr(other, name), getattr(self, name)) for name in names))


def read(a: GroupMoments, b: GroupMoments, adjustment: Adjustment, error: ErrorMethod) -> Readings:
    """Compute every split by one method of the estimator; without a lift, the p-value is of the difference.

    Args:
        a: Moments of control, by split.
        b: Moments of treatment, by split.
        adjustment: Covariates.
        error: Method of the standard error.
    """
    with np.errstate(all="ignore"):
        samples = a.samples(), b.samples()
        has_lift = np.atleast_1d((standard_errors_from_zero(samples[0]) > NEAR_ZERO) & same_sign(*samples))
        lifts = estimate(a, b, adjustment, error, log=True)
        low, high = lift_ends(lifts)
        lift = np.copysign(1.0, lifts.control) * np.expm1(lifts.log_ratio)
        readings = Readings(
            *(np.where(has_lift, x, np.nan) for x in (lift, low, high)), p_value=np.asarray(lift_p_value(lifts))
        )
        if has_lift.all():
            return readings
        differences = estimate(a, b, adjustment, error, log=False)
        of_difference = 2 * stats.t.sf(np.abs(differences.effect) / differences.standard_error, differences.freedom)
    no_values = np.full(len(has_lift), np.nan)
    return readings.take(Readings(no_values, no_values, no_values, of_difference), ~has_lift)


@final
@dataclass(frozen=True)
class Means:
    """Mean and variance per unit of a bucket, and the number of units, for tests with independent units."""

    mean: Float64[np.ndarray, " r"]
    variance: Float64[np.ndarray, " r"]
    n: Float64[np.ndarray, " r"]


def welch(control: Means, treatment: Means) -> Readings:
    """Two-sided test of two means, and the lift's interval on a log scale.

    There is no lift if control is within `NEAR_ZERO` standard errors of 0, or treatment has another sign.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        error, freedom = _error(control.variance, treatment.variance, control.n, treatment.n)
        p_value = 2 * stats.t.sf(np.abs(treatment.mean - control.mean) / error, freedom)
        relative = [bucket.variance / bucket.mean**2 for bucket in (control, treatment)]
        log_error, log_freedom = _error(relative[0], relative[1], control.n, treatment.n)
        ratio = treatment.mean / control.mean
        factor = np.exp(stats.t.ppf((1 + CONFIDENCE) / 2, log_freedom) * log_error)
        is_near_zero = np.abs(control.mean) <= NEAR_ZERO * np.sqrt(control.variance / control.n)
        has_lift = ~is_near_zero & (ratio > 0)
        lifts = [
            np.where(has_lift, factor_of_control - 1, np.nan)
            for factor_of_control in (ratio, ratio / factor, ratio * factor)
        ]
    return Readings(*lifts, p_value=p_value)


def _error(
    a: Float64[np.ndarray, " r"], b: Float64[np.ndarray, " r"], n_a: Float64[np.ndarray, " r"], n_b: np.ndarray
) -> tuple[Float64[np.ndarray, " r"], Float64[np.ndarray, " r"]]:
    """Standard error of a difference of means, and Welch's degrees of freedom."""
    square_a, square_b = a / n_a, b / n_b
    return np.sqrt(square_a + square_b), (square_a + square_b) ** 2 / (
        square_a**2 / (n_a - 1) + square_b**2 / (n_b - 1)
    )


def no_readings(n: int) -> Readings:
    """Readings of `n` splits without values."""
    return Readings(*(np.full(n, np.nan) for _ in range(4)))
