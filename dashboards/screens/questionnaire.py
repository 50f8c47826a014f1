"""The questionnaire: who was asked, who answered, and what that hides."""

import streamlit as st

from dashboards import figures, scorecard
from dashboards.screens.parts import show_panel, show_table
from simulator.report import Report


def show(report: Report) -> None:
    """Funnel first, since differing answer rates spoil the shares below it."""
    show_panel(figures.questionnaire_funnel(report))
    show_panel(figures.satisfied_shares(report))
    st.subheader("Counts", anchor=False)
    show_table(scorecard.ANSWER_HEADINGS, scorecard.answer_lines(report))
