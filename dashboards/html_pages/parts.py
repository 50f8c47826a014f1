"""Pieces of a page that is read from disk, without network: every text is escaped where it is written.

A content security policy in the page refuses whatever would be loaded.
"""

import base64
import html
import json
import zlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final

import plotly.graph_objects as go
import plotly.io as pio
from plotly.offline import get_plotlyjs

from dashboards.figures.theme import DARK, LIGHT, template
from dashboards.tables.scorecard import TEXT_COLUMNS
from dashboards.text import formatting

POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
"""Only what the file itself holds may run or be shown."""


def page(title: str, body: str) -> str:
    """A whole page around a body that is escaped already; its figures follow the reader's light or dark look."""
    head = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{html.escape(title)}</title>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>\n{_part('page.css')}</style>\n</head>\n"
    )
    return f"{head}<body>\n{body}\n{_script()}\n</body>\n</html>\n"


def paragraph(text: str, kind: str) -> str:
    """A paragraph with a class of `page.css`."""
    return f'<p class="{kind}">{html.escape(text)}</p>'


def section(title: str, content: str) -> str:
    """A heading over content that is escaped already."""
    return f"<section>\n<h2>{html.escape(title)}</h2>\n{content}\n</section>"


def off_paper(content: str) -> str:
    """Content that is shown on screen and not printed; nothing where there is none."""
    return f'<div class="off-paper">\n{content}\n</div>' if content else ""


def notes(lines: Sequence[str]) -> str:
    """A list of remarks; nothing where there are none."""
    items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
    return f'\n<ul class="note">{items}</ul>' if items else ""


def table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of text; columns of names are set left, numbers right."""
    kinds = ["text" if heading in TEXT_COLUMNS else "number" for heading in headings]
    top = "".join(
        f'<th class="{kind}" scope="col">{html.escape(heading)}</th>'
        for kind, heading in zip(kinds, headings, strict=True)
    )
    rows = "\n".join(f"<tr>{''.join(map(_cell, line, kinds))}</tr>" for line in lines)
    return f'<div class="scroll"><table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table></div>'


def drawing(figure: go.Figure, key: str) -> str:
    """A figure under the id `figure-KEY`: a place with the figure's height, and the figure as data for `page.js`."""
    data = str(pio.to_json(figure)).replace("<", "\\u003c")
    place = (
        f'<div id="figure-{key}" class="plotly-graph-div" style="height:{figure.layout.height}px; width:100%"></div>'
    )
    return f'<div class="figure">{place}<script type="application/json" id="figure-{key}-data">{data}</script></div>'


def _cell(text: str, kind: str) -> str:
    missing = " missing" if text == formatting.MISSING else ""
    return f'<td class="{kind}{missing}">{html.escape(text)}</td>'


def _part(name: str) -> str:
    """A file that ships beside this module."""
    return (files("dashboards") / "page" / name).read_text(encoding="utf-8")


@cache
def _library() -> str:
    """plotly.js, deflated into text, with what unpacks it: a third of its size."""
    text = get_plotlyjs().encode()
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = base64.b64encode(deflate.compress(text) + deflate.flush()).decode()
    held = f'<script type="text/plain" id="library" data-size="{len(text)}">{packed}</script>'
    return f"{held}\n<script>\n{_part('library.js')}</script>"


def _script() -> str:
    """Both looks as data, then what draws in them."""
    looks = {"light": template(LIGHT).to_plotly_json(), "dark": template(DARK).to_plotly_json()}
    data = json.dumps(looks, sort_keys=True).replace("<", "\\u003c")
    held = f'<script type="application/json" id="looks">{data}</script>'
    return f"{_library()}\n{held}\n<script>\n{_part('page.js')}</script>"
