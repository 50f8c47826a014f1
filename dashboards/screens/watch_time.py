"""Part of the result that is counted from the run's user-days: how watch time is spread over users."""

from pathlib import Path

import streamlit as st

from dashboards.figures import distribution
from dashboards.figures.panels import Panel
from dashboards.run_control.found_runs import Fingerprint, fingerprint
from dashboards.screens.widgets import show_panel, show_rows
from dashboards.text import formatting
from simulator.reports.report import Report, RunFolderError
from simulator.reports.watch_time import WatchSpread, watch_spreads


def show(run: Path, report: Report) -> None:
    """Watch time over the users of each bucket, as a figure and a table."""
    title = "Watch time per user"
    try:
        spreads = _spreads(run, fingerprint(run))
    except RunFolderError as error:
        st.subheader(title, anchor=False)
        st.info(formatting.in_markdown(str(error)))
        return
    show_panel(Panel("spread", title, distribution.CAPTION, distribution.watch_spread(report, spreads)))
    show_rows("Watch time in figures", distribution.HEADINGS, distribution.lines(report, spreads))


@st.cache_resource(max_entries=64, show_spinner="Counting users by watch time")
def _spreads(run: Path, version: Fingerprint | None) -> list[WatchSpread]:  # noqa: ARG001 (part of the cache's key)
    """Counted once per version of a run's report, for all viewers."""
    return watch_spreads(run)
