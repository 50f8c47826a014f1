"""The questionnaire: who was asked, who answered, and what that hides."""

from pathlib import Path

import streamlit as st

from dashboards import figures, scorecard, section_tables
from dashboards.screens.parts import show_drawn, show_section, show_table
from simulator.reports.report import Report


def show(run: Path, report: Report) -> None:  # noqa: ARG001 (as every page of a run)
    """Funnel first, since differing answer rates spoil the shares below it."""
    show_drawn(figures.questionnaire_funnel, report)
    show_section(section_tables.answer_rates(report))
    show_drawn(figures.satisfied_shares, report)
    show_drawn(figures.answer_effects, report)
    show_section(section_tables.answer_effects(report))
    show_drawn(figures.answered_by_feeling, report)
    show_drawn(figures.propensity_calibration, report)
    st.subheader("Counts", anchor=False)
    show_table(scorecard.ANSWER_HEADINGS, scorecard.answer_lines(report))
