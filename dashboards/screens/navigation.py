"""Going from one page to another with a run in hand."""

import streamlit as st


def go_to(page: str, run: str | None = None) -> None:
    """Show a page next, and choose a run by its name in the list."""
    if run is not None:
        st.session_state["opened"] = run
    st.session_state["go"] = page
    st.rerun()
