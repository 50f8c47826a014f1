"""Segments: whether the effect is the same for everybody."""

from pathlib import Path

import streamlit as st

from dashboards import figures, section_tables, wording
from dashboards.screens.parts import show_drawn, show_section
from simulator.reports.report import Report


def show(run: Path, report: Report) -> None:  # noqa: ARG001 (as every page of a run)
    """One forest per metric that the report splits by segment."""
    split = {row.metric for row in report.segments}
    keys = [key for key in wording.metric_keys(report) if key in split]
    if not keys:
        st.info("This report has no segments.")
        return
    show_drawn(figures.segment_forest, report, tuple(keys))
    show_section(section_tables.heterogeneity(report))
