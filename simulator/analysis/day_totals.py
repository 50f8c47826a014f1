"""Each arm's main metrics day by day, from the first day of the pre-period: what the curves of a report show."""

from collections.abc import Mapping
from typing import TypeAlias

from simulator.metrics import DAY_TOTALS, METRICS, Metric
from simulator.reports.report import DayTotal
from simulator.runs.user_day_reader import MIXED_WORLD, PRE_WORLD, UserDays, arm_world
from simulator.spec.experiment import ExperimentSpec

Cells: TypeAlias = Mapping[tuple[str, int, str], tuple[float, float]]
"""Numerator and denominator of one metric by world, day and bucket."""


def day_totals(table: UserDays, spec: ExperimentSpec) -> list[DayTotal]:
    """Means per arm, day and metric; the true ones are None where the truth was not run."""
    cells = _cells(table)
    return [
        DayTotal(
            arm=arm.name,
            day=day,
            metric=key,
            value=_value(cells[key], _bucket_world(table, arm.name, day), day, [arm.name]),
            true_value=_true_value(cells[key], spec, arm.name, day),
        )
        for arm in spec.arms
        for day in range(-spec.pre_days, spec.days)
        for key in DAY_TOTALS
    ]


def _cells(table: UserDays) -> dict[str, Cells]:
    """Both sides of each metric."""
    totals = table.day_totals()
    keys = list(zip(totals["world"], totals["day"], totals["arm"], strict=True))

    def sides(metric: Metric) -> Cells:
        ratio = metric.ratio(totals)
        return dict(zip(keys, zip(ratio.numerator, ratio.denominator, strict=True), strict=True))

    return {key: sides(METRICS[key]) for key in DAY_TOTALS}


def _bucket_world(table: UserDays, arm: str, day: int) -> str:
    """Where the users of an arm's bucket live on a day."""
    if day < 0:
        return PRE_WORLD
    return MIXED_WORLD if MIXED_WORLD in table.worlds else arm_world(arm)


def _true_value(cells: Cells, spec: ExperimentSpec, arm: str, day: int) -> float | None:
    """The metric with everybody under the arm; before the test all are under the pre-period's policy."""
    if not spec.truth:
        return None
    world = PRE_WORLD if day < 0 else arm_world(arm)
    return _value(cells, world, day, [each.name for each in spec.arms])


def _value(cells: Cells, world: str, day: int, buckets: list[str]) -> float | None:
    """The metric over some buckets in one world on one day; None where its denominator is 0."""
    sides = [cells[world, day, bucket] for bucket in buckets if (world, day, bucket) in cells]
    below = sum(denominator for _, denominator in sides)
    return float(sum(numerator for numerator, _ in sides) / below) if below else None
