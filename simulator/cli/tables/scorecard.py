"""The report on a terminal: the words of the page, the verdict first, in tables that fit the terminal's width."""

from dataclasses import astuple
from typing import Final

from rich.console import Group

from dashboards.tables import answer_forms, sections
from dashboards.tables import scorecard as page
from dashboards.tables.interference import interference
from dashboards.text import formatting
from dashboards.text.decision import arm_and_policy, split_is_off
from dashboards.text.verdict import brief, verdict
from simulator.cli.tables.fitted import FittedTable, Sentence, remark_sentences
from simulator.reports.report import Report

_SCORES: Final = ("Metric", "Lift", "Change", "95% interval", "True lift", "Truth", "p", "Control", "Treatment")
"""Columns of the scorecard in the order in which they are given room; the first six stay longest."""
_ANSWERS: Final = ("Arm", "Naive share", "Doubly robust", "True: all asked", "Weighted share", "Answered", "Asked")


def scorecard(report: Report) -> Group:
    """Make what `askew run` and `askew report` print."""
    tables = (sections.trainings(report), interference(report))
    return Group(
        Sentence(f"{report.name}: {brief(report)}", "bold red" if split_is_off(report) else "bold"),
        Sentence(formatting.facts(report)),
        *_score_tables(report),
        Sentence(""),
        *map(Sentence, verdict(report)),
        *map(Sentence, page.missing_notes(report.metrics)),
        *remark_sentences(report),
        *(FittedTable(table.title, table.headings, table.lines) for table in tables),
        _answer_table(report),
        *_form_tables(report),
    )


def _score_tables(report: Report) -> list[FittedTable]:
    """One table per treatment, which its title names."""
    lines = page.score_lines(report)
    headings = tuple(heading for heading in page.SCORE_HEADINGS if heading != "Arm")
    tables: list[FittedTable] = []
    for arm in dict.fromkeys(line.arm for line in lines):
        baseline = next(row.baseline for row in report.metrics if row.arm == arm)
        title = f"{arm_and_policy(report, arm)} against {arm_and_policy(report, baseline)}"
        cells = [_without_arm(line) for line in lines if line.arm == arm]
        tables.append(FittedTable(title, headings, cells, _SCORES, essential=6))
    return tables


def _without_arm(line: page.ScoreLine) -> tuple[str, ...]:
    return tuple(cell for heading, cell in zip(page.SCORE_HEADINGS, astuple(line), strict=True) if heading != "Arm")


def _answer_table(report: Report) -> FittedTable:
    lines = [astuple(line) for line in page.answer_lines(report)]
    return FittedTable("Questionnaire", page.ANSWER_HEADINGS, lines, _ANSWERS, essential=2)


def _form_tables(report: Report) -> list[FittedTable]:
    """Shares by estimator where some questionnaires had the strong form; then how safe the sign of the effect is."""
    shares, signs = answer_forms.shares(report), answer_forms.sensitivity(report)
    has_strong_form = (
        report.answering is not None and report.answering.forms is not None and report.answering.forms.asks_strongly
    )
    return [
        FittedTable(table.title, table.headings, table.lines)
        for table in ((shares, signs) if has_strong_form else (signs,))
    ]
