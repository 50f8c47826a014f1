"""From a run folder to its report: the one place where readout, truth, health and questionnaire come together."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from simulator.day_totals import day_totals
from simulator.errors import RunFolderError
from simulator.frame import (
    PRE_WORLD,
    UserDays,
    arm_world,
    check_same_users,
    join_before,
    open_user_days,
)
from simulator.health import check_health, planned_users
from simulator.metrics import Metric, day_metrics, scorecard_metrics
from simulator.questionnaire import questionnaire_rows
from simulator.readout import compare_arms
from simulator.report import ArmSummary, Health, MetricRow, Report
from simulator.segments import FEWEST, segment_rows, small_segments
from simulator.spec import ExperimentSpec, load_spec
from simulator.truth import Worlds, with_truth


def summarise(folder: Path) -> Report:
    """Compute the report of a finished run from its `spec.toml` and `user_days`.

    The same rows give the same report, byte for byte, however they are ordered or divided into files.

    Raises:
        RunFolderError: A file that is missing or damaged, or days that are not finished.
        SpecError: A damaged `spec.toml`.
    """
    spec = _spec(folder)
    with open_user_days(folder) as table:
        return _report(table, spec)


def _spec(folder: Path) -> ExperimentSpec:
    """The spec as run."""
    path = folder / "spec.toml"
    if not path.is_file():
        raise RunFolderError(f"{folder}: holds no spec.toml; give the folder that `askew run --out` wrote")
    return load_spec(str(path))


def _report(table: UserDays, spec: ExperimentSpec) -> Report:
    """Every part of the report."""
    test_days = range(spec.days)
    assigned = table.assigned_users(test_days)
    _check_buckets(assigned, spec, table.folder)
    users = _with_before(table, spec, assigned)
    worlds = _worlds(table, spec, test_days, users)
    arms = _arms(spec)
    rows = _rows(users, scorecard_metrics(spec.days), arms, worlds)
    return Report(
        name=spec.name,
        seed=spec.seed,
        days=spec.days,
        pre_days=spec.pre_days,
        users=len(users),
        world=spec.world,
        views_scale=spec.views_scale,
        arms=_arm_summaries(users, spec),
        metrics=rows,
        daily=[row for day in test_days for row in _day_rows(table, spec, day, users)],
        totals=day_totals(table, spec),
        segments=segment_rows(users, arms, worlds),
        health=_health(users, spec, rows),
        questionnaire=questionnaire_rows(users, arms),
    )


def _arms(spec: ExperimentSpec) -> list[str]:
    """Names of the arms, control first."""
    return [arm.name for arm in spec.arms]


def _with_before(table: UserDays, spec: ExperimentSpec, users: pd.DataFrame) -> pd.DataFrame:
    """The users with their totals before the test, if there are any."""
    if PRE_WORLD not in table.worlds:
        return users
    return join_before(users, table.users(PRE_WORLD, range(-spec.pre_days, 0)), table.folder)


def _check_buckets(users: pd.DataFrame, spec: ExperimentSpec, folder: Path) -> None:
    """Refuse tables without users, or with buckets that the spec does not know."""
    if not len(users):
        raise RunFolderError(f"{folder}/user_days: no rows of days 0 to {spec.days - 1}; finish the run first")
    unknown = sorted(set(users["arm"].unique()) - set(_arms(spec)))
    if unknown:
        raise RunFolderError(
            f"{folder}/user_days: bucket {unknown[0]!r} is no arm of spec.toml, which has {', '.join(_arms(spec))}"
        )


def _worlds(table: UserDays, spec: ExperimentSpec, days: range, users: pd.DataFrame) -> Worlds | None:
    """Every user under every arm, or None where that was not run."""
    if not spec.truth:
        return None
    worlds = {arm: table.users(arm_world(arm), days) for arm in _arms(spec)}
    for arm, everyone in worlds.items():
        check_same_users(users, everyone, arm_world(arm), table.folder)
    return worlds


def _rows(
    users: pd.DataFrame, metrics: Sequence[Metric], arms: Sequence[str], worlds: Worlds | None
) -> list[MetricRow]:
    """The scorecard, each estimate beside its truth."""
    by_key = {metric.key: metric for metric in metrics}
    rows = compare_arms(users, metrics, arms[0], arms[1:])
    return [with_truth(row, by_key[row.metric], worlds) for row in rows]


def _day_rows(table: UserDays, spec: ExperimentSpec, day: int, users: pd.DataFrame) -> list[MetricRow]:
    """One day's scorecard, with the whole pre-period as covariate; `users` are those of the whole test."""
    days = range(day, day + 1)
    today = table.assigned_users(days)
    check_same_users(users, today, f"of day {day}", table.folder)
    before = users[[column for column in users.columns if column not in today.columns]]
    worlds = _worlds(table, spec, days, today)
    rows = _rows(pd.concat([today, before], axis=1), day_metrics(), _arms(spec), worlds)
    return [row.model_copy(update={"day": day}) for row in rows]


def _arm_summaries(users: pd.DataFrame, spec: ExperimentSpec) -> list[ArmSummary]:
    """Each bucket's users and planned share."""
    shares = planned_users(spec.arms, 1)
    return [
        ArmSummary(
            name=arm.name,
            policy=arm.policy,
            users=int((users["arm"] == arm.name).sum()),
            share=shares[arm.name],
        )
        for arm in spec.arms
    ]


def _health(users: pd.DataFrame, spec: ExperimentSpec, rows: Sequence[MetricRow]) -> Health:
    """The checks of the split, and what had to be left out."""
    health = check_health(users, spec.arms, rows)
    left_out = [*_missing_users(users, spec), *_missing_segments(users, spec)]
    return health.model_copy(update={"warnings": [*health.warnings, *left_out]})


def _missing_users(users: pd.DataFrame, spec: ExperimentSpec) -> list[str]:
    """One line if there are not as many users as planned."""
    return [] if len(users) == spec.users else [f"{len(users)} users have rows, {spec.users} were planned"]


def _missing_segments(users: pd.DataFrame, spec: ExperimentSpec) -> list[str]:
    """One line if segments are too small for rows of their own."""
    small = small_segments(users, _arms(spec))
    return [f"segments left out, under {FEWEST} users in a bucket: {', '.join(small)}"] if small else []
