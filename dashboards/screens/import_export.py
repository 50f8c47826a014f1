"""Taking a run away as a .zip, and bringing one in."""

from functools import partial
from pathlib import Path

import streamlit as st

from dashboards.run_control import archive
from dashboards.screens.navigation import go_to
from dashboards.text import formatting


def show_export(run: Path) -> None:
    """A button that packs the run when it is pressed."""
    try:
        archive.weigh(run)
    except archive.ArchiveError as error:
        st.caption(formatting.in_markdown(str(error)))
        return
    data = partial(archive.pack, run)
    st.download_button("Export as .zip", data, f"{run.name}.zip", "application/zip", on_click="ignore", key="export")


def show_import(folder: Path) -> None:
    """A place to drop a .zip at; what is wrong with it in a sentence."""
    with st.expander("Import a run"):
        limits = f"{archive.MOST_FILES:,} files, {archive.MOST_BYTES // 2**20:,} MB unpacked"
        st.caption(f"A finished run that a dashboard has exported: at most {limits}. Nothing in it is executed.")
        with st.form("import", border=False, clear_on_submit=True):
            upload = st.file_uploader("A run as .zip", type="zip", max_upload_size=archive.LARGEST_UPLOAD_MB, key="zip")
            sent = st.form_submit_button("Import")
        if not sent:
            return
        if upload is None:
            st.error("Choose a .zip first.")
            return
        try:
            run = archive.unpack(upload, upload.name, folder)
        except archive.ArchiveError as error:
            st.error(formatting.in_markdown(str(error)))
            return
        go_to("result", run.name)
