"""Segments: whether the effect is the same for everybody."""

from pathlib import Path

import streamlit as st

from dashboards.figures import panels
from dashboards.screens.widgets import show_drawn, show_section
from dashboards.tables import sections
from dashboards.text import formatting
from simulator.reports.report import Report


def show(run: Path, report: Report) -> None:  # noqa: ARG001 (as every page of a run)
    """One forest per metric that the report splits by segment."""
    split = {row.metric for row in report.segments}
    keys = [key for key in formatting.metric_keys(report) if key in split]
    if not keys:
        st.info("This report has no segments.")
        return
    show_drawn(panels.segment_forest, report, tuple(keys))
    show_section(sections.heterogeneity(report))
