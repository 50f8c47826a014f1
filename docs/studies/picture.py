"""A figure as a picture, drawn by the browser."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import plotly.graph_objects as go
from playwright.sync_api import sync_playwright

WIDTH = 1000


def draw(figure: go.Figure, picture: Path) -> None:
    with TemporaryDirectory() as aside, sync_playwright() as playwright:
        html = Path(aside) / "figure.html"
        figure.write_html(html, include_plotlyjs=True, config={"staticPlot": True})
        path = os.environ.get("ASKEW_CHROMIUM", "/usr/bin/chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH + 20, "height": int(figure.layout.height) + 20})
        page.goto(html.as_uri())
        page.locator(".main-svg").first.wait_for()
        page.locator(".js-plotly-plot").screenshot(path=picture)
        browser.close()
