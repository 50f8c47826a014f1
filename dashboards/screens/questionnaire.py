"""The questionnaire: who was asked, who answered, and what that hides."""

from pathlib import Path

import streamlit as st

from dashboards.figures import panels
from dashboards.screens.widgets import show_drawn, show_section, show_table
from dashboards.tables import answer_forms, scorecard, sections
from simulator.reports.report import Report


def show(run: Path, report: Report) -> None:  # noqa: ARG001 (as every page of a run)
    """Funnel first, since differing answer rates spoil the shares below it."""
    show_drawn(panels.questionnaire_funnel, report)
    show_section(sections.answer_rates(report))
    show_drawn(panels.satisfied_shares, report)
    show_drawn(panels.answer_effects, report)
    show_section(sections.answer_effects(report))
    show_drawn(panels.shares_by_estimator, report)
    show_section(answer_forms.shares(report))
    show_drawn(panels.share_over_ratio, report)
    show_drawn(panels.effect_over_ratio, report)
    show_section(answer_forms.sensitivity(report))
    show_drawn(panels.answered_by_feeling, report)
    show_drawn(panels.propensity_calibration, report)
    st.subheader("Counts", anchor=False)
    show_table(scorecard.ANSWER_HEADINGS, scorecard.answer_lines(report))
