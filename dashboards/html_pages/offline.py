"""`offline.html`: one file that shows from disk, without network, how rankers fare on a fixed log."""

import html
from typing import Final

from dashboards.figures.offline import METRIC_NAMES, scores
from dashboards.html_pages import parts
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
    """The whole page; the same evaluation gives the same text."""
    title = f"Offline: {offline.data}"
    head = f"<h1>{html.escape(title)}</h1>\n{parts.paragraph(facts(offline), 'facts')}"
    drawn = parts.drawing(scores(offline), "scores")
    figure = parts.section("Scores", f"{drawn}\n{parts.paragraph(caption(offline), 'caption')}")
    table = parts.section("Table", parts.table(headings(offline), [line(offline, r) for r in offline.policies]))
    return parts.page(title, "\n".join([head, _verdict(offline.lead), figure, table]))


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


def _verdict(lead: Lead | None) -> str:
    """Who leads."""
    said = "One policy: nothing to compare." if lead is None else lead_in_words(lead)
    return f'<div class="verdict">\n{parts.paragraph(said, "sentence")}\n</div>'


def _cell(mean: Number, error: Number) -> str:
    """A mean, and its standard error where there is one."""
    if mean is None:
        return formatting.MISSING
    return f"{mean:.4f}" if error is None else f"{mean:.4f} ± {error:.4f}"
