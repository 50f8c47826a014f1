"""Policies: rankers side by side, in a test and on a fixed log."""

from pathlib import Path

import streamlit as st

from dashboards.figures import ablations
from dashboards.figures.leaderboard import effects
from dashboards.figures.offline import scores
from dashboards.figures.panels import Panel
from dashboards.html_pages import leaderboard, offline
from dashboards.run_control.found_runs import fingerprint, read_run, run_label
from dashboards.screens.widgets import choose_result, show_panel, show_rows
from dashboards.text import formatting
from simulator.reports.leaderboard import load_leaderboard
from simulator.reports.offline import load_offline
from simulator.reports.report import Report, RunFolderError, find_runs


def show(folder: Path, run: Path | None, report: Report | None) -> None:  # noqa: ARG001 (every page is called alike)
    """The leaderboard, the offline table, and what parts of policies are worth."""
    st.header("Leaderboard", anchor=False)
    _show_leaderboard(folder)
    st.header("Offline", anchor=False)
    _show_offline(folder)
    st.header("Ablations", anchor=False)
    _show_ablations(folder)


def _show_leaderboard(folder: Path) -> None:
    """Lifts over `base`, estimated and true."""
    command = f"askew evaluate satisfaction --out {folder / 'leaderboard'}"
    board = choose_result(folder, "leaderboard.json", load_leaderboard, command)
    if board is None:
        return
    st.caption(formatting.in_markdown(leaderboard.facts(board)))
    show_panel(Panel("leaderboard", "Lifts over base", leaderboard.CAPTION, effects(board)))
    show_rows("Table", leaderboard.headings(), [leaderboard.line(entry) for entry in board.entries])


def _show_offline(folder: Path) -> None:
    """Hits and ranks on a fixed log."""
    command = f"askew offline kuairand-pure --out {folder / 'offline'}"
    evaluation = choose_result(folder, "offline.json", load_offline, command)
    if evaluation is None:
        return
    st.caption(formatting.in_markdown(f"{evaluation.data}: {offline.facts(evaluation)}"))
    if evaluation.lead is not None:
        st.markdown(formatting.in_markdown(offline.lead_in_words(evaluation.lead)))
    show_panel(Panel("offline", "Scores", offline.caption(evaluation), scores(evaluation)))
    lines = [offline.line(evaluation, row) for row in evaluation.policies]
    show_rows("Offline scores", offline.headings(evaluation), lines)


def _show_ablations(folder: Path) -> None:
    """The true effects of runs that set a policy against itself with other options."""
    reports = {run_label(run, folder): report for run in find_runs(folder) if (report := _ablation(run)) is not None}
    if not reports:
        st.info("No run sets a policy against itself with other options. Make one:")
        st.code(f"askew run ablations_easq --out {folder / 'ablations'}", language="bash", wrap_lines=True)
        return
    report = reports[st.selectbox("Run with one policy in several arms", list(reports), key="ablations")]
    st.caption(
        formatting.in_markdown(f"Control: {report.arms[0].name} ({report.arms[0].policy}). {formatting.facts(report)}")
    )
    show_panel(Panel("parts", "What the parts are worth", ablations.CAPTION, ablations.effects(report)))
    show_rows("True effects", ablations.headings(report), ablations.lines(report))


def _ablation(run: Path) -> Report | None:
    """The report of a finished run that is an ablation."""
    version = fingerprint(run)
    try:
        report = None if version is None else read_run(run, version)
    except RunFolderError:
        return None
    return report if report is not None and ablations.is_ablation(report) else None
