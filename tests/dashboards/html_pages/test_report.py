"""`report.html`: whole, escaped, the same every time, and without network."""

import base64
import json
import re
import zlib
from html.parser import HTMLParser

import pytest
from markupsafe import escape
from plotly.offline import get_plotlyjs

from dashboards.figures.narrow import narrow_form
from dashboards.figures.panels import panels
from dashboards.html_pages.report import render_html
from dashboards.tables import scorecard
from dashboards.text.decision import decide
from dashboards.text.remarks import remarks_of
from dashboards.text.verdict import how_computed

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>'


class Page(HTMLParser):
    """Tags, attributes and visible text of a page; scripts and styles apart."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.cells: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._open = tag
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_data(self, data):
        if self._open in ("script", "style"):
            return
        self.words.append(data)
        if self._open in ("td", "th"):
            self.cells[-1] += data

    def handle_endtag(self, tag):
        self._open = ""

    def loads(self) -> list[str]:
        """Addresses that a browser would fetch by itself."""
        names = ("src", "srcset", "data", "poster", "background", "action")
        fetched = [value for _, attrs in self.tags for name, value in attrs.items() if name in names and value]
        return fetched + [attrs.get("href") or tag for tag, attrs in self.tags if tag in ("link", "base")]


@pytest.fixture(scope="module")
def text(report) -> str:
    return render_html(report)


def test_it_says_what_the_report_says(report, text):
    page = Page(text)
    said = " ".join(page.words)
    for line in how_computed(report):
        assert line in said
    for decision in decide(report):
        assert {decision.word, decision.title, decision.others, f" {decision.health}"} <= set(page.words)
    for score in scorecard.score_lines(report):
        assert {score.lift, score.interval, score.true_lift, score.control, score.treatment} <= set(page.cells)
    for row in report.questionnaire:
        assert f"{row.answered:,}" in page.cells
        assert f"{row.true:.2%}" in page.cells
    for panel in panels(report):
        assert panel.caption in said
        assert f'id="figure-{panel.key}"' in text
    for warning in (*remarks_of(report).urgent, *remarks_of(report).notes):
        assert warning in said


def test_it_needs_no_network(text):
    page = Page(text)
    assert not page.loads()
    assert "@import" not in text.partition("</style>")[0]
    assert "url(" not in text.partition("</style>")[0]
    policy = next(attrs["content"] for tag, attrs in page.tags if tag == "meta" and "http-equiv" in attrs)
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_every_figure_has_words_and_a_layout_for_narrow_windows(report, text):
    figures = {attrs["id"]: attrs for tag, attrs in Page(text).tags if "plotly-graph-div" in (attrs.get("class") or "")}
    for panel in panels(report):
        attrs = figures[f"figure-{panel.key}"]
        assert (attrs["role"], attrs["aria-label"]) == ("img", f"{panel.title}. {panel.caption}")
        (held,) = re.findall(rf'id="figure-{panel.key}-data">(.*?)</script>', text, flags=re.DOTALL)
        drawn = json.loads(held)
        assert drawn["wide"]["layout"]["height"] == panel.figure.layout.height
        assert (
            drawn["narrow"]["layout"]
            == json.loads(narrow_form(panel.figure).update_layout(template=None).to_json())["layout"]
        )


def test_it_is_small_enough_and_holds_the_library_once(text):
    assert len(text.encode()) < 3e6
    (packed,) = re.findall(r'id="library" data-size="\d+">([^<]+)<', text)
    assert zlib.decompress(base64.b64decode(packed), -zlib.MAX_WBITS).decode() == get_plotlyjs()


def test_paper_takes_the_main_figures_and_leaves_the_rest(report, text):
    kept = re.sub(r'<div class="off-paper">.*?</section>\n</div>', "", text, flags=re.DOTALL)
    printed = {panel.key for panel in panels(report) if f'id="figure-{panel.key}"' in kept}
    assert printed == {"scorecard", "looks", "satisfied"}


def test_same_report_same_page(report, text):
    assert render_html(report) == text
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", text.split("</script>")[-1])


def test_every_kind_of_report_makes_a_page(any_report):
    page = Page(render_html(any_report))
    assert any(tag == "h1" for tag, _ in page.tags)
    assert sum("plotly-graph-div" in (attrs.get("class") or "") for _, attrs in page.tags) == len(panels(any_report))


def test_names_are_escaped_everywhere(report):
    row = report.metrics[0].model_copy(update={"label": EVIL, "reasons": {"note": EVIL}})
    evil = report.model_copy(
        update={
            "name": EVIL,
            "world": EVIL,
            "arms": [report.arms[0].model_copy(update={"policy": EVIL}), report.arms[1]],
            "metrics": [row, *report.metrics[1:]],
            "health": report.health.model_copy(update={"warnings": [EVIL]}),
            "questionnaire": [report.questionnaire[0].model_copy(update={"reasons": {"naive": EVIL}})],
        }
    )
    text = render_html(evil)
    assert EVIL not in text
    assert escape(EVIL) in text
    page = Page(text)
    assert not any(tag == "img" for tag, _ in page.tags)
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    scripts = sum(tag == "script" for tag, _ in page.tags)
    assert scripts == sum(tag == "script" for tag, _ in Page(render_html(report)).tags)


def test_what_is_missing_is_explained(samples):
    page = Page(render_html(samples.report_with_nulls()))
    assert "missing" in page.cells
    assert "P2N, treatment: no hates in a bucket" in page.words
    assert "control: nobody answered" in page.words


def test_a_broken_split_is_set_apart(report):
    health = report.health.model_copy(update={"srm_p_value": 1e-7})
    text = render_html(report.model_copy(update={"health": health}))
    assert '<span class="word">Do not trust</span>' in text
    assert "Do not trust" not in render_html(report)


def test_names_like_tags_and_markup_stay_names_in_page_and_figures(samples):
    run, arm = "<b>x</b> [beta]", "</script>"
    report = samples.sample_report((arm,), name=run)
    text = render_html(report)
    page = Page(text)
    assert run in page.words
    assert arm in page.cells
    plain = Page(render_html(samples.sample_report()))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    for panel in panels(report):
        assert arm not in str(panel.figure.to_json()).replace(f'"meta":"{arm}"', "")
