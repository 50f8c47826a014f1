"""The readout of a live test on a terminal."""

from typing import Final

from rich.console import Group

from dashboards.tables.live import HEADINGS, live_brief, live_facts, live_lines
from dashboards.tables.scorecard import missing_notes
from dashboards.text.decision import split_is_off
from simulator.cli.tables.fitted import FittedTable, Sentence, remark_sentences
from simulator.reports.report import Report

_RANKED: Final = ("Metric", "Arm", "Lift", "Change", "Interval", "p", "Adjusted p", "Control", "Treatment")


def live_tables(report: Report) -> Group:
    """Make what `askew analyse` prints."""
    return Group(
        Sentence(f"{report.name}: {live_brief(report)}", "bold red" if split_is_off(report) else "bold"),
        Sentence(live_facts(report)),
        FittedTable("Each treatment against control", HEADINGS, live_lines(report), _RANKED, essential=5),
        Sentence(""),
        *map(Sentence, missing_notes(report.metrics)),
        *remark_sentences(report),
    )
