"""The dashboard as a person uses it, in headless Chromium: start a run, watch it, read it, stop it, go on."""

import importlib.util
import json
import re
import signal
import sys
from pathlib import Path

import pytest

from dashboards.run_control import launch

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("default")]

LIMIT_S = 300
"""Most that a test may take, its server included."""

PAGES = (
    "Runs",
    "New run",
    "Result",
    "Questionnaire",
    "Segments",
    "Health",
    "Truth lab",
    "Users",
    "Policies",
    "Planner",
)


@pytest.fixture(scope="module")
def browsing():
    spec = importlib.util.spec_from_file_location("browsing", Path(__file__).with_name("browsing.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["browsing"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def in_time():
    """Fails a test that takes too long, as some questions to a browser wait for ever; rings on while it ends."""

    def ring(*_) -> None:
        raise TimeoutError(f"still at work after {LIMIT_S} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, LIMIT_S, 30)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def browser(browsing):
    with browsing.chromium() as found:
        yield found


@pytest.fixture
def page(browsing, browser, address):
    """A page whose browser has nothing to complain of; it closes before the server does."""
    page = browsing.new_page(browser)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    page.close()
    assert not complaints


@pytest.fixture
def address(browsing, runs, tmp_path_factory):
    """Where the runs are served; what a test has started and left behind ends with its server."""
    with browsing.served(runs, tmp_path_factory.mktemp("server") / "log") as address:
        yield address
    for run in launch.attempted(runs):
        attempt = launch.read_attempt(run)
        if attempt is not None and attempt.alive:
            launch.stop(run)


def visit(page, title: str) -> None:
    """Go to a page, which has nothing to complain of."""
    sys.modules["browsing"].go(page, title)
    assert page.get_by_test_id("stException").count() == 0


def pick(box, value: str) -> None:
    """Take a value from the list of a select box; all else is hidden from roles until that list has closed."""
    from playwright.sync_api import expect

    box.click()
    option = box.page.get_by_role("option", name=value, exact=True)
    option.click()
    option.wait_for(state="detached")
    expect(box).to_have_value(value)


def cells_of(table) -> list[str]:
    """The texts of a table, from the copy that is kept for screen readers."""
    table.locator("td[role=gridcell]").first.wait_for(state="attached")
    return table.locator("td[role=gridcell]").all_text_contents()


def fill_form(page, name: str, users: int, days: int) -> None:
    visit(page, "New run")
    page.get_by_label("name", exact=True).first.fill(name)
    for key, value in {"users": users, "days": days, "pre_days": 1}.items():
        field = page.get_by_label(key, exact=True)
        field.fill(str(value))
        field.blur()  # a field says more of itself while it is written in, so what is below would move
    for place, policy in enumerate(("popular", "random")):
        box = page.get_by_role("combobox", name=re.compile(r"\bpolicy$")).nth(place)
        pick(box, policy)
    start = page.get_by_role("button", name="Start")
    start.focus()
    start.press("Enter")  # the page may still move below a pointer


def choose(page, run: str) -> None:
    """Choose a run in the menu once the page before is drawn, as a list closes when it is drawn anew."""
    sys.modules["browsing"].drawn(page)
    pick(page.get_by_test_id("stMain").get_by_role("combobox").first, run)


def stop_button(page):
    """That of a run; Streamlit shows one of its own above the page while a page is being made."""
    return page.get_by_test_id("stMain").get_by_role("button", name="Stop")


def test_a_run_is_started_watched_and_read(page, address, runs):
    page.goto(address)
    fill_form(page, "popular v random", 1, 2)
    page.get_by_text("users: 1 given").wait_for()
    fill_form(page, "popular v random", 300, 2)
    stop_button(page).wait_for()
    stop_button(page).wait_for(state="detached")
    choose(page, "popular-v-random")
    for title in PAGES:
        visit(page, title)
    visit(page, "Result")
    page.get_by_role("heading", name="popular v random").wait_for()
    report = json.loads((runs / "popular-v-random" / "report.json").read_text())
    assert [arm["policy"] for arm in report["arms"]] == ["popular", "random"]
    shown = page.locator(".cards").first.inner_text()
    for row in report["metrics"]:
        if row["metric"] in ("AUT", "AVT") and row["relative_effect"] is not None:
            assert f"{row['relative_effect']:+.2%}".replace("-", "−") in shown
    table = page.locator(".cards").nth(1).inner_text()
    assert all(row["label"].partition(",")[0] in table for row in report["metrics"])


def test_a_run_is_stopped_and_resumed(page, address, runs):
    page.goto(address)
    fill_form(page, "long", 1500, 14)  # steps enough that the button is still there once it is seen
    page.get_by_text(re.compile(r"long: running step ([2-9]|\d\d) of")).wait_for()
    stop_button(page).click()
    stop_button(page).wait_for(state="detached")
    assert not (runs / "long" / "report.json").exists()
    choose(page, "long")
    visit(page, "Result")
    page.get_by_text(re.compile("stopped after step")).wait_for()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("heading", name="Scorecard", exact=True).wait_for()
    assert json.loads((runs / "long" / "report.json").read_text())["name"] == "long"


def test_a_damaged_run_says_what_is_wrong(page, address, runs):
    (runs / "broken").mkdir()
    (runs / "broken" / "spec.toml").write_text('name = "broken"\n')
    (runs / "broken" / "report.json").write_text("{")
    page.goto(f"{address}/?run=demo")
    visit(page, "Result")
    page.get_by_role("heading", name="Scorecard", exact=True).wait_for()
    choose(page, "broken")
    page.get_by_test_id("stAlert").get_by_text("not a JSON file").wait_for()
    choose(page, "demo")
    page.get_by_role("heading", name="Scorecard", exact=True).wait_for()
    visit(page, "Health")
    page.get_by_role("heading", name="demo").wait_for()


def test_runs_are_ticked_and_compared(page, address, runs, samples, add_run):
    add_run(runs / "wide", samples.sample_report(("bolder", "boldest"), name="wide"))
    page.goto(address)
    table = page.get_by_test_id("stDataFrame").first
    assert {"demo", "wide"} <= set(cells_of(table))
    table.click(position={"x": 15, "y": 52})
    page.get_by_role("button", name=re.compile("^Open (demo|wide)$")).wait_for()
    table.click(position={"x": 15, "y": 87})
    page.get_by_role("heading", name="Side by side").wait_for()
    assert "AUT, watch s per user-day" in cells_of(page.get_by_test_id("stDataFrame").nth(1))


def test_the_first_run_can_be_picked_after_another_was_opened(page, address, runs, samples, add_run):
    add_run(runs / "also", samples.sample_report(name="the first"))
    page.goto(f"{address}/?run=demo")
    visit(page, "Result")
    choose(page, "also")
    page.get_by_role("heading", name="the first").wait_for()


def test_every_treatment_is_on_the_result(page, address, runs, samples, add_run):
    add_run(runs / "wide", samples.sample_report(("bolder", "boldest"), name="wide"))
    page.goto(f"{address}/?run=wide")
    visit(page, "Result")
    shown = page.locator(".cards").first
    for name in ("bolder", "boldest"):
        shown.get_by_text(re.compile(rf"{name}\b.* against control")).first.wait_for()


def test_figures_follow_the_width_of_the_window(page, address):
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto(address)
    visit(page, "Segments")
    figure = page.get_by_role("img", name=re.compile("^Lift per segment. The lift among users"))
    figure.wait_for()
    height = "() => document.querySelector('.js-plotly-plot').layout.height"
    assert page.get_by_role("heading", level=2).all_inner_texts() == ["Segments"]
    narrow = page.evaluate(height)
    page.set_viewport_size({"width": 1400, "height": 900})
    page.wait_for_function(f"({height})() < {narrow}")
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_function(f"({height})() == {narrow}")
    assert page.evaluate("document.scrollingElement.scrollWidth") == 390


def test_captions_can_be_read(page, address):
    page.goto(address)
    visit(page, "Segments")
    caption = page.get_by_test_id("stCaptionContainer").first
    caption.wait_for()
    assert caption.evaluate("each => getComputedStyle(each).opacity") == "0.8"
