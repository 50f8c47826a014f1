"""A sweep on a terminal: the words of the page, then one line per main metric, treatment and value."""

from rich.console import Group

from dashboards.text import sweep as page
from simulator.cli.tables.fitted import FittedTable, Sentence
from simulator.reports.sweep import Sweep


def sweep_table(sweep: Sweep) -> Group:
    """Make what `askew run` prints for a sweep."""
    arm = ("Arm",) if len(sweep.treatments) > 1 else ()
    ranked = ("Metric", *arm, "Value", "Lift", "True lift", "Truth", "95% interval")
    return Group(
        Sentence(f"{sweep.name}: {page.facts(sweep)}", "bold"),
        *map(Sentence, page.verdict(sweep)),
        *(Sentence(f"! {remark}", "yellow") for remark in page.remarks(sweep)),
        FittedTable(f"Effect against {sweep.parameter.name}", page.HEADINGS, page.lines(sweep), ranked, len(ranked)),
    )
