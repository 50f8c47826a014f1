"""A dashboard server and a Chromium to look at it with, for tests, pictures and measurements."""

import os
import re
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from dashboards.serve import command

WAIT_MS = 90_000
"""Longest wait for one thing on a page; a run of the tests takes a third of it where the machine is busy."""
SIZE = {"width": 1400, "height": 900}


@contextmanager
def served(runs: Path, log: Path) -> Iterator[str]:
    """Serves a folder of runs at the address that is given; what the server prints goes to `log`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = command(runs, port)
    words[words.index("--") : words.index("--")] = ["--server.headless=true"]
    with log.open("wb") as file:
        server = subprocess.Popen(words, stdout=file, stderr=subprocess.STDOUT)
    try:
        wait_until_up(server, port, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(server)


def end(server: subprocess.Popen[bytes]) -> None:
    """Have it stop, and kill it if it does not."""
    server.terminate()
    try:
        server.wait(30)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        raise


def wait_until_up(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"no server after a minute: {log.read_text()}")


@contextmanager
def chromium() -> Iterator[Browser]:
    path = os.environ.get("ASKEW_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def new_page(browser: Browser, **options) -> Page:
    page = browser.new_page(viewport=SIZE, **options)
    page.set_default_timeout(WAIT_MS)
    return page


def go(page: Page, title: str) -> None:
    """Go to a page by the menu and wait until it is drawn."""
    page.get_by_role("link", name=title, exact=True).click()
    path = "" if title == "Runs" else title.lower().replace(" ", "-")
    page.wait_for_url(re.compile(rf"://[^/]+/{path}(\?|$)"))
    drawn(page)


def drawn(page: Page) -> None:
    """Wait until the server has sent all of a page."""
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
    page.get_by_role("heading", level=1).first.wait_for()
