"""Compiled loops that arrange rows of user-days by world, day and user.

Everything is added up as whole numbers, so no result depends on the order of rows.
"""

import numpy as np

from policies.compiled import compiled

ALL_ARMS = -1
"""Code of the mixed world, in which each user is served by the arm of their bucket."""


@compiled
def locate(
    first: int,
    days: int,
    pre_days: int,
    user_id: np.ndarray,
    labels: np.ndarray,
    day: np.ndarray,
    arm_of_world: np.ndarray,
    cells: np.ndarray,
    counts: np.ndarray,
    assigned: np.ndarray,
    chosen: np.ndarray,
    users: np.ndarray,
) -> None:
    """Find the cells of each row, and count rows.

    Args:
        first: Id of the first user of the slice.
        days: Days of the test.
        pre_days: Days before the test.
        user_id: User of each row.
        labels: World, bucket and segment of each row, as codes; -1 for a world that is not read. The last world is
            `pre`.
        day: Day of each row.
        arm_of_world: Bucket that is assigned to each world, or `ALL_ARMS`; the entry of `pre` is not used.
        cells: Written: cell of each row by world and day; by world; among the assigned; by world, day and bucket; -1
            for no cell.
        counts: Added to: rows by world and day, then those before the test, by user.
        assigned: Added to: rows by day and user in which the user is served by the arm of their bucket.
        chosen: Written: the world of those rows.
        users: Written by user: least bucket and segment over those rows; bucket of any row, from -1; 1 where there are
            two; of the first user, the number of arms.
    """
    n_worlds, n_users = len(arm_of_world) - 1, users.shape[1]
    n_arms = users[4, 0]
    for row in range(len(user_id)):
        world, bucket, day_of_row, user = labels[0, row], labels[1, row], day[row], user_id[row] - first
        for k in range(4):
            cells[k, row] = -1
        if users[2, user] < 0:
            users[2, user] = bucket
        elif users[2, user] != bucket:
            users[3, user] = 1
        if world < 0:
            continue
        if world == n_worlds:
            if -pre_days <= day_of_row < 0:
                counts[n_worlds * days, user] += 1
                cells[0, row] = n_worlds * days * n_users + user
                if bucket < n_arms:
                    cells[3, row] = (n_worlds * days + day_of_row + pre_days) * n_arms + bucket
            continue
        if not 0 <= day_of_row < days:
            continue
        world_day = world * days + day_of_row
        counts[world_day, user] += 1
        cells[0, row] = world_day * n_users + user
        cells[1, row] = world * n_users + user
        if bucket < n_arms:
            cells[3, row] = world_day * n_arms + bucket
        if arm_of_world[world] == ALL_ARMS or arm_of_world[world] == bucket:
            assigned[day_of_row, user] += 1
            chosen[day_of_row, user] = world
            cells[2, row] = n_worlds * n_users + user
            users[0, user] = min(users[0, user], bucket)
            users[1, user] = min(users[1, user], labels[2, row])


@compiled
def add_to_cells(cells: np.ndarray, values: np.ndarray, sums: np.ndarray) -> None:
    """Add the values of rows to their cells; -1 is no cell."""
    for row in range(len(cells)):
        if cells[row] >= 0:
            sums[cells[row]] += values[row]
