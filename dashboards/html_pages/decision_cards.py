"""The decision on each treatment as a card, for the dashboard and for `report.html`; every text is escaped."""

from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, final

from markupsafe import Markup

from dashboards.figures.theme import Look
from dashboards.html_pages.interval_bars import IntervalBar, interval_bar, truth_in_words
from dashboards.text import formatting
from dashboards.text.decision import Decision, Finding, Word, decide, short_name
from dashboards.text.verdict import how_computed, over_trainings, stop
from simulator.reports.report import Report

if TYPE_CHECKING:
    from jinja2 import Template

_KINDS: Final[dict[Word, tuple[str, str]]] = {
    "Better": ("better", "✓"),
    "Worse": ("worse", "✕"),
    "Mixed": ("mixed", "±"),
    "No clear change": ("unclear", "="),
    "Do not trust": ("worse", "!"),
}
"""Colour and sign of each word."""


@final
@dataclass(frozen=True)
class _Number:
    """One of the large numbers of a card."""

    name: str
    explained: str
    lift: str
    change: str
    kind: str
    interval: str
    basis: str
    truth: str
    missed: bool
    bar: IntervalBar | None


@final
@dataclass(frozen=True)
class _Card:
    """A card as it is shown."""

    decision: Decision
    kind: str
    sign: str
    numbers: list[_Number]


def render_cards(report: Report) -> Markup:
    """Render one card per treatment, and below them how they were computed."""
    cards = [_card(decision) for decision in decide(report)]
    before = [*stop(report), *over_trainings(report)]
    html = card_template("cards.html").render(cards=cards, before=before, computed=how_computed(report))
    return Markup(html)  # noqa: S704 (the template escapes)


def card_style() -> Markup:
    """Give the rules of cards and bars; the page sets the colours, see `colours`."""
    path = files("dashboards.html_pages") / "templates" / "cards.css"
    return Markup(path.read_text(encoding="utf-8"))  # noqa: S704 (our own file)


def colours(look: Look) -> Markup:
    """Give the colours of a look as custom properties of CSS."""
    rules = [f"--{field.name}: {getattr(look, field.name)};" for field in fields(look)]
    return Markup(" ".join(rules))  # noqa: S704 (our own colours)


def _card(decision: Decision) -> _Card:
    kind, sign = _KINDS[decision.word]
    return _Card(decision, kind, sign, [_number(each) for each in decision.headline])


def _number(finding: Finding) -> _Number:
    row = finding.row
    missing = finding.change == "missing"
    field = "relative_effect" if row.relative_effect is None else "sequential_low"
    p = f"; {formatting.equals_p(finding.p_name, finding.p_value)}" if finding.p_name else ""
    return _Number(
        name=short_name(row),
        explained=row.label.partition(", ")[2],
        lift=formatting.lift(row.relative_effect),
        change="no clear change" if finding.change == "unclear" else finding.change,
        kind=finding.change,
        interval=formatting.why(row.reasons, field) if missing else formatting.interval(row.ci_low, row.ci_high),
        basis="" if missing else f"{finding.interval_name}{p}",
        truth=truth_in_words(finding),
        missed=finding.truth == "missed",
        bar=interval_bar(finding),
    )


@cache
def card_template(name: str) -> "Template":
    """Load a template of our own HTML, which escapes every text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("dashboards.html_pages")
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    return environment.get_template(name)
