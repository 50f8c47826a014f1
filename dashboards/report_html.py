"""`report.html`: one file that shows a report from disk, without network, and prints.

Every text is escaped where it is written. A content security policy in the page refuses whatever would be loaded.
"""

import html
import json
from collections.abc import Sequence
from dataclasses import astuple
from importlib.resources import files
from typing import Final

from dashboards import scorecard, wording
from dashboards.figures import Panel, panels
from dashboards.theme import DARK, LIGHT, template
from dashboards.verdict import split_is_off, verdict
from simulator.report import Report

POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""Only what the file itself holds may run or be shown."""
_CONFIG: Final = {"displaylogo": False, "displayModeBar": False, "responsive": True}


def render_html(report: Report) -> str:
    """The whole page; the same report gives the same text."""
    title = html.escape(report.name)
    head = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{_page_part('page.css')}</style>\n</head>\n"
    )
    body = "\n".join([_header(report), _verdict(report), _tables(report), _figures(report), _footer(report)])
    return f"{head}<body>\n{body}\n{_script()}\n</body>\n</html>\n"


def _page_part(name: str) -> str:
    """A file that ships beside this module."""
    return (files("dashboards") / "page" / name).read_text(encoding="utf-8")


def _paragraph(text: str, kind: str) -> str:
    return f'<p class="{kind}">{html.escape(text)}</p>'


def _header(report: Report) -> str:
    return f"<h1>{html.escape(report.name)}</h1>\n{_paragraph(wording.facts(report), 'facts')}"


def _verdict(report: Report) -> str:
    """The sentences, then the warnings."""
    kind = "verdict alarm" if split_is_off(report) else "verdict"
    lines = [_paragraph(line, "sentence") for line in verdict(report)]
    lines += [_paragraph(line, "warning") for line in report.health.warnings]
    return f'<div class="{kind}">\n' + "\n".join(lines) + "\n</div>"


def _tables(report: Report) -> str:
    """Scorecard, arms and questionnaire."""
    scores = [astuple(line) for line in scorecard.score_lines(report)]
    buckets = [astuple(line) for line in scorecard.bucket_lines(report)]
    answers = [astuple(line) for line in scorecard.answer_lines(report)]
    score_notes, answer_notes = _notes(scorecard.score_notes(report)), _notes(scorecard.answer_notes(report))
    sections = [
        _section("Scorecard", _table(scorecard.SCORE_HEADINGS, scores) + score_notes),
        _section("Arms", _table(scorecard.BUCKET_HEADINGS, buckets)),
        _section("Questionnaire", _table(scorecard.ANSWER_HEADINGS, answers) + answer_notes) if answers else "",
    ]
    return "\n".join(sections)


def _notes(notes: Sequence[str]) -> str:
    """A list of remarks; nothing where there are none."""
    lines = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    return f'\n<ul class="note">{lines}</ul>' if lines else ""


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{content}\n</section>"


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of text; columns of names are set left, numbers right."""
    kinds = ["text" if heading in scorecard.TEXT_COLUMNS else "number" for heading in headings]
    top = "".join(
        f'<th class="{kind}" scope="col">{html.escape(heading)}</th>'
        for kind, heading in zip(kinds, headings, strict=True)
    )
    rows = "\n".join(f"<tr>{''.join(map(_cell, line, kinds))}</tr>" for line in lines)
    return f'<div class="scroll"><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>'


def _cell(text: str, kind: str) -> str:
    missing = " missing" if text == wording.MISSING else ""
    return f'<td class="{kind}{missing}">{html.escape(text)}</td>'


def _figures(report: Report) -> str:
    """All panels; plotly.js comes once, with the first."""
    shown = panels(report)
    return "\n".join(_figure(panel, with_library=panel is shown[0]) for panel in shown)


def _figure(panel: Panel, *, with_library: bool) -> str:
    """One panel: heading, figure, caption, and what is missing."""
    drawn = panel.figure.to_html(
        config=_CONFIG, full_html=False, include_plotlyjs=with_library, div_id=f"figure-{panel.key}"
    )
    caption = _paragraph(panel.caption, "caption") + _notes(panel.notes)
    return _section(panel.title, f'<div class="figure">{drawn}</div>\n{caption}')


def _footer(report: Report) -> str:
    return f"<footer>{html.escape(wording.footer(report))}</footer>"


def _script() -> str:
    """Both looks as data, then what switches between them."""
    looks = {"light": template(LIGHT).to_plotly_json(), "dark": template(DARK).to_plotly_json()}
    data = json.dumps(looks, sort_keys=True).replace("<", "\\u003c")
    return f'<script type="application/json" id="looks">{data}</script>\n<script>\n{_page_part("page.js")}</script>'
