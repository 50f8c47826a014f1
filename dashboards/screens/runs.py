"""Runs: what there is, how each stands, and what came of it; the page that the dashboard opens with."""

from pathlib import Path
from zlib import crc32

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from dashboards.run_control.found_runs import fingerprint, read_run
from dashboards.run_control.run_list import ACTIVE, RunLine, run_lines
from dashboards.screens import empty, import_export
from dashboards.screens.navigation import go_to
from dashboards.screens.run_progress import EVERY_S, show_line
from dashboards.tables import comparison
from dashboards.text import formatting
from simulator.reports.report import Report, RunFolderError


def show(folder: Path, run: Path | None, report: Report | None) -> None:  # noqa: ARG001 (as every page)
    """The list, kept up to date while something runs."""
    lines = run_lines(folder) if folder.is_dir() else []
    if lines:
        every = EVERY_S if _active(lines) else None
        st.fragment(_list, run_every=every)(folder, every)
    else:
        empty.show(folder)
    if folder.is_dir() and not (folder / "spec.toml").is_file():
        import_export.show_import(folder)


def _list(folder: Path, every: float | None) -> None:
    """What needs a look first, then all runs, then what is to be done with those that are ticked."""
    lines = run_lines(folder)
    if bool(_active(lines)) != (every is not None):
        st.rerun()
    for line in lines:
        if line.kind in (*ACTIVE, "failed"):
            show_line(line)
    words = st.text_input("Search", placeholder="name, policy, verdict or state", key="search")
    matching = [line for line in lines if line.matches(words)]
    if not matching:
        st.info(f"None of {len(lines)} runs matches.")
        return
    _act([matching[i] for i in _ticked(matching)])


def _ticked(lines: list[RunLine]) -> list[int]:
    """The list itself; places of the lines that are ticked, which hold for this list only."""
    key = f"list-{crc32(repr([line.label for line in lines]).encode()):08x}"
    table = st.dataframe(
        _frame(lines),
        hide_index=True,
        key=key,
        on_select="rerun",
        selection_mode="multi-row",
        column_config=_columns(),
        height="content" if len(lines) <= 12 else 460,
    )
    return [i for i in table["selection"]["rows"] if i < len(lines)]


def _frame(lines: list[RunLine]) -> pd.DataFrame:
    """The list as a table."""
    return pd.DataFrame(
        {
            "Run": [line.label for line in lines],
            "Effect, %": [list(line.outcome.effect) for line in lines],
            "Health": [line.outcome.health for line in lines],
            "Policies": [line.outcome.policies for line in lines],
            "Date": [line.date for line in lines],
            "Outcome": [line.outcome.verdict or line.status for line in lines],
        }
    )


def _columns() -> dict[str, ColumnConfig]:
    """Widths, and what the narrow ones mean."""
    column = st.column_config
    return {
        "Run": column.TextColumn(pinned=True, width=90),
        "Effect, %": column.LineChartColumn(
            width=65, help="Lift of the first main metric, cumulative by day where the report has looks"
        ),
        "Health": column.TextColumn(width=100),
        "Policies": column.TextColumn(width=145, help="Of the control, then of the treatments"),
        "Date": column.DatetimeColumn(format="YYYY-MM-DD", width=88),
        "Outcome": column.TextColumn(
            width=230, help="What became of the main metrics, all of them considered; or how far an unfinished run is"
        ),
    }


def _act(ticked: list[RunLine]) -> None:
    """What can be done with the runs that are ticked."""
    if not ticked:
        st.caption("Tick a run to open, export or resume it; tick two or more to compare them.")
    elif len(ticked) == 1:
        _act_on(ticked[0])
    else:
        _compare(ticked)


def _act_on(line: RunLine) -> None:
    """What can be done with one run."""
    with st.container(horizontal=True):
        if line.kind != "failed" and st.button(
            f"Open {formatting.in_markdown(line.label)}", type="primary", key="open"
        ):
            go_to("result", line.label)
        if line.kind in ("finished", "stopped"):
            import_export.show_export(line.run)
    if line.kind in ("stopped", "damaged"):
        show_line(line)


def _compare(ticked: list[RunLine]) -> None:
    """The scorecards of runs side by side; the ones without a report are named."""
    reports: dict[str, Report] = {}
    for line in ticked:
        version = fingerprint(line.run)
        try:
            if version is not None:
                reports[line.label] = read_run(line.run, version)
                continue
        except RunFolderError:
            pass
        st.warning(formatting.in_markdown(f"{line.label} has no report to compare: {line.status}"))
    if len(reports) > 1:
        show_comparison(reports)


def show_comparison(reports: dict[str, Report]) -> None:
    """Lift, interval and true lift of every metric, a group of columns per treatment."""
    st.subheader("Side by side", anchor=False)
    labels, sides = comparison.labels(reports), comparison.sides(reports)
    columns: dict[tuple[str, str], list[str]] = {("", "Metric"): list(labels.values())}
    nothing = comparison.ScorecardCell("", "", "")
    for side in sides:
        cells = [side.cells.get(key, nothing) for key in labels]
        columns[side.heading, "Lift"] = [cell.lift for cell in cells]
        columns[side.heading, "95% interval"] = [cell.interval for cell in cells]
        columns[side.heading, "True lift"] = [cell.true_lift for cell in cells]
    st.dataframe(pd.DataFrame(columns), hide_index=True, height="content", key="comparison")
    st.caption(
        "\n".join(f"- {formatting.in_markdown(f'{name}: {formatting.facts(r)}')}" for name, r in reports.items())
    )


def _active(lines: list[RunLine]) -> list[RunLine]:
    return [line for line in lines if line.kind in ACTIVE]
