"""The result: verdict, scorecard, and how the effects developed."""

from pathlib import Path

import pandas as pd
import streamlit as st

from dashboards import figures, scorecard, section_tables, spread_figure, wording
from dashboards.figures import Panel
from dashboards.runs import Fingerprint, fingerprint
from dashboards.screens.parts import columns, show_drawn, show_notes, show_panel, show_rows, show_section, show_table
from dashboards.verdict import split_is_off, verdict
from simulator.report import Report, RunFolderError
from simulator.report_watch import WatchSpread, watch_spreads


def show(run: Path, report: Report) -> None:
    """Verdict first, then the numbers, then the curves."""
    sentences = "\n\n".join(wording.in_markdown(line) for line in verdict(report))
    (st.error if split_is_off(report) else st.info)(sentences)
    for warning in report.health.warnings:
        st.warning(wording.in_markdown(warning))
    st.subheader("Scorecard", anchor=False)
    show_brief(report)
    with st.expander("All columns: levels, corrections, method"):
        show_table(scorecard.SCORE_HEADINGS, scorecard.score_lines(report))
    show_notes(scorecard.score_notes(report))
    show_drawn(figures.scorecard_forest, report)
    show_drawn(figures.look_curves, report)
    chosen = choose_metrics(report)
    show_drawn(figures.daily_lift, report, tuple(chosen))
    show_drawn(figures.daily_levels, report, tuple(chosen))
    show_drawn(figures.p2n_sides, report)
    show_section(section_tables.p2n(report))
    show_drawn(figures.quantile_effects, report)
    show_spread(run, report)


def show_spread(run: Path, report: Report) -> None:
    """Watch time over the users of each bucket, which stands in the run's user-days and not in its report."""
    title = "Watch time per user"
    try:
        spreads = _spreads(run, fingerprint(run))
    except RunFolderError as error:
        st.subheader(title, anchor=False)
        st.info(wording.in_markdown(str(error)))
        return
    show_panel(Panel("spread", title, spread_figure.CAPTION, spread_figure.watch_spread(report, spreads)))
    show_rows("Watch time in figures", spread_figure.HEADINGS, spread_figure.lines(report, spreads))


@st.cache_resource(max_entries=64, show_spinner="Counting users by watch time")
def _spreads(run: Path, version: Fingerprint | None) -> list[WatchSpread]:  # noqa: ARG001 (part of the cache's key)
    """Counted once per version of a run's report, for all viewers."""
    return watch_spreads(run)


def show_brief(report: Report) -> None:
    """The columns of the scorecard that a narrow window holds; the arm where there are several."""
    several = len(report.arms) > 2
    headings = ("Metric", *(("Arm",) if several else ()), "Lift", "95% interval", "True lift", "p")
    lines = [
        (line.metric, *((line.arm,) if several else ()), line.lift, line.interval, line.true_lift, line.p_value)
        for line in scorecard.score_lines(report)
    ]
    frame = pd.DataFrame(lines, columns=list(headings))
    st.dataframe(frame, hide_index=True, height="content", column_config=columns(frame))


def choose_metrics(report: Report) -> list[str]:
    """The metrics whose curves are shown; the headline ones to begin with."""
    return st.multiselect(
        "Metrics of the daily curves",
        wording.metric_keys(report),
        default=wording.headline_keys(report),
        format_func=lambda key: wording.describe(report, key).label,
        key="metrics",
    )
