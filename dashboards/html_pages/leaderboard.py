"""`leaderboard.html`: one file that shows, without network, rankers side by side, offline and in a test."""

from typing import Final

from dashboards.figures.leaderboard import effects
from dashboards.figures.panels import Panel
from dashboards.html_pages.page import Link, Page, Section, render_page, section_of, section_of_table
from dashboards.tables.sections import SectionTable
from dashboards.text import formatting
from simulator.reports.leaderboard import HEADLINE, Effect, Entry, Leaderboard

CAPTION: Final = (
    "Each ranker against `base`: points are estimated lifts with 95% intervals, stars true lifts, the same users under"
    " both. Whiskers without a star inside mark a test that misled."
)


def render_leaderboard(board: Leaderboard) -> str:
    """Render the page; the same leaderboard gives the same text."""
    table = SectionTable("Table", headings(), [line(entry) for entry in board.entries], "")
    links = [Link(entry.policy, f"{entry.folder}/report.html") for entry in board.entries]
    sections = [
        section_of(Panel("effects", "Lifts", CAPTION, effects(board))),
        section_of_table(table),
        Section("Reports", links=links),
    ]
    return render_page(Page("Rankers against base", facts(board), (), sections))


def facts(board: Leaderboard) -> str:
    """What was asked of the rankers, in a line."""
    return (
        f"Tests of {board.users:,} simulated users over {board.days} days against base; offline scores on {board.data}:"
        " every user's last click among 99 videos never met."
    )


def headings() -> tuple[str, ...]:
    """Of the table."""
    lifts = [title for metric in HEADLINE for title in (f"{metric} lift", f"{metric} true")]
    return ("Policy", "HR@10", "NDCG@10", "MRR", *lifts)


def line(entry: Entry) -> tuple[str, ...]:
    """One policy's row."""
    offline = [formatting.number(entry.offline.get(metric)) for metric in ("hr@10", "ndcg@10", "mrr")]
    nothing = Effect(lift=None, ci_low=None, ci_high=None, true_lift=None)
    effects_of = [entry.effects.get(metric, nothing) for metric in HEADLINE]
    return (
        entry.policy,
        *offline,
        *(formatting.lift(value) for each in effects_of for value in (each.lift, each.true_lift)),
    )


def brief(cells: tuple[str, ...]) -> tuple[str, ...]:
    """What of a row, or of the headings, fits a terminal: policy, NDCG@10, lift of AUT, true lifts of AUT and P2N."""
    return tuple(cells[at] for at in (0, 2, 4, 5, 9))
