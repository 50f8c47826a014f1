"""Users: how real they are, what their world is made of, and one user's day played through."""

from pathlib import Path

import streamlit as st

from dashboards.figures import feed
from dashboards.figures.panels import Panel
from dashboards.html_pages import validation
from dashboards.screens.widgets import choose_result, show_panel, show_rows
from dashboards.text import formatting
from simulator.reports.report import Report, RunFolderError
from simulator.reports.trace import TraceDay, has_trace, read_feed, traced_days, traced_users, traced_worlds
from simulator.reports.validation import load_validation
from simulator.reports.world_card import load_card

_FEED_CAPTION = (
    "One bar per view: the seconds watched; grey bars were skipped. Signs above say what the user did and what was"
    " asked. All of it is in a platform's log."
)
_ORIGINS = {
    "fitted": "Fitted on the log",
    "published": "Set from published figures",
    "assumed": "Assumed: no public data tell",
}


def show(folder: Path, run: Path | None, report: Report | None) -> None:
    """One day of one user, then the world's faithfulness, then its card."""
    feed_tab, validation_tab, card_tab = st.tabs(["One user's feed", "Simulated against real", "World card"])
    with feed_tab:
        _show_feed(run)
    with validation_tab:
        _show_validation(folder, "kuairand-pure" if report is None else report.world)
    with card_tab:
        _show_card("kuairand-pure" if report is None else report.world)


def _show_feed(run: Path | None) -> None:
    """Choose a course of events, a user and a day; the truth behind a switch."""
    if run is None or not has_trace(run):
        which = "No run is chosen" if run is None else f"{run} keeps no trace of views"
        st.info(formatting.in_markdown(f"{which}. Put trace = 1.0 into a spec, then:"))
        st.code("askew run SPEC --out runs/traced", language="bash", wrap_lines=True)
        return
    try:
        _play(run)
    except RunFolderError as error:
        st.error(formatting.in_markdown(str(error)))


def _play(run: Path) -> None:
    """The day chosen, as a figure and a table."""
    one, two, three = st.columns(3)
    world = one.selectbox("Arm (everybody meets it)", traced_worlds(run), format_func=_world_name, key="feed-world")
    user_id = two.selectbox("User", traced_users(run), key="feed-user")
    days = traced_days(run, world, user_id)
    if not days:
        st.info("This user never came under this arm.")
        return
    day = three.selectbox("Day", days, key="feed-day")
    truth = st.toggle("Show the truth (no platform has it)", key="feed-truth")
    views = read_feed(run, TraceDay(world, user_id, day))
    show_panel(Panel("feed", f"User {user_id}, day {day}", _FEED_CAPTION, feed.timeline(views, truth=truth)))
    headings = (*feed.HEADINGS, *(feed.TRUE_HEADINGS if truth else ()))
    show_rows("View by view", headings, feed.lines(views, truth=truth))


def _world_name(world: str) -> str:
    """The arm of `all:ARM`."""
    return world.removeprefix("all:")


def _show_validation(folder: Path, world: str) -> None:
    """Sentences, figures and tables of a validation."""
    command = f"askew validate {world} KUAIRAND_FOLDER --out {folder / 'validation'}"
    measured = choose_result(folder, "validation.json", load_validation, command)
    if measured is None:
        return
    st.caption(formatting.in_markdown(validation.facts(measured)))
    (st.success if measured.sound else st.error)(formatting.in_markdown(" ".join(validation.sentences(measured))))
    for panel in validation.panels(measured):
        show_panel(panel)
    show_rows("Targets", validation.CHECK_HEADINGS, [validation.check_line(c) for c in measured.checks])


def _show_card(world: str) -> None:
    """Parameters by where they come from, tables, and figures of the fit."""
    try:
        card = load_card(world)
    except RunFolderError as error:
        st.error(formatting.in_markdown(str(error)))
        return
    st.caption(formatting.in_markdown(card.attribution))
    for status, title in _ORIGINS.items():
        rows = [row for row in card.rows if row.status == status]
        lines = [(row.name, formatting.number(row.value), row.meaning, row.source) for row in rows]
        show_rows(title, ("Parameter", "Value", "Meaning", "Source"), lines)
    show_rows("Tables", ("Table", "Source"), list(card.tables.items()))
    show_rows("Figures of the fit", ("Figure", "Value"), [(k, formatting.number(v)) for k, v in card.figures.items()])
