"""The width of the viewer's window, which only the browser knows: wide until it has told."""

from functools import cache
from typing import TYPE_CHECKING, Final

import streamlit as st

from dashboards.figures.narrow import NARROW_PX

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

_KEY: Final = "window"
_TELL: Final = """
export default function (component) {
  const { data, setStateValue } = component;
  const narrow = window.matchMedia(`(max-width: ${data.limit}px)`);
  const tell = () => { if (narrow.matches !== data.told) { setStateValue("narrow", narrow.matches); } };
  tell();
  narrow.addEventListener("change", tell);
  return () => narrow.removeEventListener("change", tell);
}
"""


def watch_window() -> None:
    """Have the browser tell when its window becomes narrow or wide; the page is then made anew."""
    told = {"limit": NARROW_PX, "told": window_is_narrow()}
    _component()(key=_KEY, data=told, width="content", height="content", on_narrow_change=lambda: None)


def window_is_narrow() -> bool:
    """True where figures are to be laid out one panel per row."""
    told = st.session_state.get(_KEY, {})
    return bool(told.get("narrow"))


@cache
def _component() -> "ComponentRenderer":
    """Register the component once."""
    return st.components.v2.component("askew_window", js=_TELL)
