"""Compiled loops that lay rows of user-days out by world, day and user.

Everything is added up as whole numbers, so no result depends on the order of rows.
"""

import numpy as np

from policies.compiled import compiled

EVERYBODY = -1
"""Stands for the arm of the world in which each user meets their own."""


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
    """Find where each row belongs, and count rows.

    Args:
        first: Id of the first user of the slice.
        days: Of the test.
        pre_days: Before it.
        user_id: Of each row.
        labels: World, bucket and segment of each row, as codes; -1 for a world of no interest. The last world is `pre`.
        day: Of each row.
        arm_of_world: Bucket that is assigned to each world, or `EVERYBODY`; of `pre` it means nothing.
        cells: Written: place of each row by world and day; by world; among the assigned; by world, day and bucket; -1
            where it has none.
        counts: Added to: rows by world and day, then those before the test, by user.
        assigned: Added to: rows by day and user in which the user meets the arm of their bucket.
        chosen: Written: the world of those rows.
        users: Written by user: least bucket and segment over those rows; bucket of any row, from -1; 1 where there are
            two; of the first user, the number of arms.
    """
    n_worlds, n_users = len(arm_of_world) - 1, users.shape[1]
    n_arms = users[4, 0]
    for row in range(len(user_id)):
        world, bucket, today, user = labels[0, row], labels[1, row], day[row], user_id[row] - first
        for k in range(4):
            cells[k, row] = -1
        if users[2, user] < 0:
            users[2, user] = bucket
        elif users[2, user] != bucket:
            users[3, user] = 1
        if world < 0:
            continue
        if world == n_worlds:
            if -pre_days <= today < 0:
                counts[n_worlds * days, user] += 1
                cells[0, row] = n_worlds * days * n_users + user
                if bucket < n_arms:
                    cells[3, row] = (n_worlds * days + today + pre_days) * n_arms + bucket
            continue
        if not 0 <= today < days:
            continue
        at = world * days + today
        counts[at, user] += 1
        cells[0, row] = at * n_users + user
        cells[1, row] = world * n_users + user
        if bucket < n_arms:
            cells[3, row] = at * n_arms + bucket
        if arm_of_world[world] == EVERYBODY or arm_of_world[world] == bucket:
            assigned[today, user] += 1
            chosen[today, user] = world
            cells[2, row] = n_worlds * n_users + user
            users[0, user] = min(users[0, user], bucket)
            users[1, user] = min(users[1, user], labels[2, row])


@compiled
def place(cells: np.ndarray, values: np.ndarray, sums: np.ndarray) -> None:
    """Add the values of rows to their places; -1 is none."""
    for row in range(len(cells)):
        if cells[row] >= 0:
            sums[cells[row]] += values[row]
