"""Compiled loops over users: sides of metrics, moments by bucket and hash group, and sums of re-splits.

No sum is reordered, so results do not depend on the processor. Axes: `metrics`, `users`, `cells` buckets or segments by
bucket, `groups` hash groups of users.
"""

import numpy as np

from policies.compiled import compiled

TERMS = 18
"""Sums of one metric: 4 columns, 10 products of distances from a centre, 4 cubes of the first two columns."""


@compiled
def add_sides(
    totals: np.ndarray,
    units: np.ndarray,
    columns: np.ndarray,
    of_users: np.ndarray,
    scales: np.ndarray,
    sides: np.ndarray,
) -> None:
    """Write numerators and denominators of metrics.

    Args:
        totals: Whole numbers by column and user.
        units: Divisor of each column.
        columns: Columns of the sum, by metric and side; -1 is none.
        of_users: Whether a side is 1 per user, by metric and side.
        scales: Factor on each metric's numerator.
        sides: Written: values by metric, side and user.
    """
    for metric in range(sides.shape[0]):
        for side in range(2):
            for user in range(sides.shape[2]):
                sides[metric, side, user] = of_users[metric, side]
            for k in range(columns.shape[2]):
                column = columns[metric, side, k]
                if column < 0:
                    continue
                unit = units[column]
                if unit == 1.0:
                    for user in range(sides.shape[2]):
                        sides[metric, side, user] += totals[column, user]
                else:
                    for user in range(sides.shape[2]):
                        sides[metric, side, user] += totals[column, user] / unit
        for user in range(sides.shape[2]):
            sides[metric, 0, user] *= scales[metric]


@compiled
def add_moments(
    first: np.ndarray,
    second: np.ndarray,
    cell: np.ndarray,
    group: np.ndarray,
    centre: np.ndarray,
    sums: np.ndarray,
    ends: np.ndarray,
) -> None:
    """Add users to sums of four columns, of the products of their distances from a centre, and of cubes.

    Args:
        first: Sides of each metric by user: columns 0 and 1.
        second: Columns 2 and 3.
        cell: Cell of each user; -1 for none.
        group: Hash group of each user.
        centre: Centre of each metric and column.
        sums: Added to: sums by cell, metric, group and term.
        ends: Added to: number of users whose value is not 0, smallest and largest value, by cell, metric, kind and
            column.
    """
    for metric in range(first.shape[0]):
        c0, c1, c2, c3 = centre[metric, 0], centre[metric, 1], centre[metric, 2], centre[metric, 3]
        for user in range(first.shape[2]):
            at = cell[user]
            if at < 0:
                continue
            x, y, p, q = (
                first[metric, 0, user],
                first[metric, 1, user],
                second[metric, 0, user],
                second[metric, 1, user],
            )
            a, b, c, d = x - c0, y - c1, p - c2, q - c3
            values = (
                x, y, p, q, a * a, a * b, a * c, a * d, b * b, b * c, b * d, c * c, c * d, d * d,
                x * x * x, x * x * y, x * y * y, y * y * y,
            )  # fmt: skip
            g = group[user]
            for term in range(TERMS):
                sums[at, metric, g, term] += values[term]
            columns = (x, y, p, q)
            for k in range(4):
                value = columns[k]
                if value != 0.0:
                    ends[at, metric, 0, k] += 1.0
                if value < ends[at, metric, 1, k]:
                    ends[at, metric, 1, k] = value
                if value > ends[at, metric, 2, k]:
                    ends[at, metric, 2, k] = value


@compiled
def add_splits(words: np.ndarray, values: np.ndarray, side: np.ndarray, heads: np.ndarray) -> None:
    """Add users to the sums of one side of every split.

    Args:
        words: Words of 64 coins each, by word and user.
        values: Values by column and user.
        side: Buffer for one user's coins.
        heads: Added to: sums by column and split.
    """
    for user in range(words.shape[1]):
        for split in range(heads.shape[1]):
            side[split] = (words[split >> 6, user] >> np.uint64(split & 63)) & np.uint64(1)
        for column in range(values.shape[0]):
            value = values[column, user]
            for split in range(heads.shape[1]):
                heads[column, split] += value * side[split]
