"""New run: a form made from the spec's model, which starts `askew run` in the background."""

from pathlib import Path
from typing import Any

import streamlit as st

from dashboards.run_control import launch, spec_form
from dashboards.run_control.spec_form import FormField
from dashboards.screens.navigation import go_to
from dashboards.text import formatting
from simulator.reports.report import Report
from simulator.spec.experiment import ExperimentSpec


def show(folder: Path, run: Path | None, report: Report | None) -> None:  # noqa: ARG001 (as every page)
    """The form; what is wrong with it below, a line per field."""
    if not folder.is_dir() or (folder / "spec.toml").is_file():
        st.info(
            formatting.in_markdown(f"{folder} is no folder of runs; open the dashboard on one to start a run in it.")
        )
        return
    st.caption(formatting.in_markdown(f"Goes to {folder}, runs in the background and outlives this page."))
    n_arms = st.segmented_control("Arms", range(2, spec_form.MOST_ARMS + 1), default=2, required=True, key="n-arms")
    with st.form("new-run"):
        keys = _ask(spec_form.form_fields(ExperimentSpec, spec_form.FIRST), "spec", {"name": "", "users": 2000})
        arms = _ask_arms(int(n_arms or 2))
        with st.expander("More settings"):
            more = _ask(spec_form.form_fields(ExperimentSpec, spec_form.MORE), "spec", {})
        sent = st.form_submit_button("Start", type="primary")
    if sent:
        _start(folder, {**keys, **more, "arms": arms})


def _start(folder: Path, keys: spec_form.Keys) -> None:
    """Start the run and show it in the list, or say what is wrong."""
    faults = spec_form.faults_of(keys, folder)
    if not faults:
        run = folder / spec_form.folder_name(keys["name"])
        try:
            launch.start(run, spec_form.spec_text(keys))
        except launch.LaunchError as error:
            faults = [str(error)]
        else:
            go_to("runs")
    for fault in faults:
        st.error(formatting.in_markdown(fault))


def _ask(fields: list[FormField], prefix: str, instead: dict[str, Any]) -> spec_form.Keys:
    """Widgets for fields, four in a row; `instead` of some defaults. Returns what is filled in, by key."""
    filled: spec_form.Keys = {}
    for first in range(0, len(fields), 4):
        row = st.columns(4)
        for column, field in zip(row, fields[first : first + 4], strict=False):
            with column:
                filled[field.key] = _widget(field, f"{prefix}-{field.key}", instead.get(field.key, field.default))
    return filled


def _ask_arms(n: int) -> list[spec_form.Keys]:
    """A row of widgets per arm; the first is the control."""
    arms: list[spec_form.Keys] = []
    for i, arm in enumerate(spec_form.first_arms(n)):
        st.markdown(f"**{'Control' if i == 0 else f'Treatment {i}'}**")
        arms.append(_ask(spec_form.arm_fields(), f"arm-{n}-{i}", arm))
    return arms


def _widget(field: FormField, key: str, value: object) -> object:
    """One field as the kind of its value asks for; the model, not the widget, knows the limits."""
    about = formatting.in_markdown(field.help)
    if field.choices:
        return st.selectbox(field.key, field.choices, field.choices.index(value), key=key, help=about)
    if isinstance(value, bool):
        return st.checkbox(field.key, value, key=key, help=about)
    if isinstance(value, int):
        return st.number_input(field.key, value=value, step=1, key=key, help=about)
    if isinstance(value, float):
        return st.number_input(field.key, value=value, step=0.05, format="%g", key=key, help=about)
    return st.text_input(field.key, value or "", key=key, help=about)
