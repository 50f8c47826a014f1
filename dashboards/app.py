"""The Streamlit app: `streamlit run dashboards/app.py -- RUNS`. It chooses a run and hands its report to a page.

A page is imported when it is first shown, so that the list of runs appears before anything is drawn.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, final

import streamlit as st

from dashboards.run_control.found_runs import fingerprint, read_run, run_label
from dashboards.text import formatting
from simulator.reports.report import Report, RunFolderError, find_runs

HOME: Final = "runs"
# what the page that is left behind asks for: a run, and a page
_OPENED: Final = "opened"
_GO: Final = "go"
# the run that was shown last, and how many boxes to pick one from there were before: one whose value is set from here
# shows it, but its list may go on from the value before, so that picking that one does nothing
_CHOSEN: Final = "chosen"
_BOX: Final = "box"
# Streamlit's captions have a contrast of 3.9 to 1 on white; these have 7 to 1
_STYLE: Final = """<style>
[data-testid=stCaptionContainer] { opacity: 0.8 }
[data-testid=stElementContainer]:has(.unseen) { position: absolute; width: 1px; height: 1px; overflow: hidden;
  clip-path: inset(50%) }
</style>"""


@final
@dataclass(frozen=True)
class DashboardPage:
    """A page of the dashboard: `show(run, report)` in `dashboards.screens.<module>`.

    Attributes:
        title: In the menu.
        module: Its module.
        group: Row of the menu.
        free: Shown with or without a report, as `show(folder, run, report)`.
    """

    title: str
    module: str
    group: str
    free: bool = False

    @property
    def address(self) -> str:
        """Where the page is found: its title with dashes."""
        return self.title.lower().replace(" ", "-")


ALL_RUNS: Final = "All runs"
THIS_RUN: Final = "This run"
PAGES: Final = (
    DashboardPage("Runs", HOME, ALL_RUNS, free=True),
    DashboardPage("New run", "new_run", ALL_RUNS, free=True),
    DashboardPage("Planner", "planner", ALL_RUNS, free=True),
    DashboardPage("Policies", "rankers", ALL_RUNS, free=True),
    DashboardPage("Result", "result", THIS_RUN),
    DashboardPage("Questionnaire", "questionnaire", THIS_RUN),
    DashboardPage("Segments", "segments", THIS_RUN),
    DashboardPage("Health", "health", THIS_RUN),
    DashboardPage("Truth lab", "truth_lab", THIS_RUN, free=True),
    DashboardPage("Users", "users", THIS_RUN, free=True),
)


def main() -> None:
    """Menu, then the page; whatever cannot be shown is said in a sentence."""
    st.set_page_config(page_title="askew", layout="wide")
    st.html(_STYLE)
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs")
    rows = {
        group: st.container(horizontal=True, vertical_alignment="center", key=group.lower().replace(" ", "-"))
        for group in (ALL_RUNS, THIS_RUN)
    }
    with rows[THIS_RUN]:
        run = choose_run(folder)
    pages = {
        entry.module: st.Page(
            partial(show_page, entry, folder, run),
            title=entry.title,
            url_path=entry.address,
            default=entry.module == HOME,
        )
        for entry in PAGES
    }
    current = st.navigation(list(pages.values()), position="hidden")
    for entry in PAGES:
        rows[entry.group].page_link(pages[entry.module], label=entry.title)
    with rows[ALL_RUNS]:
        importlib.import_module("dashboards.screens.window").watch_window()
    if (target := st.session_state.pop(_GO, None)) in pages:
        st.switch_page(pages[target])
    current.run()


def choose_run(folder: Path) -> Path | None:
    """The run picked in the menu, opened from the list or named in the address; None without one."""
    runs = {run_label(run, folder): run for run in find_runs(folder)}
    if not runs:
        return None
    memory = st.session_state
    asked = memory.setdefault(_CHOSEN, st.query_params.get("run"))
    opened = memory.pop(_OPENED, None)
    if opened in runs:
        asked, memory[_BOX] = opened, memory.get(_BOX, 0) + 1
    labels = list(runs)
    missing = bool(asked) and asked not in runs
    index = None if missing else labels.index(asked or newest_finished(runs))
    key = f"run-{memory.get(_BOX, 0)}"
    label = st.selectbox(
        "Run", labels, index, key=key, placeholder="Choose a run", label_visibility="collapsed", width=300
    )
    if label is None:
        st.error(formatting.in_markdown(f"{asked}: no run of that name in {folder}; choose another one."))
        return None
    memory[_CHOSEN] = st.query_params["run"] = label  # so that an address can be kept and shared
    return runs.get(label)


def newest_finished(runs: Mapping[str, Path]) -> str:
    """Name of the run whose report is newest; the first run where none has one."""
    reports = {name: version.mtime_ns for name, run in runs.items() if (version := fingerprint(run))}
    return max(reports, key=reports.__getitem__) if reports else next(iter(runs))


def show_page(page: DashboardPage, folder: Path, run: Path | None) -> None:
    """One page."""
    show: Callable[..., Any] = importlib.import_module(f"dashboards.screens.{page.module}").show
    if page.module == HOME:
        st.title(page.title, anchor=False)
        show(folder, run, None)
        return
    report = None if run is None else open_run(run, folder, quiet=page.free)
    if page.free:
        st.title(page.title, anchor=False)
        show(folder, run, report)
    elif run is not None and report is not None:
        st.title(formatting.in_markdown(report.name), anchor=False)
        st.caption(formatting.in_markdown(formatting.facts(report)))
        st.html(f"<h2 class='unseen'>{page.title}</h2>")  # what a screen reader has between the run and its figures
        show(run, report)
    elif run is None and not find_runs(folder):
        from dashboards.screens import empty

        empty.show(folder)


def open_run(run: Path, folder: Path, *, quiet: bool) -> Report | None:
    """The run's report; None, after saying why unless `quiet`, where it is unfinished or damaged."""
    version = fingerprint(run)
    if version is None:
        if not quiet:
            from dashboards.screens import run_progress

            run_progress.show(folder, run)
        return None
    try:
        return read_run(run, version)
    except RunFolderError as error:
        if not quiet:
            st.title(formatting.in_markdown(run_label(run, folder)), anchor=False)
            st.error(formatting.in_markdown(str(error)))
        return None


if __name__ == "__main__":
    main()
