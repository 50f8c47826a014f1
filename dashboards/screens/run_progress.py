"""Runs without a report: how far they are, and buttons to stop them or go on."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import streamlit as st

from dashboards.run_control import launch
from dashboards.run_control.found_runs import fingerprint
from dashboards.run_control.run_list import ACTIVE, RunLine, run_line
from dashboards.text import formatting

EVERY_S: Final = 1.5
"""Seconds between two looks at a run that is under way."""


def show(folder: Path, run: Path) -> None:
    """One run's page until it has a report, which then takes its place."""
    st.title(formatting.in_markdown(run_line(run, folder).label), anchor=False)
    every = EVERY_S if run_line(run, folder).kind in ACTIVE else None
    st.fragment(_watch, run_every=every)(folder, run, every)


def _watch(folder: Path, run: Path, every: float | None) -> None:
    """Look again; once the run ends or begins, the page is another one."""
    line = run_line(run, folder)
    if fingerprint(run) is not None or (line.kind in ACTIVE) != (every is not None):
        st.rerun()
    show_line(line)
    if line.kind == "stopped":
        st.caption(formatting.in_markdown(f"If only the report is missing: askew report {run}"))
    words = launch.last_words(run)
    if words:
        st.caption(formatting.in_markdown(f"Last line of {launch.log_of(run)}: {words}"))


def show_line(line: RunLine) -> None:
    """How a run stands, with what can be done about it."""
    name = line.label
    with st.container(horizontal=True, vertical_alignment="center"):
        if line.kind in ACTIVE:
            st.progress(line.share, text=formatting.in_markdown(f"{line.label}: {line.status}"))
            _button("Stop", line, f"stop-{name}", lambda: launch.stop(line.run))
        elif line.kind == "stopped":
            st.progress(line.share, text=formatting.in_markdown(f"{line.label}: {line.status}"))
            _button("Resume", line, f"resume-{name}", lambda: launch.resume(line.run))
        elif line.kind == "failed":
            st.error(formatting.in_markdown(f"{line.label}: {line.status}"))
            _button("Remove", line, f"remove-{name}", lambda: launch.forget(line.run))
        else:
            st.error(formatting.in_markdown(f"{line.label}: {line.status}"))


def _button(label: str, line: RunLine, key: str, act: Callable[[], object]) -> None:
    """A button, and what it could not do in a sentence."""
    if not st.button(label, key=key, help=formatting.in_markdown(f"{label} {line.label}")):
        return
    try:
        act()
    except launch.LaunchError as error:
        st.error(formatting.in_markdown(str(error)))
    else:
        st.rerun()
