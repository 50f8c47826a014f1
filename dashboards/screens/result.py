"""The result: verdict and scorecard, and behind tabs how the effects developed; a tab is drawn when it is opened."""

from pathlib import Path
from typing import Final

import streamlit as st

from dashboards.figures import panels
from dashboards.html_pages.decision_cards import render_cards
from dashboards.html_pages.scorecards import render_scorecard
from dashboards.screens.navigation import go_to
from dashboards.screens.widgets import show_drawn, show_html, show_notes, show_remarks, show_section, show_table
from dashboards.tables import scorecard, sections
from dashboards.text import formatting
from dashboards.text.truth import has_truth
from simulator.reports.report import Report

TABS: Final = ("Summary", "Over time", "P2N", "Distribution")


def show(run: Path, report: Report) -> None:
    """Verdict first, then the numbers; curves and distributions behind tabs."""
    show_html(render_cards(report))
    if has_truth(report) and st.button("Did this test get it right?", icon=":material/target:", key="to-truth"):
        go_to("truth_lab")
    show_remarks(report)
    summary, over_time, p2n, distribution = st.tabs(TABS, on_change="rerun", key="part")
    with summary:
        if summary.open:
            show_summary(report)
    with over_time:
        if over_time.open:
            show_over_time(report)
    with p2n:
        if p2n.open:
            show_drawn(panels.p2n_sides, report)
            show_section(sections.p2n(report))
    with distribution:
        if distribution.open:
            show_drawn(panels.quantile_effects, report)
            from dashboards.screens import watch_time  # brings duckdb, which the figures above need not wait for

            watch_time.show(run, report)


def show_summary(report: Report) -> None:
    """Scorecard with its details, and a forest of all lifts."""
    st.subheader("Scorecard", anchor=False)
    show_html(render_scorecard(report))
    with st.expander("All columns: levels, corrections, method"):
        show_table(scorecard.SCORE_HEADINGS, scorecard.score_lines(report))
    with st.expander("One effect by each method"):
        show_section(sections.methods(report))
    show_notes(scorecard.score_notes(report))
    show_section(sections.trainings(report))
    show_drawn(panels.scorecard_forest, report)


def show_over_time(report: Report) -> None:
    """Looks, and lift and level by day."""
    show_drawn(panels.look_curves, report)
    chosen = choose_metrics(report)
    show_drawn(panels.daily_lift, report, tuple(chosen))
    show_drawn(panels.daily_levels, report, tuple(chosen))


def choose_metrics(report: Report) -> list[str]:
    """The metrics whose curves are shown; the headline ones to begin with."""
    return st.multiselect(
        "Metrics of the daily curves",
        formatting.metric_keys(report),
        default=formatting.headline_keys(report),
        format_func=lambda key: formatting.describe(report, key).label,
        key="metrics",
    )
