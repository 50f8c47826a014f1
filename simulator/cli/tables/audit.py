"""An audit on a terminal: the words of the page, for the main metrics and every wrong method."""

from collections.abc import Sequence
from typing import Final

from rich.console import Group

from dashboards.html_pages import audit as page
from simulator.cli.tables.fitted import FittedTable, Sentence
from simulator.metrics import MAIN
from simulator.reports.audit import Audit, AuditRow

_FIRST: Final = ("Metric", "Method", "False positives", "Coverage", "Power", "True lift", "Exaggeration")
_NOTE: Final = "In brackets: Monte Carlo bands (95%). All metrics: audit.json and audit.html."


def audit_table(audit: Audit) -> Group:
    """Make what `askew audit` prints."""
    rows = [row for row in audit.rows if row.metric in MAIN or row.wrong or row.metric == "satisfied_share"]
    tests = dict.fromkeys((row.source, row.arm) for row in rows)
    return Group(
        Sentence(f"{audit.name}: {page.facts(audit)}", "bold"),
        *(_table([row for row in rows if (row.source, row.arm) == test]) for test in tests),
        Sentence(""),
        *map(Sentence, (*page.verdict(audit), _NOTE)),
    )


def _table(rows: Sequence[AuditRow]) -> FittedTable:
    title = f"{rows[0].arm} against {rows[0].baseline}, {rows[0].replications:,} {rows[0].source}"
    return FittedTable(title, page.HEADINGS, list(map(page.cells, rows)), _FIRST, essential=5)
