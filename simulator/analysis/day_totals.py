"""Main metrics of each arm by day, from the first day of the pre-period, for the curves of a report."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pandas as pd

from simulator.analysis.accumulator import Tallies
from simulator.metrics import DAY_TOTALS, METRICS, Metric
from simulator.reports.report import DayTotal
from simulator.runs.user_day_reader import MIXED_WORLD, PRE_WORLD, arm_world
from simulator.spec.experiment import ExperimentSpec

Cells: TypeAlias = Mapping[tuple[str, int, str], tuple[float, float]]
"""Numerator and denominator of one metric by world, day and bucket."""


def day_totals(tallies: Tallies) -> list[DayTotal]:
    """Values per arm, day and metric; true values are None if the truth was not run."""
    cells, spec = _cells(tallies), tallies.spec
    return [
        DayTotal(
            arm=arm.name,
            day=day,
            metric=key,
            value=_value(cells[key], _bucket_world(tallies.worlds, arm.name, day), day, [arm.name]),
            true_value=_true_value(cells[key], spec, arm.name, day),
        )
        for arm in spec.arms
        for day in range(-spec.pre_days, spec.days)
        for key in DAY_TOTALS
    ]


def _cells(tallies: Tallies) -> dict[str, Cells]:
    """Numerators and denominators of each metric."""
    spec = tallies.spec
    world_days = [(world, day) for world in tallies.worlds for day in range(spec.days)]
    world_days += [(PRE_WORLD, day) for day in range(-spec.pre_days, 0)]
    keys = [(world, day, arm) for world, day in world_days for arm in tallies.arms]
    sums = tallies.by_day.reshape(len(tallies.names), -1)
    totals = pd.DataFrame(dict(zip(tallies.names, sums, strict=True)))

    def sides(metric: Metric) -> Cells:
        ratio = metric.ratio(totals)
        return dict(zip(keys, zip(ratio.numerator, ratio.denominator, strict=True), strict=True))

    return {key: sides(METRICS[key]) for key in DAY_TOTALS}


def _bucket_world(worlds: Sequence[str], arm: str, day: int) -> str:
    """World in which an arm's bucket is simulated on a day."""
    if day < 0:
        return PRE_WORLD
    return MIXED_WORLD if MIXED_WORLD in worlds else arm_world(arm)


def _true_value(cells: Cells, spec: ExperimentSpec, arm: str, day: int) -> float | None:
    """The metric with all users under the arm; before the test all are under the pre-period's policy."""
    if not spec.truth:
        return None
    world = PRE_WORLD if day < 0 else arm_world(arm)
    return _value(cells, world, day, [bucket_arm.name for bucket_arm in spec.arms])


def _value(cells: Cells, world: str, day: int, buckets: list[str]) -> float | None:
    """The metric over buckets in one world on one day; None if its denominator is 0."""
    numerator_denominator = [cells[world, day, bucket] for bucket in buckets if (world, day, bucket) in cells]
    total_denominator = sum(denominator for _, denominator in numerator_denominator)
    return (
        float(sum(numerator for numerator, _ in numerator_denominator) / total_denominator)
        if total_denominator
        else None
    )
