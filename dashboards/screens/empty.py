"""What is said where there is no run yet."""

from pathlib import Path

import streamlit as st

from dashboards.text import formatting


def show(folder: Path) -> None:
    """How to get a first run."""
    fault = "holds no run yet" if folder.is_dir() else "is no folder"
    ways = "start one on the page New run, import one on the page Runs, or run:"
    st.info(formatting.in_markdown(f"{folder} {fault}. To see one, {ways}"))
    st.code(f"askew run demo --out {folder / 'demo'}", language="bash", wrap_lines=True)
