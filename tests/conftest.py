"""Shape checks, one thread, and the real rows: what every test runs under.

Every function and dataclass of ours is checked against its annotations (jaxtyping and beartype), except where the
check cannot live: compiled kernels, and scripts that Streamlit runs by itself.
"""

import gc
import os
import runpy
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
# Sums of floats depend on the number of threads and on the instructions that are used, which NumPy reads as it is
# imported; subprocesses inherit both.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
runpy.run_path(str(ROOT / "simulator/processor.py"))["pin"]()

import hypothesis  # noqa: E402
import pytest  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

PACKAGES: Final = ("dashboards", "policies", "simulator", "user_models")
UNCHECKED: Final = ("__init__.py", "*kernel*.py", "compiled.py", "dashboards/app.py")
"""Patterns of files without shape checks; a checked `__init__.py` would check its whole package."""
CHECKER: Final = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
"""Takes an int for a float, as type checkers do."""


def checked_modules() -> list[str]:
    """Names of our modules whose shapes are checked, from the file tree."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    checked = [file for file in files if not any(file.match(pattern) for pattern in UNCHECKED)]
    return sorted(".".join(file.relative_to(ROOT).with_suffix("").parts) for file in checked)


def check_shapes() -> None:
    """Check modules as they are imported, so none may have been imported before."""
    early = sorted(name for name in sys.modules if name.partition(".")[0] in PACKAGES)
    if early:
        raise pytest.UsageError(f"imported before their shapes could be checked: {', '.join(early)}")
    install_import_hook(checked_modules(), CHECKER)


check_shapes()

hypothesis.settings.register_profile(
    "askew",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("askew")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what is imported: statsmodels collects for every report."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let modules that count what they leave behind at exit clean up."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def kuairand() -> Path:
    """The folder of real rows that ASKEW_KUAIRAND names; it holds `kuairand-pure-sample/`."""
    given = os.environ.get("ASKEW_KUAIRAND")
    if not given:
        pytest.skip("ASKEW_KUAIRAND is not set")
    folder = Path(given)
    if not (folder / "kuairand-pure-sample").is_dir():
        pytest.fail(f"ASKEW_KUAIRAND={given} given, want the folder that holds kuairand-pure-sample/")
    return folder


@pytest.fixture
def tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new folder whose relative path begins with `~`, as it does after `--out=~/runs`; the home folder is empty."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    folder = Path("~")
    folder.mkdir()
    return folder
