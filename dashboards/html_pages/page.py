"""The one template of all pages that are read from disk, without network; it escapes every text.

A content security policy in the page refuses whatever would be loaded.
"""

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal, final
from urllib.parse import quote

import plotly.graph_objects as go
import plotly.io as pio
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from dashboards.figures.narrow import NARROW_PX, narrow_layout
from dashboards.figures.panels import Panel
from dashboards.figures.theme import DARK, LIGHT, LIGHTER, template
from dashboards.html_pages.decision_cards import card_style, colours
from dashboards.tables.scorecard import TEXT_COLUMNS
from dashboards.tables.sections import SectionTable
from dashboards.text import formatting

if TYPE_CHECKING:
    from jinja2 import Template

POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""Only what the file itself holds may run or be shown."""


@final
@dataclass(frozen=True)
class Line:
    """A line of the verdict's box; warnings stand out."""

    text: str
    kind: Literal["sentence", "warning"] = "sentence"


@final
@dataclass(frozen=True)
class Link:
    """A link to a file beside the page.

    Attributes:
        text: What is clicked.
        path: Relative to the page, not quoted.
    """

    text: str
    path: str

    @property
    def address(self) -> str:
        """The path as an address; `./` keeps one that begins like `javascript:` a path."""
        return quote(f"./{self.path}")


@final
@dataclass(frozen=True)
class Section:
    """A heading with figures, a table, remarks and links below it, in this order.

    Attributes:
        title: Heading.
        panels: Figures with their captions and notes; keys are unique on the page.
        table: Its title is not shown.
        notes: Remarks below.
        links: To other files.
        html: Our own HTML below the title; None without.
        on_paper: False where it is shown on screen and not printed.
    """

    title: str
    panels: Sequence[Panel] = ()
    table: SectionTable | None = None
    notes: Sequence[str] = ()
    links: Sequence[Link] = ()
    html: Markup | None = None
    on_paper: bool = True


@final
@dataclass(frozen=True)
class Page:
    """What a page says, as plain text.

    Attributes:
        title: Heading, and name of the browser's tab.
        facts: What was run, in a line.
        verdict: Lines of the box on top; no box without.
        sections: In reading order.
        alarm: Whether the box is in the colour of alarm.
        footer: Last line; none if empty.
        cards: Decisions above the box, already HTML; None without.
    """

    title: str
    facts: str
    verdict: Sequence[Line]
    sections: Sequence[Section]
    alarm: bool = False
    footer: str = ""
    cards: Markup | None = None


@final
@dataclass(frozen=True)
class _Library:
    """plotly.js, deflated into text, a third of its size, with the script that unpacks it."""

    size: int
    packed: str
    unpack: Markup


def render_page(page: Page) -> str:
    """Render a page as HTML; its figures follow the reader's light or dark look."""
    return _template().render(page=page)


def section_of(panel: Panel, *, on_paper: bool = True) -> Section:
    """Make a section of one figure, under the figure's title."""
    return Section(panel.title, [panel], on_paper=on_paper)


def section_of_table(table: SectionTable, *, on_paper: bool = True) -> Section:
    """Make a section of one table, under the table's title."""
    return Section(table.title, table=table, on_paper=on_paper)


@cache
def _template() -> "Template":
    """Load the template once, with all that is the same on every page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # screens import this module without rendering

    loader = PackageLoader("dashboards.html_pages")
    environment = Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    environment.filters |= {"figure_json": _figure_json, "column_kind": _column_kind}
    looks = {"light": template(LIGHT).to_plotly_json(), "dark": template(DARK).to_plotly_json()}
    same: dict[str, object] = {
        "missing": formatting.MISSING,
        "policy": Markup(POLICY),  # noqa: S704 (our own words)
        "style": _source("page.css"),
        "light": colours(LIGHT),
        "dark": colours(DARK),
        "card_style": card_style(),
        "script": _source("page.js"),
        "narrow_px": NARROW_PX,
        "lighter": _script_json(json.dumps(LIGHTER)),
        "looks": _script_json(json.dumps(looks, sort_keys=True)),
        "library": _library(),
    }
    return environment.get_template("page.html", globals=same)


def _figure_json(figure: go.Figure) -> Markup:
    """Give data, and the layouts of wide and of narrow windows; the script adds the template of the reader's look."""
    wide = go.Figure(figure).update_layout(template=None)
    narrow = go.Figure(layout=narrow_layout(figure)).update_layout(template=None)
    drawn = str(pio.to_json(wide))
    return _script_json(f'{{"wide":{drawn},"narrow":{pio.to_json(narrow)}}}')


def _script_json(text: str) -> Markup:
    """Make JSON safe within `<script>`: without `<` nothing in it can end the element or open another."""
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 (made safe here)


def _column_kind(heading: str) -> str:
    """Columns of names are set left, numbers right."""
    return "text" if heading in TEXT_COLUMNS else "number"


def _source(name: str) -> Markup:
    """Read a style or script that ships beside the template."""
    path = files("dashboards.html_pages") / "templates" / name
    return Markup(path.read_text(encoding="utf-8"))  # noqa: S704 (our own file)


def _library() -> _Library:
    text = get_plotlyjs().encode()
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = base64.b64encode(deflate.compress(text) + deflate.flush()).decode()
    return _Library(len(text), packed, _source("library.js"))
