"""Truth lab: how often each method is wrong where the truth is known, and what peeking does."""

from pathlib import Path

import streamlit as st

from dashboards.figures import looks
from dashboards.figures.audit import quantiles, rates, shown_rows
from dashboards.figures.panels import Panel
from dashboards.html_pages.audit import HEADINGS, QUANTILES_CAPTION, RATES_CAPTION, cells, facts, verdict
from dashboards.html_pages.scorecards import render_scorecard
from dashboards.screens.widgets import choose_result, show_html, show_panel, show_rows
from dashboards.tables import interference
from dashboards.text import formatting, truth
from simulator.reports.audit import Audit, load_audit
from simulator.reports.report import Report

_REPLAY_CAPTION = (
    "Step through the days and stop when you would have. Only then does the truth appear. The darkest band is the usual"
    " interval, right for one look only; the paler ones hold over all looks."
)


def show(folder: Path, run: Path | None, report: Report | None) -> None:
    """Whether the chosen run was right, its looks, its worlds, then an audit of many tests."""
    if report is None:
        st.info("Choose a finished run to see whether it was right and to play its looks again.")
    else:
        _show_run(report)
    st.header("How often is each method right?", anchor=False)
    audit = choose_result(folder, "audit.json", load_audit, _command(folder, run))
    if audit is not None:
        _show_audit(audit)


def _show_run(report: Report) -> None:
    """The run's estimates beside the truth, its looks, its worlds."""
    st.header("Did this test get it right?", anchor=False)
    st.caption(formatting.in_markdown(f"{report.name}: {formatting.facts(report)}"))
    for line in truth.held(report):
        st.markdown(formatting.in_markdown(line))
    if truth.has_truth(report):
        show_html(render_scorecard(report))
    st.header("Peeking, played again", anchor=False)
    _show_replay(report)
    st.header("All-control and all-treatment worlds", anchor=False)
    if report.worlds:
        show_rows("Beside the mixed world", interference.HEADINGS, interference.lines(report), interference.CAPTION)
    else:
        st.info("This run simulated no worlds beside the test.")


def _command(folder: Path, run: Path | None) -> str:
    return f"askew audit {'demo' if run is None else run} --out {folder / 'audit'}"


def _show_audit(audit: Audit) -> None:
    """One source and treatment: sentences, rates, quantiles, table."""
    st.caption(formatting.in_markdown(f"{audit.name}: {facts(audit)}"))
    for line in verdict(audit):
        st.markdown(formatting.in_markdown(line))
    keys = list(dict.fromkeys((row.source, row.arm) for row in audit.rows))
    if not keys:
        st.info("This audit read no test.")
        return
    source, arm = st.selectbox("Tests", keys, format_func=lambda key: f"{key[0]}, {key[1]}", key="audited")
    rows = shown_rows(audit, source, arm)
    title = "How often is each method wrong?"
    show_panel(Panel("audit-rates", title, RATES_CAPTION, rates(rows)))
    metrics = list(dict.fromkeys(row.metric for row in rows if row.p_quantiles))
    metric = st.selectbox("Metric of the p-values", metrics, key="audited-metric") if metrics else None
    figure = quantiles([row for row in rows if row.metric == metric])
    show_panel(Panel("audit-quantiles", "Are A/A p-values even?", QUANTILES_CAPTION, figure))
    mine = [row for row in audit.rows if (row.source, row.arm) == (source, arm)]
    show_rows("Every metric and method", HEADINGS, [cells(row) for row in mine])


def _show_replay(report: Report) -> None:
    """Looks up to the day reached; buttons step, stop and begin anew."""
    pairs = list(dict.fromkeys((row.metric, row.arm) for row in (report.looks.rows if report.looks else [])))
    if not pairs:
        st.info("This run kept no looks; tests of one day have none.")
        return
    metric, arm = st.selectbox("Metric", pairs, format_func=lambda pair: f"{pair[0]}, {pair[1]}", key="replayed")
    key = f"replay-{report.name}-{report.seed}-{metric}-{arm}"
    n_looks, stopped = st.session_state.get(key, (1, False))
    rows = looks.looks_of(report, metric, arm)
    n_looks = min(n_looks, len(rows))
    ended = stopped or n_looks == len(rows)
    with st.container(horizontal=True):
        st.button("Next day", disabled=ended, on_click=_remember, args=(key, n_looks + 1, False), key="replay-next")
        st.button("Stop here", disabled=stopped, on_click=_remember, args=(key, n_looks, True), key="replay-stop")
        st.button("Again", on_click=_remember, args=(key, 1, False), key="replay-again")
    figure = looks.replay(report, metric, arm, n_looks, stopped=stopped)
    show_panel(Panel("replay", f"After day {rows[n_looks - 1].days} of {rows[-1].days}", _REPLAY_CAPTION, figure))
    if stopped:
        show_rows("What each method says at your stop", looks.HEADINGS, looks.method_lines(rows[n_looks - 1]))
        whole = formatting.lift(rows[-1].true_relative_effect)
        st.markdown(formatting.in_markdown(f"True lift over all {rows[-1].days} days: {whole}."))


def _remember(key: str, n_looks: int, stopped: bool) -> None:
    st.session_state[key] = (n_looks, stopped)
