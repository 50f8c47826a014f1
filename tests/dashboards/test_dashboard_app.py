"""The Streamlit app, run by Streamlit's own test harness."""

import json
import os
import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboards import serve
from dashboards.runs import fingerprint, read_run
from simulator.report import RunFolderError


@pytest.fixture
def open_app(monkeypatch):
    """Starts the app on a folder and runs it once."""

    def start(folder: Path) -> AppTest:
        monkeypatch.setattr(sys, "argv", ["app.py", str(folder)])
        app = AppTest.from_file(str(serve.APP), default_timeout=60).run()
        assert not app.exception
        return app

    return start


def figures_of(app: AppTest) -> dict[str, dict]:
    """Plotly figures on screen, by the key of their panel."""
    return {chart.proto.id.rpartition("-")[2]: json.loads(chart.proto.spec) for chart in app.get("plotly_chart")}


def test_x(open_app, runs):
    app = open_app(runs)
    print(app.main)
    print([c.proto.id for c in app.get("plotly_chart")])
    assert 0
