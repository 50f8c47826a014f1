"""`sweep.html`: one file that shows from disk, without network, what an effect owes to an assumed parameter."""

import html
from urllib.parse import quote

from dashboards.figures.sweep import effect_against_value, has_truth, truth_against_value
from dashboards.html_pages import parts
from dashboards.text import sweep as sweep_words
from simulator.reports.sweep import Sweep


def render_sweep(sweep: Sweep) -> str:
    """The whole page of a sweep with one finished value or more; the same sweep gives the same text."""
    title = f"{sweep.name}: effect against {sweep.parameter.name}"
    head = f"<h1>{html.escape(title)}</h1>\n{parts.paragraph(sweep_words.facts(sweep), 'facts')}"
    return parts.page(title, "\n".join([head, _verdict(sweep), _figures(sweep), _table(sweep), _runs(sweep)]))


def _verdict(sweep: Sweep) -> str:
    """The sentences, then the warnings."""
    said = [parts.paragraph(line, "sentence") for line in sweep_words.verdict(sweep)]
    said += [parts.paragraph(line, "warning") for line in sweep_words.remarks(sweep)]
    return '<div class="verdict">\n' + "\n".join(said) + "\n</div>"


def _figures(sweep: Sweep) -> str:
    """Estimates beside the truth, then the truth alone, if there is one."""
    drawn = parts.drawing(effect_against_value(sweep), "effect")
    caption = parts.paragraph(sweep_words.EFFECT_CAPTION, "caption")
    effects = parts.section("Effect against value", f"{drawn}\n{caption}")
    if not has_truth(sweep):
        return effects
    drawn = parts.drawing(truth_against_value(sweep), "truth")
    caption = parts.paragraph(sweep_words.TRUTH_CAPTION, "caption")
    return effects + parts.section("True effect against value", f"{drawn}\n{caption}")


def _table(sweep: Sweep) -> str:
    return parts.section("Table", parts.table(sweep_words.headings(sweep), sweep_words.lines(sweep)))


def _runs(sweep: Sweep) -> str:
    """Links to the full report of each value, beside this file."""
    links = [
        f'<li><a href="{html.escape(quote(f"./{point.path}/report.html"))}">'
        f"{html.escape(sweep.parameter.name)} = {point.value:g}</a></li>"
        for point in sweep.points
    ]
    return parts.section("Reports", f"<ul>{''.join(links)}</ul>")
