"""What is installed, from which pins, and what leaves the house in a wheel."""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("dashboards", "policies", "simulator", "user_models")
APACHE_2_0: Final = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
"""SHA-256 of the licence's standard text."""


@cache
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@cache
def pins() -> dict[str, str]:
    """Version of each pinned package."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def declared(*extras: str) -> list[Requirement]:
    optional = project()["optional-dependencies"]
    return [Requirement(line) for line in project()["dependencies"] + [r for extra in extras for r in optional[extra]]]


def needed(requirements: list[Requirement]) -> dict[str, str]:
    """Installed version of whatever is required, in turn too, unless its parent pins it (as torch does a GPU's)."""
    waiting, seen = with_extras(requirements), set[tuple[str, str]]()
    while waiting - seen:
        name, extra = (waiting - seen).pop()
        seen.add((name, extra))
        inner = [Requirement(line) for line in metadata.requires(name) or []]
        loose = [r for r in inner if not str(r.specifier).startswith("==")]
        waiting |= with_extras([r for r in loose if r.marker is None or r.marker.evaluate({"extra": extra})])
    return {name: metadata.version(name).partition("+")[0] for name, _ in seen}


def with_extras(requirements: list[Requirement]) -> set[tuple[str, str]]:
    """Each requirement's name, by itself and with each extra asked for."""
    return {(canonicalize_name(r.name), extra) for r in requirements for extra in {"", *r.extras}}


def test_every_pin_is_one_exact_release_from_anywhere():
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    loose = [line for line in text.splitlines()[1:] if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9a-z.]*", line)]
    assert not loose


def test_whatever_is_needed_is_pinned_and_installed_as_pinned():
    installed = needed(declared("dev"))
    assert {name: pins().get(name) for name in installed} == installed


def test_pins_keep_the_declared_bounds():
    broken = [str(r) for r in declared("dev") if not r.specifier.contains(pins()[canonicalize_name(r.name)])]
    assert not broken


def test_whatever_is_imported_is_declared():
    runtime = {canonicalize_name(requirement.name) for requirement in declared()}
    names = {name: {canonicalize_name(d) for d in ds} for name, ds in metadata.packages_distributions().items()}
    known = (
        set(PACKAGES) | sys.stdlib_module_names | {"lightgbm", "minari", "ray", "stable_baselines3"}
    )  # asked for by name where missing
    undeclared = [
        f"{file.relative_to(ROOT)}: {name}"
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for name in sorted(imported(file) - known)
        if not names.get(name, set()) & runtime
    ]
    assert not undeclared, "\n" + "\n".join(undeclared)


def imported(file: Path) -> set[str]:
    """Top-level names of what a file imports."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in plain | parts}


def test_licence_is_the_standard_text_and_the_notice_gives_credit():
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_0
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    for credit in ("Gao", "CIKM 2022", "https://kuairand.com", "CC BY-SA 4.0", "user_models/worlds/"):
        assert credit in notice


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_wheel_holds_every_file_of_the_four_packages_and_nothing_else(wheel):
    names = set(ZipFile(wheel).namelist())
    ours = {f for p in PACKAGES for f in (ROOT / p).rglob("*") if f.is_file() and "__pycache__" not in f.parts}
    about = f"askew-{project()['version']}.dist-info/"
    assert {name for name in names if not name.startswith(about)} == {str(f.relative_to(ROOT)) for f in ours}
    assert {f"{package}/py.typed" for package in PACKAGES} <= names
    assert {f"{about}licenses/LICENSE", f"{about}licenses/NOTICE", f"{about}entry_points.txt"} <= names


@pytest.mark.slow
def test_wheel_works_without_the_checkout(wheel, tmp_path):
    target = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(target)]
    subprocess.run([*install, str(wheel)], check=True, cwd=tmp_path)
    code = "import simulator; from simulator.cli import main; print(simulator.__file__); main()"
    command = [sys.executable, "-c", code, "--help"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(target)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(target))
    assert "askew" in done.stdout
