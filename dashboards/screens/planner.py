"""Planner: how many users and days an effect takes."""

from pathlib import Path

import streamlit as st

from dashboards.figures.panels import Panel
from dashboards.figures.power import Here, smallest_effect
from dashboards.html_pages import power
from dashboards.screens.widgets import choose_result, show_panel, show_section
from dashboards.text import formatting
from simulator.reports.power import load_power
from simulator.reports.report import Report


def show(folder: Path, run: Path | None, report: Report | None) -> None:
    """Sentences, the smallest effect against users and days with the chosen run in it, and tables."""
    command = f"askew power {'demo' if run is None else run} --effect 0.01 --out {folder / 'power'}"
    plan = choose_result(folder, "power.json", load_power, command)
    if plan is None:
        return
    st.caption(formatting.in_markdown(f"{plan.name}: {power.facts(plan)}"))
    st.info("\n\n".join(formatting.in_markdown(line) for line in power.verdict(plan)))
    here = None if report is None else Here(report.users, report.days)
    panel = Panel("power", "Smallest effect", power.CAPTION, smallest_effect(plan, here))
    show_panel(panel)
    for table in power.tables(plan):
        show_section(table)
