"""Pictures of every page of the dashboard, light and dark: `python tests/dashboards/screenshots.py RUNS ALL BEST`.

All pictures go to the folder ALL; those named in `BEST` are also written to BEST, with fewer colours.
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from browsing import chromium, drawn, go, new_page, served
from PIL import Image
from playwright.sync_api import Page

WIDTHS = (1400, 768, 390)
BEST = ("runs-light-1400", "result-light-1400", "questionnaire-dark-1400", "health-light-1400")


def main(runs: Path, every: Path, best: Path) -> None:
    for folder in (every, best):
        folder.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as aside,
        chromium() as browser,
        served(served_copy(runs, Path(aside)), Path(aside) / "log") as address,
    ):
        for look in ("light", "dark"):
            page = new_page(browser, color_scheme=look)
            page.goto(f"{address}/?run=demo")
            take_all(page, look, every)
            page.close()
    for name in BEST:
        Image.open(every / f"{name}.png").convert("RGB").quantize(128).save(best / f"{name}.png", optimize=True)
    sys.stdout.write(f"{every}: {len(list(every.glob('*.png')))} pictures; {best}: {len(BEST)}\n")


def served_copy(runs: Path, aside: Path) -> Path:
    """The runs under a path that says nothing of this machine: only what pages read."""
    to = aside / "runs"
    skipped = shutil.ignore_patterns("answering", "images", ".*")
    shutil.copytree(runs, to, ignore=skipped)
    return to


def take_all(page: Page, look: str, to: Path) -> None:
    settle(page)
    links = page.get_by_test_id("stPageLink").all_inner_texts()
    for title in links:
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        go(page, title)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            settle(page)
            page.screenshot(path=to / f"{title.lower().replace(' ', '-')}-{look}-{width}.png")


def settle(page: Page) -> None:
    """Wait until nothing is being drawn any more."""
    drawn(page)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1200)  # charts grow into their places


if __name__ == "__main__":
    main(*(Path(word) for word in sys.argv[1:4]))
