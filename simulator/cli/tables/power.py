"""A plan on a terminal: the words of the page."""

from rich.console import Group

from dashboards.html_pages import power as page
from simulator.cli.tables.fitted import FittedTable, Sentence
from simulator.reports.power import PowerPlan


def power_tables(plan: PowerPlan) -> Group:
    """Make what `askew power` prints."""
    return Group(
        Sentence(f"{plan.name}: {page.facts(plan)}", "bold"),
        *map(Sentence, page.verdict(plan)),
        *(FittedTable(table.title, table.headings, table.lines) for table in page.tables(plan)),
    )
