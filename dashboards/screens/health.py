"""Health: whether the split can be trusted."""

from pathlib import Path

import streamlit as st

from dashboards.figures import panels
from dashboards.screens.widgets import show_drawn, show_remarks, show_section, show_table
from dashboards.tables import scorecard, sections
from dashboards.text import formatting
from dashboards.text.decision import split_is_off
from simulator.reports.report import Report
from simulator.reports.sections import SPLIT_ALARM


def show(run: Path, report: Report) -> None:  # noqa: ARG001 (as every page of a run)
    """The sample ratio check in a sentence, then sizes and placebo comparisons."""
    p = formatting.p_value(report.health.srm_p_value)
    if split_is_off(report):
        st.error(
            f"Sample ratio mismatch: p = {p}, below {SPLIT_ALARM}. Bucket sizes differ from plan; find out why first."
        )
    else:
        st.success(f"Sample ratio check: p = {p}; an alarm would be below {SPLIT_ALARM}.")
    if report.health.a_a:
        st.info("A/A test: all arms run the same policy, so every true effect is zero.")
    show_remarks(report)
    show_table(scorecard.BUCKET_HEADINGS, scorecard.bucket_lines(report))
    show_section(sections.health_checks(report))
    show_drawn(panels.bucket_sizes, report)
    show_drawn(panels.split_over_time, report)
    show_drawn(panels.pre_period, report)
    show_section(sections.novelty(report))
