"""Sentences and tables on a terminal of any width: words are never broken, and columns that do not fit are named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from dashboards.tables.scorecard import TEXT_COLUMNS
from dashboards.text.formatting import MISSING
from dashboards.text.remarks import remarks_of
from simulator.reports.report import Report

COLOURS: Final = {"better": "green", "worse": "red", "missed": "bold yellow"}
"""Styles of cells that say how good a result is; other cells are plain."""
_ASCII: Final = str.maketrans({"\N{MINUS SIGN}": "-", "\N{PLUS-MINUS SIGN}": "+/-"})
_GAP: Final = 2
_SHRINK_FIRST: Final = ("Metric", "True lift", "95% interval")
"""Columns whose cells are wrapped where a table is too wide, in this order."""


@final
@dataclass(frozen=True)
class Sentence:
    """A line of text, wrapped at words."""

    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[RenderableType]:
        """Render the text, in ASCII where the terminal has nothing else."""
        yield _text(self.text, options, self.style)


def remark_sentences(report: Report) -> list[Sentence]:
    """What changes a decision in yellow, then notes."""
    remarks = remarks_of(report)
    return [
        *(Sentence(f"! {line}", "yellow") for line in remarks.urgent),
        *(Sentence(f"Note: {line}") for line in remarks.notes),
    ]


@final
@dataclass(frozen=True)
class FittedTable:
    """A table that shows as many of its columns as fit.

    Attributes:
        title: Above it.
        headings: Of its columns, in the order in which they stand.
        lines: Cells, one per heading.
        ranked: Headings in the order in which they are given room; the others follow as they stand.
        essential: How many of the first ones are wrapped before they are left out.
    """

    title: str
    headings: tuple[str, ...]
    lines: Sequence[tuple[str, ...]]
    ranked: tuple[str, ...] = ()
    essential: int = 1

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[RenderableType]:
        """Render title, table, and the names of columns left out; nothing without lines."""
        if not self.lines:
            return
        cells = {
            heading: column
            for heading, column in zip(self.headings, zip(*self.lines, strict=True), strict=True)
            if any(cell not in ("", MISSING) for cell in column)
        }
        widths = _fit(self._by_rank(cells), self.essential, options.max_width)
        gap = 1 if sum(widths.values()) + _GAP * (len(widths) - 1) > options.max_width else _GAP
        table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False)
        fitting = [heading for heading in cells if heading in widths]
        for heading in fitting:
            table.add_column(heading, justify="left" if heading in TEXT_COLUMNS else "right", width=widths[heading])
        for line in zip(*(cells[heading] for heading in fitting), strict=True):
            table.add_row(*(_text(cell, options, COLOURS.get(cell, "")) for cell in line))
        yield ""
        yield _text(self.title, options, "bold")
        yield table
        if left_out := [heading for heading in cells if heading not in widths]:
            yield _text(f"Left out at this width: {', '.join(left_out)}.", options, "dim")

    def _by_rank(self, cells: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        order = [*self.ranked, *(heading for heading in cells if heading not in self.ranked)]
        return {heading: cells[heading] for heading in order if heading in cells}


def _fit(cells: dict[str, tuple[str, ...]], essential: int, room: int) -> dict[str, int]:
    """Widths of the columns that fit, of `cells` in the order in which they are given room.

    Columns are left out from the last one on; the essential ones are wrapped into two lines first, one blank apart.
    """
    headings = list(cells)
    natural = {heading: max(map(cell_len, (heading, *cells[heading]))) for heading in headings}
    for n in range(len(headings), essential, -1):
        if sum(natural[heading] + _GAP for heading in headings[:n]) - _GAP <= room:
            return {heading: natural[heading] for heading in headings[:n]}
    for n in range(min(essential, len(headings)), 1, -1):
        widths = {heading: natural[heading] for heading in headings[:n]}
        if sum(widths.values()) + _GAP * (n - 1) <= room:
            return widths
        for heading in (*_SHRINK_FIRST, *headings[:n]):
            excess = sum(widths.values()) + n - 1 - room
            if excess > 0 and heading in widths:
                widths[heading] = max(*map(_two_line_width, (heading, *cells[heading])), widths[heading] - excess)
        if sum(widths.values()) + n - 1 <= room:
            return widths
    return {heading: min(natural[heading], room) for heading in headings[:1]}


def _two_line_width(text: str) -> int:
    """The least width at which a text takes two lines.

    >>> _two_line_width("+0.57% to +3.07%"), _two_line_width("word")
    (9, 4)
    """
    words = text.split()
    halves = [(" ".join(words[:n]), " ".join(words[n:])) for n in range(len(words))]
    return min((max(map(cell_len, pair)) for pair in halves), default=0)


def _text(text: str, options: ConsoleOptions, style: str) -> Text:
    return Text(text.translate(_ASCII) if options.ascii_only else text, style)
