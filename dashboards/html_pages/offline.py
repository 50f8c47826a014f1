"""`offline.html`: one file that shows from disk, without network, how rankers fare on a fixed log."""

from typing import Final

from dashboards.figures.offline import METRIC_NAMES, scores
from dashboards.figures.panels import Panel
from dashboards.html_pages.page import Line, Page, render_page, section_of, section_of_table
from dashboards.tables.sections import SectionTable
from dashboards.text import formatting
from simulator.reports.offline import TRUE, Lead, Number, Offline, PolicyRow

_CAPTION: Final = (
    "Every user's last clicked video was hidden and ranked among others that the user never met. Bars are means over"
    " users and seeds; whiskers are 1.96 standard errors over seeds, where there are several."
)
_TRUE_CAPTION: Final = (
    " The true panel exists because these users are simulated: it says how much of the satisfaction that could be had"
    " in ten places the policy's first ten would bring; 1 is perfect, 0 is a random order."
)


def render_offline(offline: Offline) -> str:
    """Render the page; the same evaluation gives the same text."""
    lead = "One policy: nothing to compare." if offline.lead is None else lead_in_words(offline.lead)
    table = SectionTable("Table", headings(offline), [line(offline, row) for row in offline.policies], "")
    sections = [section_of(Panel("scores", "Scores", caption(offline), scores(offline))), section_of_table(table)]
    return render_page(Page(f"Offline: {offline.data}", facts(offline), [Line(lead)], sections))


def facts(offline: Offline) -> str:
    """What was asked, in a line."""
    return (
        f"{offline.users:,} users, {offline.videos:,} videos with {offline.core} clicks or more,"
        f" {offline.views:,} views to learn from; one test among {offline.negatives} other videos."
    )


def caption(offline: Offline) -> str:
    """How to read the scores."""
    return _CAPTION + (_TRUE_CAPTION if TRUE in offline.metrics else "")


def headings(offline: Offline) -> tuple[str, ...]:
    """Of the table."""
    return ("Policy", "Seeds", *(METRIC_NAMES[metric] for metric in offline.metrics))


def line(offline: Offline, row: PolicyRow) -> tuple[str, ...]:
    """One policy's row of the table."""
    cells = (_cell(row.mean.get(metric), row.standard_error.get(metric)) for metric in offline.metrics)
    return (row.policy, str(row.seeds), *cells)


def lead_in_words(lead: Lead) -> str:
    """The best against the second best."""
    p = "nobody differs" if lead.p_value is None else f"p {formatting.p_value(lead.p_value)}"
    return (
        f"{lead.best} leads {lead.second} by {lead.difference:.4f} NDCG@10"
        f" (t-test paired over {lead.users:,} users: {p})."
    )


def _cell(mean: Number, error: Number) -> str:
    """A mean, and its standard error where there is one."""
    if mean is None:
        return formatting.MISSING
    return f"{mean:.4f}" if error is None else f"{mean:.4f} ± {error:.4f}"
