"""An audit on a terminal: one line per metric and method, wrong methods named as such, at most 100 columns wide."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simulator.cli.tables.scorecard import lift
from simulator.metrics import MAIN
from simulator.reports.audit import Audit, AuditRow

NOTE: Final = (
    "false positives want 5%, coverage 95% or a little more; [..] is the Monte Carlo band (95%); exaggeration: mean "
    "size of significant effects over the true one; all metrics: audit.json"
)


def audit_table(audit: Audit) -> Group:
    """What `askew audit` prints: the main metrics, and every wrong method."""
    shown = [row for row in audit.rows if row.metric in MAIN or row.wrong or row.metric == "satisfied_share"]
    sources = dict.fromkeys((row.source, row.arm) for row in shown)
    tables = [_table(audit, [row for row in shown if (row.source, row.arm) == key]) for key in sources]
    reasons = dict.fromkeys(f"{row.method}: wrong, {row.wrong}" for row in shown if row.wrong)
    return Group(*tables, Text(NOTE), *map(Text, reasons))


def share(value: float | None, low: float | None, high: float | None) -> str:
    """A rate with its band, in percent.

    >>> share(0.05, 0.038, 0.065), share(None, None, None)
    ('5.0 [3.8, 6.5]', 'n/a')
    """
    if value is None or low is None or high is None:
        return "n/a"
    return f"{100 * value:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def _table(audit: Audit, rows: Sequence[AuditRow]) -> Table:
    """One source and treatment."""
    first = rows[0]
    what = f"{audit.name}: {first.arm} against {first.baseline}, {first.replications:,} {first.source}"
    table = Table(title=Text(f"{what}, {audit.users:,} users, {audit.days} days"), title_justify="left", box=None)
    table.padding = (0, 1, 0, 0)
    for heading in ("metric", "method"):
        table.add_column(heading, no_wrap=True)
    for heading in ("false positives, %", "coverage, %", "power, %", "exagg.", "true lift"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, _cells(row)))
    return table


def _cells(row: AuditRow) -> tuple[str, ...]:
    """One line."""
    return (
        row.metric,
        row.method + (" (wrong)" if row.wrong else ""),
        share(row.false_positive_rate, row.false_positive_low, row.false_positive_high),
        share(row.coverage, row.coverage_low, row.coverage_high),
        "n/a" if row.power is None else f"{100 * row.power:.1f}",
        "n/a" if row.exaggeration is None else f"{row.exaggeration:.2f}",
        lift(row.true_relative_effect),
    )
