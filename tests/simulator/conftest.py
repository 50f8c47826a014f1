"""Run folders for the tests of reading and reporting, and ways to store an environment."""

import copy
import importlib.util
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import pytest

from simulator.analysis.summarise import summarise
from simulator.reports.report import Report
from user_models.testing import toy_world
from user_models.world.store import save_world


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
def sample_run() -> ModuleType:
    """The module that makes run folders: `write_sample_run`, `SamplePlan`, `sample_rows`, `write_rows`."""
    return _load("sample_run")


@pytest.fixture(scope="session")
def played_days() -> ModuleType:
    """The module that plays days of a few users: `prepared`, `play`, `Noisy`, `Learner`."""
    return _load("played_days")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with the toy world, as specs name it; do not write into it."""
    folder = tmp_path_factory.mktemp("worlds") / "toy"
    save_world(toy_world(), folder)
    return str(folder)


@pytest.fixture(scope="session")
def run_folder(sample_run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a true lift of +5% in AUT; do not write into it."""
    return sample_run.write_sample_run(tmp_path_factory.mktemp("runs") / "sample")


@pytest.fixture(scope="session")
def sample_report(run_folder: Path) -> Report:
    """That run's report."""
    return summarise(run_folder)


@pytest.fixture(scope="session")
def resplits() -> ModuleType:
    """The module that splits made-up users many times: `population`, `halves`, `comparisons`, `monte_carlo`."""
    return _load("resplits")


@pytest.fixture(params=["copy", "pickle", "cloudpickle"])
def stored(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """A way there and back: what is given comes out as another object with the same contents."""
    if request.param == "copy":
        return copy.deepcopy
    dumps = pickle.dumps if request.param == "pickle" else cloudpickle.dumps
    return lambda given: pickle.loads(dumps(given))  # noqa: S301 # our own bytes
