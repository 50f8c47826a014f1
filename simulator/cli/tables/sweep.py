"""A sweep on a terminal: one table, the main metrics one after the other, value by value."""

from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simulator.cli.tables.scorecard import covers, interval, lift
from simulator.metrics import MAIN
from simulator.reports.report import MetricRow
from simulator.reports.sweep import Sweep

_SHOWN: Final = (*MAIN, "LT7")


def sweep_table(sweep: Sweep) -> Group:
    """What `askew run` prints for a sweep: the effect against the assumed value."""
    table = Table(title=_title(sweep), title_justify="left", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("metric", no_wrap=True)
    table.add_column("arm", overflow="ellipsis", no_wrap=True, max_width=12)
    for heading in ("value", "lift", "95% interval", "true lift", "covered"):
        table.add_column(heading, justify="right", no_wrap=True)
    for metric in _SHOWN:
        for arm in sweep.treatments:
            _add(table, sweep, metric, arm)
    told = f"{sweep.parameter.name}: {sweep.parameter.meaning}; assumed, {sweep.parameter.value:g} without a sweep"
    return Group(table, Text(told), *(Text(f"! {note}") for note in sweep.notes))


def _title(sweep: Sweep) -> Text:
    """What is compared."""
    return Text(f"{sweep.name}: effect against {sweep.parameter.name}, {sweep.days} days per value")


def _add(table: Table, sweep: Sweep, metric: str, arm: str) -> None:
    """One line per value, the metric's label on the first."""
    rows = [
        (point.value, row) for point in sweep.points for row in point.metrics if (row.metric, row.arm) == (metric, arm)
    ]
    for place, (value, row) in enumerate(rows):
        first = (row.label, row.arm) if place == 0 else ("", "")
        table.add_row(*map(Text, (*first, *_cells(value, row))), end_section=place == len(rows) - 1)


def _cells(value: float, row: MetricRow) -> tuple[str, ...]:
    """A value and what it does."""
    return (
        f"{value:g}",
        lift(row.relative_effect),
        interval(row.ci_low, row.ci_high),
        lift(row.true_relative_effect),
        covers(row),
    )
