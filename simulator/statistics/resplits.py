"""Many splits of the same users at once: one product of memberships with what each user did, read by the estimator.

What a comparison needs of a bucket is linear in who belongs to it: users, sums, sums of products and of cubes. So a
thousand splits are a matrix of memberships, and their moments are that matrix times the users' values, group by group
of users where a metric has covariates. `simulator.statistics.estimator` then takes all splits in one call.

Axes: `r` splits, `users` everybody, `g` groups of users, `k` columns of a block, `kk` those, their products and cubes.
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
        columns: Of each user.
        grouped: Whether its moments are wanted by group of users; else all users are one group.
    """

    columns: Float64[np.ndarray, "users k"]
    grouped: bool


@final
@dataclass(frozen=True)
class SplitDesign:
    """What each user did, laid out so that products give the moments of every split.

    Attributes:
        blocks: By name.
        order: Users in the order of their groups.
        edges: Where each group begins in that order, and where the last one ends.
        by_group: Values of the grouped blocks side by side, users in that order.
        together: Values of the other blocks side by side, likewise.
    """

    blocks: dict[str, Block]
    order: Int64[np.ndarray, " users"]
    edges: Int64[np.ndarray, " g1"]
    by_group: Float64[np.ndarray, "users _"]
    together: Float64[np.ndarray, "users _"]

    @staticmethod
    def of(blocks: dict[str, Block], group: Int64[np.ndarray, " users"]) -> "SplitDesign":
        """Lay out blocks of columns of users in some groups."""
        order = np.argsort(group, kind="stable")
        edges = np.searchsorted(group[order], np.arange(GROUPS + 1))

        def side_by_side(*, grouped: bool) -> Float64[np.ndarray, "users _"]:
            values = [_values(block.columns[order]) for block in blocks.values() if block.grouped == grouped]
            return np.concatenate([np.empty((len(order), 0)), *values], axis=1)

        return SplitDesign(blocks, order, edges, side_by_side(grouped=True), side_by_side(grouped=False))

    def moments(self, members: Float64[np.ndarray, "r users"]) -> dict[str, GroupMoments]:
        """Moments of the users that each split puts into a bucket, by block.

        Args:
            members: 1 for a user of the bucket, else 0; each row has two users or more.
        """
        members = members[:, self.order]
        groups = [slice(first, last) for first, last in zip(self.edges[:-1], self.edges[1:], strict=True)]
        by_group = np.stack([members[:, some] @ self.by_group[some] for some in groups], axis=1)
        sizes = np.stack([members[:, some].sum(axis=1) for some in groups], axis=1)
        together, size = (members @ self.together)[:, None], sizes.sum(axis=1, keepdims=True)
        moments: dict[str, GroupMoments] = {}
        first = {True: 0, False: 0}
        for name, block in self.blocks.items():
            begin = first[block.grouped]
            end = first[block.grouped] = begin + _width(block.columns.shape[1])
            sums, users = (by_group, sizes) if block.grouped else (together, size)
            moments[name] = _moments(users, block.columns, sums[:, :, begin:end])
        return moments


def _width(k: int) -> int:
    """Values of a block of so many columns."""
    return k + k * (k + 1) // 2 + 4


def _values(columns: Float64[np.ndarray, "users k"]) -> Float64[np.ndarray, "users kk"]:
    """Distances from the mean, their products, and cubes of the first two columns."""
    away = columns - columns.mean(axis=0)
    products = [away[:, i] * away[:, j] for i, j in combinations_with_replacement(range(columns.shape[1]), 2)]
    x, y = columns[:, 0], columns[:, 1]
    return np.column_stack([away, *products, x * x * x, x * x * y, x * y * y, y * y * y])


def _moments(
    n: Float64[np.ndarray, "r g"], columns: Float64[np.ndarray, "users k"], sums: Float64[np.ndarray, "r g kk"]
) -> GroupMoments:
    """One block's moments from the sums of its values."""
    k = columns.shape[1]
    at, to = np.array(list(combinations_with_replacement(range(k), 2))).T
    away = sums[..., :k]
    scatter = np.empty((*n.shape, k, k))
    centred = sums[..., k:-4] - away[..., at] * away[..., to] / np.maximum(n, 1)[..., None]
    scatter[..., at, to] = scatter[..., to, at] = centred
    total = away + n[..., None] * columns.mean(axis=0)
    nothing_counted = np.zeros(k, np.int64)
    return GroupMoments(n, total, scatter, sums[..., -4:], nothing_counted, columns.min(axis=0), columns.max(axis=0))


