"""Time until a page shows: `python tests/dashboards/first_paint.py [USER_DAYS]`.

A run with as many user-days (1,000,000 by default) and the report of the tests is served; a browser opens its result.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from browsing import chromium, new_page, served
from sample_report import sample_report

PAGES = ("Health", "Questionnaire", "Segments", "Runs")


def main(user_days: int) -> None:
    with TemporaryDirectory() as aside:
        write_run(Path(aside) / "runs" / "big", user_days)
        with served(Path(aside) / "runs", Path(aside) / "log") as address, chromium() as browser:
            page = new_page(browser)
            for visit in ("first viewer", "next viewer"):
                begun = perf_counter()
                page.goto(f"{address}/result")
                page.get_by_test_id("stAlert").first.wait_for()
                verdict = perf_counter() - begun
                page.locator(".js-plotly-plot .main-svg").first.wait_for()
                figure = perf_counter() - begun
                sys.stdout.write(
                    f"{visit}, goto to the verdict: {verdict:.2f} s, to the first figure: {figure:.2f} s\n"
                )
            for title in (*PAGES, "Result"):
                page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
                begun = perf_counter()
                page.get_by_role("link", name=title, exact=True).click()
                shown = page.locator(".js-plotly-plot .main-svg") if title != "Runs" else page.get_by_text("Search")
                page.wait_for_url(lambda url, t=title: t == "Runs" or t.lower() in url)
                shown.first.wait_for()
                sys.stdout.write(f"to {title}: {perf_counter() - begun:.2f} s\n")


def write_run(run: Path, user_days: int) -> None:
    (run / "user_days").mkdir(parents=True)
    (run / "spec.toml").write_text('name = "big"\n', encoding="utf-8")
    (run / "report.json").write_text(sample_report(name="big").to_json(), encoding="utf-8")
    rng = np.random.default_rng(1)
    place = np.arange(user_days)
    arms = np.array(["control", "treatment"])[place % 2]
    own = {"world": np.char.add("all:", arms), "bucket": arms, "day": np.zeros(user_days, np.int16)}
    columns = {f"total_{i}": rng.random(user_days) for i in range(20)}
    table = pa.table({"user_id": place, **own, "watch_s": rng.exponential(300, user_days), **columns})
    pq.write_table(table, run / "user_days" / "all.parquet")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
