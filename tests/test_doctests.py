"""Every example in a docstring, and every one in the README, prints what it says."""

import doctest
import importlib
import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("dashboards", "policies", "simulator", "user_models")
FILES: Final = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
MODULES: Final = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in FILES
    if ">>> " in file.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_docstrings_hold(name):
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert results.attempted
    assert not results.failed


def test_the_readme_holds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not doctest.testfile(str(ROOT / "README.md"), module_relative=False, optionflags=doctest.ELLIPSIS).failed


def test_the_readme_rests_on_no_training():
    """The last digits of a trained model are the processor's."""
    used = re.findall(r'policy="(\w+)"', (ROOT / "README.md").read_text(encoding="utf-8"))
    assert used
    assert set(used) <= {"random", "popular"}
