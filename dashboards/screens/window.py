"""What only the browser knows or can do: how wide its window is, and giving figures names for screen readers."""

from functools import cache
from typing import TYPE_CHECKING, Final

import streamlit as st

from dashboards.figures.narrow import NARROW_PX

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

_KEY: Final = "window"
_SCRIPT: Final = """
const CHARTS = "[data-testid=stPlotlyChart]";
const WORDS = "[data-testid=stHeading], [data-testid=stCaptionContainer]";
// A figure is an image that is named by the heading above it and explained by the caption below it.
function nameFigures() {
  const words = Array.from(document.querySelectorAll(WORDS));
  document.querySelectorAll(CHARTS).forEach((chart) => {
    const follows = (each) => chart.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING;
    const above = words.filter((each) => !follows(each) && each.dataset.testid === "stHeading").pop();
    const below = words.find((each) => follows(each));
    const caption = below && below.dataset.testid === "stCaptionContainer" ? below.innerText : "";
    const name = [above ? above.innerText : "", caption].filter(Boolean).join(". ");
    if (name && chart.getAttribute("aria-label") !== name) {
      chart.setAttribute("role", "img");
      chart.setAttribute("aria-label", name);
    }
  });
}
export default function (component) {
  const { data, setStateValue } = component;
  const narrow = window.matchMedia(`(max-width: ${data.limit}px)`);
  const tell = () => { if (narrow.matches !== data.told) { setStateValue("narrow", narrow.matches); } };
  tell();
  narrow.addEventListener("change", tell);
  let waiting = 0;
  const watcher = new MutationObserver(() => {
    clearTimeout(waiting);
    waiting = setTimeout(nameFigures, 200);
  });
  watcher.observe(document.body, { childList: true, subtree: true });
  nameFigures();
  return () => { narrow.removeEventListener("change", tell); watcher.disconnect(); clearTimeout(waiting); };
}
"""


def watch_window() -> None:
    """Have the browser tell when its window becomes narrow or wide; the page is then made anew."""
    told = {"limit": NARROW_PX, "told": window_is_narrow()}
    _component()(key=_KEY, data=told, width="content", height="content", on_narrow_change=lambda: None)


def window_is_narrow() -> bool:
    """True where figures are to be laid out one panel per row; wide until the browser has told."""
    told = st.session_state.get(_KEY, {})
    return bool(told.get("narrow"))


@cache
def _component() -> "ComponentRenderer":
    """Register the component once."""
    from streamlit.components.v2 import component

    return component("askew_window", js=_SCRIPT)