@final
@dataclass(frozen=True)
class Readings:
    """What one method says of each split; NaN where it says nothing.

    Attributes:
        relative_effect: Lift of treatment over control.
        ci_low: Lower end of its 95% interval.
        ci_high: Upper end.
        p_value: Of no difference, two-sided.
    """

    relative_effect: Float64[np.ndarray, " r"]
    ci_low: Float64[np.ndarray, " r"]
    ci_high: Float64[np.ndarray, " r"]
    p_value: Float64[np.ndarray, " r"]

    def take(self, other: "Readings", where: np.ndarray) -> "Readings":
        """The other's readings in some splits, one's own elsewhere."""
        names = ("relative_effect", "ci_low", "ci_high", "p_value")
        return Readings(*(np.where(where, getattr(other, name), getattr(self, name)) for name in names))


def read(a: GroupMoments, b: GroupMoments, adjustment: Adjustment, error: ErrorMethod) -> Readings:
    """Read every split by one method of the estimator; where there is no lift, the p-value is of the difference.

    Args:
        a: Control of each split.
        b: Treatment of each split.
        adjustment: Covariates.
        error: How standard errors are found.
    """
    with np.errstate(all="ignore"):
        whole = a.samples(), b.samples()
        has_lift = np.atleast_1d((standard_errors_from_zero(whole[0]) > NEAR_ZERO) & same_sign(*whole))
        lifts = estimate(a, b, adjustment, error, log=True)
        low, high = lift_ends(lifts)
        middle = np.copysign(1.0, lifts.control) * np.expm1(lifts.log_ratio)
        readings = Readings(
            *(np.where(has_lift, x, np.nan) for x in (middle, low, high)), p_value=np.asarray(lift_p_value(lifts))
        )
        if has_lift.all():
            return readings
        plain = estimate(a, b, adjustment, error, log=False)
        of_difference = 2 * stats.t.sf(np.abs(plain.effect) / plain.standard_error, plain.freedom)
    nothing_said = np.full(len(has_lift), np.nan)
    return readings.take(Readings(nothing_said, nothing_said, nothing_said, of_difference), ~has_lift)


@final
@dataclass(frozen=True)
class Means:
    """One bucket's mean and variance per unit, and the number of units, for tests that take units for independent."""

    mean: Float64[np.ndarray, " r"]
    variance: Float64[np.ndarray, " r"]
    n: Float64[np.ndarray, " r"]


def welch(control: Means, treatment: Means) -> Readings:
    """Two-sided test of two means, and the lift's interval on a log scale.

    The lift is withheld where control is within `NEAR_ZERO` standard errors of 0, or treatment has another sign.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        error, freedom = _error(control.variance, treatment.variance, control.n, treatment.n)
        p_value = 2 * stats.t.sf(np.abs(treatment.mean - control.mean) / error, freedom)
        relative = [bucket.variance / bucket.mean**2 for bucket in (control, treatment)]
        log_error, log_freedom = _error(relative[0], relative[1], control.n, treatment.n)
        ratio = treatment.mean / control.mean
        factor = np.exp(stats.t.ppf((1 + CONFIDENCE) / 2, log_freedom) * log_error)
        near = np.abs(control.mean) <= NEAR_ZERO * np.sqrt(control.variance / control.n)
        has_lift = ~near & (ratio > 0)
        lifts = [np.where(has_lift, each - 1, np.nan) for each in (ratio, ratio / factor, ratio * factor)]
    return Readings(*lifts, p_value=p_value)


def _error(
    a: Float64[np.ndarray, " r"], b: Float64[np.ndarray, " r"], n_a: Float64[np.ndarray, " r"], n_b: np.ndarray
) -> tuple[Float64[np.ndarray, " r"], Float64[np.ndarray, " r"]]:
    """Standard error of a difference of means, and Welch's degrees of freedom."""
    mine, theirs = a / n_a, b / n_b
    return np.sqrt(mine + theirs), (mine + theirs) ** 2 / (mine**2 / (n_a - 1) + theirs**2 / (n_b - 1))


def nothing(n: int) -> Readings:
    """No reading of any split."""
    return Readings(*(np.full(n, np.nan) for _ in range(4)))
