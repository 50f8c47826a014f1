"""`leaderboard.html`: one file that shows, without network, rankers side by side, offline and in a test."""

import html
from typing import Final
from urllib.parse import quote

from dashboards.figures.leaderboard import effects
from dashboards.html_pages import parts
from dashboards.text import formatting
from simulator.reports.leaderboard import HEADLINE, Effect, Entry, Leaderboard

CAPTION: Final = (
    "Each ranker against `base`: points are estimated lifts with 95% intervals, stars true lifts, the same users under"
    " both. Whiskers without a star inside mark a test that misled."
)


def render_leaderboard(board: Leaderboard) -> str:
    """The whole page; the same leaderboard gives the same text."""
    title = "Rankers against base"
    head = f"<h1>{html.escape(title)}</h1>\n{parts.paragraph(facts(board), 'facts')}"
    drawn = parts.drawing(effects(board), "effects")
    figure = parts.section("Lifts", f"{drawn}\n{parts.paragraph(CAPTION, 'caption')}")
    table = parts.section("Table", parts.table(headings(), [line(entry) for entry in board.entries]))
    return parts.page(title, "\n".join([head, figure, table, _tests(board)]))


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
    found = [entry.effects.get(metric, nothing) for metric in HEADLINE]
    return (
        entry.policy,
        *offline,
        *(formatting.lift(value) for each in found for value in (each.lift, each.true_lift)),
    )


def brief(cells: tuple[str, ...]) -> tuple[str, ...]:
    """What of a row, or of the headings, fits a terminal: policy, NDCG@10, lift of AUT, true lifts of AUT and P2N."""
    return tuple(cells[at] for at in (0, 2, 4, 5, 9))


def _tests(board: Leaderboard) -> str:
    """Links to the full report of each test, beside this file."""
    links = [
        f'<li><a href="{html.escape(quote(f"./{entry.folder}/report.html"))}">{html.escape(entry.policy)}</a></li>'
        for entry in board.entries
    ]
    return parts.section("Reports", f"<ul>{''.join(links)}</ul>")
