"""What is installed, from which pins, and what a wheel holds and does by itself."""

import ast
import hashlib
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import pytest
import requests
import tomli_w
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
    """Version of each pinned package on this Python."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line) for line in lines if not line.startswith("#")]
    here = [pin for pin in pinned if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in here}


def declared(*extras: str) -> list[Requirement]:
    """What the package depends on, with extras; an extra that is made of others is taken apart."""
    waiting = [Requirement(line) for line in project()["dependencies"]] + [Requirement(f"askew[{e}]") for e in extras]
    out: list[Requirement] = []
    while waiting:
        requirement = waiting.pop()
        if requirement.name == "askew":
            inner = [line for extra in requirement.extras for line in project()["optional-dependencies"][extra]]
            waiting += [Requirement(line) for line in inner]
        else:
            out.append(requirement)
    return out


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
    pin = r'[A-Za-z0-9._-]+==[0-9][0-9a-z.]*(; python_version (<|>=) "3\.[0-9]+")?'
    assert not [line for line in text.splitlines()[1:] if not re.fullmatch(pin, line)]


def test_whatever_is_needed_is_pinned_and_installed_as_pinned():
    installed = needed(declared("dev"))
    assert {name: pins().get(name) for name in installed} == installed


def test_pins_keep_the_declared_bounds():
    broken = [str(r) for r in declared("dev") if not r.specifier.contains(pins()[canonicalize_name(r.name)])]
    assert not broken


def test_whatever_is_imported_is_declared():
    runtime = {canonicalize_name(requirement.name) for requirement in declared("all")}
    names = {name: {canonicalize_name(d) for d in ds} for name, ds in metadata.packages_distributions().items()}
    known = set(PACKAGES) | sys.stdlib_module_names
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


@pytest.fixture(scope="module")
def alone(wheel, tmp_path_factory) -> Path:
    """A new virtual environment with the wheel in it, outside the checkout.

    Its dependencies are those of this Python, found by a path file, so that nothing is downloaded. Path files in that
    folder are not read, so the checkout, which is installed there as editable, is not found.
    """
    folder = tmp_path_factory.mktemp("alone") / "venv"
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python"), "install", "--quiet", "--no-deps"]
    subprocess.run([*install, "--no-index", str(wheel)], check=True, cwd=folder)
    return folder


def call(alone, *words, **options) -> str:
    """What a program of that environment prints; no variable of ours reaches it."""
    command = [str(alone / "bin" / words[0]), *map(str, words[1:])]
    done = subprocess.run(command, cwd=alone, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "COLUMNS": "100"}
POLICY: Final = """
from policies import check_policy
from policies.bandits.linucb import LinUcbPolicy
from policies.two_tower.base_policy import BasePolicy
check_policy(LinUcbPolicy)
check_policy(BasePolicy)
"""
EPISODE: Final = """
import gymnasium, simulator.registration
env = gymnasium.make("askew/Feed-v0", horizon_days=2)
env.reset(seed=1)
env.action_space.seed(1)
seen, reward, *_ = env.step(env.action_space.sample())
print(seen in env.observation_space, reward >= 0)
"""
WHERE: Final = """
import dashboards, policies, simulator, user_models
from importlib.metadata import version
print(*[module.__file__ for module in (dashboards, policies, simulator, user_models)], version("askew"), sep="\\n")
"""


@pytest.mark.slow
def test_a_wheel_alone_is_what_is_imported(alone):
    *files, version = call(alone, "python", "-c", WHERE).splitlines()
    assert {Path(file).is_relative_to(alone) for file in files} == {True}
    assert version == project()["version"] == call(alone, "askew", "--version").strip()
    assert "A wind tunnel" in call(alone, "askew", "--help")
    assert "satisfaction" in call(alone, "askew", "policies")


@pytest.mark.slow
def test_a_wheel_alone_runs_the_demonstration(alone):
    specs = alone / next(alone.glob("lib/*/site-packages/simulator/specs"))
    demo = tomllib.loads((specs / "demo.toml").read_text(encoding="utf-8"))
    few = {"users": 300, "training_users": 300, "days": 1, "pre_days": 1}
    (alone / "few.toml").write_text(tomli_w.dumps(demo | few))
    assert "treatment (satisfaction) against control (base)" in call(alone, "askew", "run", "few.toml", "--out", "run")
    assert "<html" in (alone / "run/report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_wheel_alone_checks_policies_and_plays_episodes(alone):
    call(alone, "python", "-c", POLICY)
    assert call(alone, "python", "-c", EPISODE) == "True True\n"


@pytest.mark.slow
def test_a_wheel_alone_serves_the_dashboard(alone):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [str(alone / "bin/askew"), "dashboard", ".", "--port", str(port)]
    with subprocess.Popen(words, cwd=alone, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as server:
        try:
            assert answer(f"http://127.0.0.1:{port}/_stcore/health", server) == "ok"
            assert "<html" in answer(f"http://127.0.0.1:{port}/", server)
        finally:
            server.send_signal(signal.SIGTERM)


def answer(address: str, server: "subprocess.Popen[bytes]") -> str:
    """What a server answers once it listens."""
    until = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < until:
        try:
            return requests.get(address, timeout=10).text
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError(f"{address}: no answer")


def test_the_newest_entry_of_the_changelog_is_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    entries = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d{2}-\d{2})?$", text, re.MULTILINE)
    assert entries[0] == "Unreleased"
    assert entries[1] == project()["version"]


def test_the_citation_is_read_and_names_no_version_of_its_own():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    top = dict(re.findall(r"^([a-z-]+): *(.*)$", text, re.MULTILINE))
    assert {"cff-version", "message", "title", "type", "authors", "license"} <= set(top)
    assert top["title"] == project()["name"]
    assert "version" not in top
