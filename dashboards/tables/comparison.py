"""Runs side by side: the scorecards of their reports, a column per treatment of each run."""

from dataclasses import dataclass
from typing import final

from dashboards.text import formatting
from simulator.reports.report import MetricRow, Report


@final
@dataclass(frozen=True)
class TreatmentColumn:
    """One treatment of one run: cells by metric."""

    heading: str
    facts: str
    cells: dict[str, "ScorecardCell"]


@final
@dataclass(frozen=True)
class ScorecardCell:
    """What a run's scorecard says of one metric."""

    lift: str
    interval: str
    true_lift: str


def sides(reports: dict[str, Report]) -> list[TreatmentColumn]:
    """Every treatment of every run, in order; `reports` by the names of the runs."""
    return [
        TreatmentColumn(f"{name}: {arm.name}", formatting.facts(report), _cells(report, arm.name))
        for name, report in reports.items()
        for arm in report.arms[1:]
    ]


def labels(reports: dict[str, Report]) -> dict[str, str]:
    """The metrics that any of the runs has and what they are called, the headline first."""
    label_of: dict[str, str] = {}
    for report in reports.values():
        for key in formatting.metric_keys(report):
            label_of.setdefault(key, formatting.describe(report, key).label)
    first = [key for key in formatting.HEADLINE if key in label_of]
    return {key: label_of[key] for key in [*first, *(key for key in label_of if key not in first)]}


def _cells(report: Report, arm: str) -> dict[str, ScorecardCell]:
    return {row.metric: _cell(row) for row in report.valid_metrics() if row.arm == arm}


def _cell(row: MetricRow) -> ScorecardCell:
    true = "not simulated" if row.true_relative_effect is None else formatting.lift(row.true_relative_effect)
    return ScorecardCell(formatting.lift(row.relative_effect), formatting.interval(row.ci_low, row.ci_high), true)
