"""The Streamlit app: `streamlit run dashboards/app.py -- RUNS`. It chooses a run and hands its report to a page."""

import sys
from functools import partial
from pathlib import Path

import streamlit as st

from dashboards import wording
from dashboards.runs import fingerprint, read_run, run_label
from dashboards.screens import health, planner, questionnaire, rankers, result, segments, truth_lab, users
from simulator.report import Report, RunFolderError, find_runs


def main() -> None:
    """Sidebar, then the page; whatever cannot be shown is said in a sentence."""
    st.set_page_config(page_title="askew", layout="wide")
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs")
    run = choose_run(folder)
    report = None if run is None else open_run(run)
    if report is not None:
        st.title(wording.in_markdown(report.name), anchor=False)
        st.caption(wording.in_markdown(wording.facts(report)))
        pages(report, folder, run)


def choose_run(folder: Path) -> Path | None:
    """The run picked in the sidebar; None where there is none to pick."""
    runs = find_runs(folder)
    if not runs:
        fault = "holds no run" if folder.is_dir() else "is no folder"
        st.info(wording.in_markdown(f"{folder} {fault}. Make one: askew run demo --out {folder / 'demo'}"))
        return None
    return st.sidebar.selectbox("Run", runs, format_func=lambda run: run_label(run, folder), key="run")


def open_run(run: Path) -> Report | None:
    """The run's report; None, after saying why, where it is unfinished or damaged."""
    version = fingerprint(run)
    if version is None:
        text = f"{run} is not finished: it has a spec but no report.json yet. If the run was stopped, run it again"
        st.info(wording.in_markdown(f"{text} into a new folder; if only the report is missing: askew report {run}"))
        return None
    try:
        return read_run(run, version)
    except RunFolderError as error:
        st.error(wording.in_markdown(str(error)))
        return None


def pages(report: Report, folder: Path, run: Path | None) -> None:
    """One page per question, each at its own address."""
    sides = (
        ("Result", result.show),
        ("Questionnaire", questionnaire.show),
        ("Segments", segments.show),
        ("Health", health.show),
    )
    more = (("Truth lab", truth_lab.show), ("Users", users.show), ("Policies", rankers.show), ("Planner", planner.show))
    listed = [st.Page(partial(show, report), title=title, url_path=title.lower()) for title, show in sides]
    listed += [
        st.Page(partial(show, folder, run, report), title=title, url_path=title.lower().replace(" ", "-"))
        for title, show in more
    ]
    shown = st.navigation(listed, position="top")
    shown.run()


if __name__ == "__main__":
    main()
