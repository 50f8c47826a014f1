"""What pages are made of: a figure with its words, a table, a list of remarks. All text is shown as it is."""

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from dashboards import wording
from dashboards.figures import Panel
from dashboards.section_tables import Table
from dashboards.theme import DARK, LIGHT, Look, wear


def look() -> Look:
    """The look of the viewer's theme; light until the browser has told."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def show_panel(panel: Panel) -> None:
    """A figure between its title and its caption."""
    st.subheader(wording.in_markdown(panel.title), anchor=False)
    figure = wear(panel.figure, look())
    st.plotly_chart(figure, theme=None, key=panel.key, config={"displaylogo": False, "displayModeBar": False})
    st.caption(wording.in_markdown(panel.caption))
    show_notes(panel.notes)


def show_table(headings: Sequence[str], lines: Sequence[Any]) -> None:
    """A table of the fields of dataclasses, one line each."""
    frame = pd.DataFrame([astuple(line) for line in lines], columns=list(headings))
    st.dataframe(frame, hide_index=True, height="content", column_config=_columns(headings))


def show_section(table: Table) -> None:
    """A table of a section between its title and its caption; nothing where it has no lines."""
    if not table.lines:
        return
    st.subheader(wording.in_markdown(table.title), anchor=False)
    frame = pd.DataFrame(table.lines, columns=list(table.headings))
    st.dataframe(frame, hide_index=True, height="content", column_config=_columns(table.headings))
    st.caption(wording.in_markdown(table.caption))


def _columns(headings: Sequence[str]) -> dict[str, ColumnConfig]:
    """Numbers to the right; names of arms and policies kept from pushing the numbers out of sight."""
    numbers = {name: st.column_config.TextColumn(alignment="right") for name in headings}
    metric = {"Metric": st.column_config.TextColumn(pinned=True), "Method": st.column_config.TextColumn()}
    names = {name: st.column_config.TextColumn(width=130) for name in ("Arm", "Policy")}
    return {**numbers, **metric, **names}


def show_notes(notes: Sequence[str]) -> None:
    """Remarks as a list; nothing where there are none."""
    if notes:
        st.caption("\n".join(f"- {wording.in_markdown(note)}" for note in notes))
