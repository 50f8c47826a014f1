"""`report.html`: one file that shows a report from disk, without network, and prints."""

import html
from dataclasses import astuple
from typing import Final

from dashboards.figures.panels import Panel, panels, satisfied_shares
from dashboards.html_pages.parts import drawing, notes, off_paper, page, paragraph, section, table
from dashboards.tables import scorecard
from dashboards.tables import sections as section_tables
from dashboards.tables.interference import interference
from dashboards.text import formatting
from dashboards.text.verdict import split_is_off, verdict
from simulator.reports.report import Report

BESIDE_TABLE: Final = "satisfied"
"""The figure that stands with its table, by key."""
PRINTED: Final = ("scorecard", "looks")
"""Figures that go on paper too: with verdict and tables they fill two sheets."""


def render_html(report: Report) -> str:
    """The whole page; the same report gives the same text."""
    parts = [
        _header(report),
        _verdict(report),
        _tables(report),
        off_paper(_table_section(interference(report))),
        _figures(report),
        _footer(report),
    ]
    return page(report.name, "\n".join(part for part in parts if part))


def _header(report: Report) -> str:
    return f"<h1>{html.escape(report.name)}</h1>\n{paragraph(formatting.facts(report), 'facts')}"


def _verdict(report: Report) -> str:
    """The sentences, then the warnings."""
    kind = "verdict alarm" if split_is_off(report) else "verdict"
    lines = [paragraph(line, "sentence") for line in verdict(report)]
    lines += [paragraph(line, "warning") for line in report.health.warnings]
    return f'<div class="{kind}">\n' + "\n".join(lines) + "\n</div>"


def _tables(report: Report) -> str:
    """Scorecard, arms, questionnaire, and what goes with them; details stay off paper."""
    scores = [astuple(line) for line in scorecard.score_lines(report)]
    buckets = [astuple(line) for line in scorecard.bucket_lines(report)]
    answers = [astuple(line) for line in scorecard.answer_lines(report)]
    score_notes, answer_notes = notes(scorecard.score_notes(report)), notes(scorecard.answer_notes(report))
    details = "\n".join(map(_table_section, section_tables.tables(report)))
    sections = [
        section("Scorecard", table(scorecard.SCORE_HEADINGS, scores) + score_notes),
        section("Arms", table(scorecard.BUCKET_HEADINGS, buckets)),
        section("Questionnaire", table(scorecard.ANSWER_HEADINGS, answers) + answer_notes) if answers else "",
        _figure(satisfied_shares(report)),
        off_paper(details),
    ]
    return "\n".join(sections)


def _table_section(details: section_tables.SectionTable) -> str:
    """One table under its title; nothing where it has no lines."""
    if not details.lines:
        return ""
    return section(details.title, f"{table(details.headings, details.lines)}\n{paragraph(details.caption, 'caption')}")


def _figures(report: Report) -> str:
    """All panels; those of `PRINTED` come on paper too."""
    return "\n".join(
        _figure(panel) if panel.key in PRINTED else off_paper(_figure(panel))
        for panel in panels(report)
        if panel.key != BESIDE_TABLE
    )


def _figure(panel: Panel) -> str:
    """One panel: heading, figure, caption, and what is missing."""
    drawn = drawing(panel.figure, panel.key)
    caption = paragraph(panel.caption, "caption") + notes(panel.notes)
    return section(panel.title, f"{drawn}\n{caption}")


def _footer(report: Report) -> str:
    more = '<p class="on-paper">On screen this page also shows days, segments, answering and the split in detail.</p>'
    return f"<footer>{html.escape(formatting.footer(report))}{more}</footer>"
