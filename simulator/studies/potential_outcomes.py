"""Potential outcomes of one test: every user under every arm, for audits that split the users many times.

Axes: `users` all users, `arms`.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from simulator.errors import RunFolderError
from simulator.runs.user_day_reader import MIXED_WORLD, PRE_WORLD, UserDays, arm_world, join_before, open_user_days
from simulator.spec.experiment import ExperimentSpec

DAYS_BEFORE: Final = (1, 2, 3, 7, 14, 28)
"""Lengths of the pre-period that a plan compares, as far as a run has them."""


@final
@dataclass(frozen=True)
class PotentialOutcomes:
    """Totals of all users in one timeline.

    Attributes:
        users: Totals over the whole test, and those before it with the prefix `pre_`; one row per user.
        looks: Totals from the first day to each day; the last ones are over the whole test.
    """

    users: pd.DataFrame
    looks: tuple[pd.DataFrame, ...]


@final
@dataclass(frozen=True)
class AllPotentialOutcomes:
    """Potential outcomes of one test.

    Attributes:
        arms: Names of the arms, control first.
        shares: Planned shares of the users, summing to 1.
        bucket: Index of each user's arm, as the test was split.
        shown: Outcomes that the test observes, by arm: of the mixed world if arms learn, else of the arm's own.
        truth: Outcomes of all users under each arm.
        before: Totals of all users over the last days before the test, by the number of those days.
    """

    arms: tuple[str, ...]
    shares: Float64[np.ndarray, " arms"]
    bucket: Int64[np.ndarray, " users"]
    shown: dict[str, PotentialOutcomes]
    truth: dict[str, PotentialOutcomes]
    before: dict[int, pd.DataFrame] = field(default_factory=dict[int, pd.DataFrame])


def read_outcomes(folder: Path, spec: ExperimentSpec) -> AllPotentialOutcomes:
    """Read the worlds of a finished run.

    Raises:
        RunFolderError: The run is damaged, or lacks the world of an arm.
    """
    with open_user_days(folder) as table:
        before_test = table.users(PRE_WORLD, range(-spec.pre_days, 0))
        lengths = sorted({*DAYS_BEFORE, spec.pre_days} & set(range(1, spec.pre_days + 1)))
        before_by_length = {days: table.users(PRE_WORLD, range(-days, 0)) for days in lengths}
        by_arm = {arm.name: _read_outcomes(table, arm_world(arm.name), spec.days, before_test) for arm in spec.arms}
        mixed = _read_outcomes(table, MIXED_WORLD, spec.days, before_test) if MIXED_WORLD in table.worlds else None
    names = tuple(arm.name for arm in spec.arms)
    shares = np.array([arm.share for arm in spec.arms])
    arm_index = {name: index for index, name in enumerate(names)}
    unknown_buckets = sorted(set(before_test["arm"]) - set(names))
    if unknown_buckets:
        raise RunFolderError(
            f"{folder}/user_days: bucket {unknown_buckets[0]!r} is no arm of spec.toml: {', '.join(names)}"
        )
    return AllPotentialOutcomes(
        arms=names,
        shares=shares / shares.sum(),
        bucket=before_test["arm"].map(arm_index).to_numpy(np.int64),
        shown={name: mixed or by_arm[name] for name in names},
        truth=by_arm,
        before=before_by_length,
    )


def _read_outcomes(table: UserDays, world: str, days: int, before_test: pd.DataFrame) -> PotentialOutcomes:
    """Read the totals of all users in one timeline."""
    if world not in table.worlds:
        raise RunFolderError(f"{table.folder}: has no world {world}; an audit wants a run with `truth = true`")
    looks = tuple(table.users(world, range(day + 1)) for day in range(days))
    return PotentialOutcomes(join_before(looks[-1], before_test, table.folder), looks)
