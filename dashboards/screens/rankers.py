"""Policies: rankers side by side, in a test and on a fixed log."""

from pathlib import Path

import streamlit as st

from dashboards import leaderboard_figure, leaderboard_html, offline_figure, offline_html, wording
from dashboards.figures import Panel
from dashboards.screens.parts import choose_result, show_panel, show_rows
from simulator.report import Report
from simulator.report_leaderboard import load_leaderboard
from simulator.report_offline import load_offline


def show(folder: Path, run: Path | None, report: Report | None) -> None:  # noqa: ARG001 (every page is called alike)
    """The leaderboard, then the offline table."""
    st.header("Leaderboard", anchor=False)
    _show_leaderboard(folder)
    st.header("Offline", anchor=False)
    _show_offline(folder)


def _show_leaderboard(folder: Path) -> None:
    """Lifts over `base`, estimated and true."""
    command = f"askew evaluate satisfaction --out {folder / 'leaderboard'}"
    board = choose_result(folder, "leaderboard.json", load_leaderboard, command)
    if board is None:
        return
    st.caption(wording.in_markdown(leaderboard_html.facts(board)))
    show_panel(Panel("leaderboard", "Lifts over base", leaderboard_html.CAPTION, leaderboard_figure.effects(board)))
    show_rows("Table", leaderboard_html.headings(), [leaderboard_html.line(entry) for entry in board.entries])


def _show_offline(folder: Path) -> None:
    """Hits and ranks on a fixed log."""
    command = f"askew offline kuairand-pure --out {folder / 'offline'}"
    offline = choose_result(folder, "offline.json", load_offline, command)
    if offline is None:
        return
    st.caption(wording.in_markdown(f"{offline.data}: {offline_html.facts(offline)}"))
    if offline.lead is not None:
        st.markdown(wording.in_markdown(offline_html.lead_in_words(offline.lead)))
    show_panel(Panel("offline", "Scores", offline_html.caption(offline), offline_figure.scores(offline)))
    lines = [offline_html.line(offline, row) for row in offline.policies]
    show_rows("Offline scores", offline_html.headings(offline), lines)
