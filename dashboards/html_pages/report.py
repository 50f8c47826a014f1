"""`report.html`: one file that shows a report from disk, without network, and prints."""

from dataclasses import astuple
from typing import Final

from dashboards.figures.panels import panels
from dashboards.html_pages.decision_cards import render_cards
from dashboards.html_pages.page import Line, Page, Section, render_page, section_of, section_of_table
from dashboards.html_pages.scorecards import render_scorecard
from dashboards.tables import answer_forms, scorecard, sections
from dashboards.tables.interference import interference
from dashboards.tables.sections import SectionTable
from dashboards.text import formatting
from dashboards.text.remarks import remarks_of
from simulator.reports.report import Report

BESIDE_TABLE: Final = "satisfied"
"""The figure that stands with its table, by key."""
PRINTED: Final = ("scorecard", "looks", BESIDE_TABLE)
"""Figures that go on paper too: with verdict and tables they fill two sheets."""


def render_html(report: Report) -> str:
    """Render the page; the same report gives the same text."""
    remarks = remarks_of(report)
    box = [Line(text, "warning") for text in remarks.urgent] + [Line(text) for text in remarks.notes]
    figures = {panel.key: section_of(panel, on_paper=panel.key in PRINTED) for panel in panels(report)}
    answers = (answer_forms.shares(report), answer_forms.sensitivity(report))
    details = [table for table in (*sections.tables(report), *answers, interference(report)) if table.lines]
    parts = [
        *_main_tables(report),
        figures.pop(BESIDE_TABLE),
        *(section_of_table(table, on_paper=False) for table in details),
        *figures.values(),
        _all_columns(report),
    ]
    facts, footer = formatting.facts(report), formatting.footer(report)
    return render_page(Page(report.name, facts, box, parts, footer=footer, cards=render_cards(report)))


def _main_tables(report: Report) -> list[Section]:
    """Make scorecard, arms and, where there is one, questionnaire."""
    buckets = [astuple(line) for line in scorecard.bucket_lines(report)]
    answers = [astuple(line) for line in scorecard.answer_lines(report)]
    made = [
        Section("Scorecard", html=render_scorecard(report)),
        _section("Arms", scorecard.BUCKET_HEADINGS, buckets, []),
        _section("Questionnaire", scorecard.ANSWER_HEADINGS, answers, scorecard.answer_notes(report)),
    ]
    return made if answers else made[:2]


def _all_columns(report: Report) -> Section:
    """Make the scorecard with levels, corrections and method, for the screen."""
    scores = [astuple(line) for line in scorecard.score_lines(report)]
    table = SectionTable("Scorecard, all columns", scorecard.SCORE_HEADINGS, scores, "")
    return Section(table.title, table=table, notes=scorecard.score_notes(report), on_paper=False)


def _section(title: str, headings: tuple[str, ...], lines: list[tuple[str, ...]], notes: list[str]) -> Section:
    return Section(title, table=SectionTable(title, headings, lines, ""), notes=notes)
