"""Reports and run folders for the tests of what is seen."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from simulator.reports.report import Report


def _load(name: str) -> ModuleType:
    """A helper module beside this file, imported once (tests are no packages)."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def samples() -> ModuleType:
    """The module that makes reports: `sample_report`, `a_a_report`, `report_with_nulls`, `bare_report`."""
    return _load("sample_report")


@pytest.fixture(scope="session")
def report(samples: ModuleType) -> Report:
    """Control and one treatment, with everything a report may hold."""
    return samples.sample_report()


@pytest.fixture(scope="session")
def wide_report(samples: ModuleType) -> Report:
    """Control and three treatments."""
    return samples.sample_report(("treatment", "bolder", "boldest"))


@pytest.fixture(scope="session", params=["sample", "wide", "a_a", "nulls", "bare", "stopped"])
def any_report(request: pytest.FixtureRequest, samples: ModuleType) -> Report:
    """Every kind of report in turn."""
    makers: dict[str, Callable[[], Report]] = {
        "sample": samples.sample_report,
        "wide": lambda: samples.sample_report(("treatment", "bolder", "boldest")),
        "a_a": samples.a_a_report,
        "nulls": samples.report_with_nulls,
        "bare": samples.bare_report,
        "stopped": samples.stopped_report,
    }
    return makers[request.param]()


@pytest.fixture
def runs(tmp_path: Path, report: Report) -> Path:
    """A folder with one finished run, `demo`."""
    write_run(tmp_path / "demo", report)
    return tmp_path


@pytest.fixture(scope="session")
def add_run() -> Callable[[Path, Report | None], None]:
    """Writes a run folder: finished with a report, half-finished without."""
    return write_run


def write_run(folder: Path, report: Report | None) -> None:
    folder.mkdir()
    (folder / "spec.toml").write_text('name = "demo"\n', encoding="utf-8")
    if report is not None:
        (folder / "report.json").write_text(report.to_json(), encoding="utf-8")
