"""The page of a live test: what `askew analyse --out` writes."""

from dashboards.figures import forest
from dashboards.figures.panels import Panel
from dashboards.html_pages.page import Line, Page, Section, render_page, section_of, section_of_table
from dashboards.tables.live import HEADINGS, live_brief, live_facts, live_lines
from dashboards.tables.scorecard import missing_notes
from dashboards.tables.sections import SectionTable, methods
from dashboards.text.decision import split_is_off
from simulator.reports.report import Report


def render_live(report: Report) -> str:
    """Render the page; the same report gives the same text."""
    table = SectionTable("Readout", HEADINGS, live_lines(report), "")
    caption = "The bar is the interval of the lift over control; one that crosses the line at 0 shows no clear change."
    figure = Panel("scorecard", "Lift per metric", caption, forest.scorecard(report))
    box = [Line(live_brief(report)), *(Line(text, "warning") for text in report.health.warnings)]
    parts = [
        Section(table.title, table=table, notes=missing_notes(report.metrics)),
        section_of(figure),
        section_of_table(methods(report)),
    ]
    footer = "Written by askew from a table of users. Lift is relative to the size of control, at its adjusted mean."
    return render_page(Page(report.name, live_facts(report), box, parts, alarm=split_is_off(report), footer=footer))
