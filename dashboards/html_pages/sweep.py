"""`sweep.html`: one file that shows from disk, without network, what an effect owes to an assumed parameter."""

from dashboards.figures.panels import Panel
from dashboards.figures.sweep import effect_against_value, has_truth, truth_against_value
from dashboards.html_pages.page import Line, Link, Page, Section, render_page, section_of, section_of_table
from dashboards.tables.sections import SectionTable
from dashboards.text.sweep import EFFECT_CAPTION, HEADINGS, TRUTH_CAPTION, facts, lines, remarks, verdict
from simulator.reports.sweep import Sweep


def render_sweep(sweep: Sweep) -> str:
    """Render the page of a sweep with one finished value or more; the same sweep gives the same text."""
    name = sweep.parameter.name
    box = [*(Line(text) for text in verdict(sweep)), *(Line(text, "warning") for text in remarks(sweep))]
    sections = [
        *map(section_of, _panels(sweep)),
        section_of_table(SectionTable("Table", HEADINGS, lines(sweep), "")),
        Section("Reports", links=[Link(f"{name} = {p.value:g}", f"{p.path}/report.html") for p in sweep.points]),
    ]
    return render_page(Page(f"{sweep.name}: effect against {name}", facts(sweep), box, sections))


def _panels(sweep: Sweep) -> list[Panel]:
    """Draw estimates beside the truth, then the truth alone, if there is one."""
    effects = Panel("effect", "Effect against value", EFFECT_CAPTION, effect_against_value(sweep))
    if not has_truth(sweep):
        return [effects]
    return [effects, Panel("truth", "True effect against value", TRUTH_CAPTION, truth_against_value(sweep))]
