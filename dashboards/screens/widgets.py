"""What pages are made of: a figure with its words, a table, a list of remarks. All text is shown as it is."""

from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import streamlit as st
from markupsafe import Markup
from streamlit.elements.lib.column_types import ColumnConfig

from dashboards.figures.narrow import narrow_form
from dashboards.figures.panels import Panel
from dashboards.figures.theme import DARK, LIGHT, Look, in_look
from dashboards.html_pages.decision_cards import card_style, colours
from dashboards.screens.window import window_is_narrow
from dashboards.tables.scorecard import TEXT_COLUMNS
from dashboards.tables.sections import SectionTable
from dashboards.text import formatting
from dashboards.text.remarks import remarks_of
from simulator.reports.report import Report, RunFolderError
from simulator.runs.search import find_results

_Result = TypeVar("_Result")


def look() -> Look:
    """The look of the viewer's theme; light until the browser has told."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def show_html(html: Markup) -> None:
    """Our own cards and tables, in the colours of the viewer's theme."""
    st.html(f"<style>.cards {{ {colours(look())} }} {card_style()}</style><div class='cards'>{html}</div>")


def show_panel(panel: Panel) -> None:
    """A new figure between its title and its caption."""
    _show_figure(_as_viewed(panel, look(), narrow=window_is_narrow()))


def _as_viewed(panel: Panel, viewed: Look, *, narrow: bool) -> Panel:
    """The panel in the look of the viewer's theme and for the width of the window."""
    figure = narrow_form(panel.figure) if narrow else panel.figure
    return replace(panel, figure=in_look(figure, viewed))


def _show_figure(panel: Panel) -> None:
    st.subheader(formatting.in_markdown(panel.title), anchor=False)
    st.plotly_chart(panel.figure, theme=None, key=panel.key, config={"displaylogo": False, "displayModeBar": False})
    st.caption(formatting.in_markdown(panel.caption))
    show_notes(panel.notes)


def show_drawn(draw: Callable[..., Panel], report: Report, *more: tuple[str, ...]) -> None:
    """A panel of a report, drawn once per look and layout for all viewers and visits."""
    _show_figure(_drawn(draw, draw.__name__, report, more, look(), window_is_narrow())[0])


@st.cache_resource(max_entries=256, show_spinner=False, hash_funcs={Report: id})
def _drawn(
    _draw: Callable[..., Panel],
    name: str,  # noqa: ARG001 (part of the cache's key, as the function itself is not)
    report: Report,
    more: tuple[tuple[str, ...], ...],
    viewed: Look,
    narrow: bool,
) -> tuple[Panel, Report]:
    """The report is kept with its panel, so that no other one can have its identity while the panel is cached."""
    return _as_viewed(_draw(report, *more), viewed, narrow=narrow), report


def show_table(headings: Sequence[str], lines: Sequence[Any]) -> None:
    """A table of the fields of dataclasses, one line each."""
    frame = pd.DataFrame([astuple(line) for line in lines], columns=list(headings))
    st.dataframe(frame, hide_index=True, height="content", column_config=columns(frame))


def show_section(table: SectionTable) -> None:
    """A table of a section between its title and its caption; nothing where it has no lines."""
    if not table.lines:
        return
    st.subheader(formatting.in_markdown(table.title), anchor=False)
    frame = pd.DataFrame(table.lines, columns=list(table.headings))
    st.dataframe(frame, hide_index=True, height="content", column_config=columns(frame))
    if table.caption:
        st.caption(formatting.in_markdown(table.caption))


def columns(frame: pd.DataFrame) -> dict[str, ColumnConfig]:
    """Numbers to the right; names of metrics in full, those of arms and policies kept from pushing numbers out."""
    text = st.column_config.TextColumn
    numbers = {str(name): text(alignment="left" if name in TEXT_COLUMNS else "right") for name in frame}
    longest = max((len(name) for name in frame.get("Metric", ())), default=0)
    metric = {"Metric": text(pinned=True, width=max(80, 22 + 13 * longest // 2)), "Method": text()}
    names = {name: text(width=130) for name in ("Arm", "Policy")}
    return {**numbers, **metric, **names}


def show_notes(notes: Sequence[str]) -> None:
    """Remarks as a list; nothing where there are none."""
    if notes:
        st.caption("\n".join(f"- {formatting.in_markdown(note)}" for note in notes))


def show_remarks(report: Report) -> None:
    """What changes a decision in yellow; notes folded away."""
    remarks = remarks_of(report)
    if remarks.urgent:
        st.warning("\n".join(f"- {formatting.in_markdown(line)}" for line in remarks.urgent))
    if remarks.notes:
        with st.expander(formatting.plural(len(remarks.notes), "note")):
            show_notes(remarks.notes)


def choose_result(folder: Path, file: str, load: Callable[[Path], _Result], command: str) -> _Result | None:
    """The newest result of a kind below the runs folder, or another one chosen; None, after saying why, without one.

    Args:
        folder: Where runs are.
        file: Name of the result's file.
        load: Reads the folder that holds it.
        command: Makes such a result; shown where there is none.
    """
    folders = find_results(folder, file)
    if not folders:
        st.info(formatting.in_markdown(f"No {file} in {folder}. Make one:"))
        st.code(command, language="bash", wrap_lines=True)
        return None
    chosen = st.selectbox(
        f"From ({file}, newest first)",
        folders,
        format_func=lambda path: path.relative_to(folder).as_posix() if path != folder else path.resolve().name,
        key=file,
    )
    try:
        return load(chosen)
    except RunFolderError as error:
        st.error(formatting.in_markdown(str(error)))
        return None


def show_rows(title: str, headings: Sequence[str], lines: Sequence[Sequence[str]], caption: str = "") -> None:
    """A table of text under its title."""
    show_section(SectionTable(title, tuple(headings), [tuple(line) for line in lines], caption))
