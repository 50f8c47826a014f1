"""What a command says where torch, plotly, Streamlit or Ray are not installed: one line, and what to install."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from simulator.cli import extras
from simulator.cli.app import main

ROOT: Final = Path(__file__).resolve().parents[3]
LIGHT: Final = """
name = "light"
seed = 3
users = 100
videos = 80
days = 1
pre_days = 1
launch_days = 1
views_scale = 0.05
candidates = 20
pre_policy = "popular"
[[arms]]
name = "control"
policy = "random"
[[arms]]
name = "treatment"
policy = "linucb"
"""
BLOCKED: Final = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from simulator.cli import main
main()
"""
ALL: Final = tuple(module for modules in extras.EXTRAS.values() for module in modules)


def without(absent, *words):
    """A command in a process that cannot import some modules."""
    command = [sys.executable, "-c", BLOCKED.format(absent=absent), *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_extras_are_those_of_the_package():
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert set(optional) == {*extras.EXTRAS, "all", "dev"}
    for extra, modules in extras.EXTRAS.items():
        declared = {line.partition(">")[0].partition("[")[0] for line in optional[extra]} - {"askew"}
        assert {module.replace("_", "-") for module in modules} == declared


def test_a_test_of_simple_policies_runs_and_is_read_out_without_any_extra(tmp_path):
    spec, out = tmp_path / "light.toml", tmp_path / "run"
    spec.write_text(LIGHT)
    done = without(ALL, "run", spec, "--out", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"{out / 'report.json'}\n")
    assert not (out / "report.html").exists()
    told = "askew: report.html is left out: jinja2 is not installed; pip install 'askew[dashboard]'\n"
    assert done.stderr.endswith(told)
    again = without(ALL, "report", out, "--json")
    assert json.loads(again.stdout) == json.loads((out / "report.json").read_text())
    assert again.stderr == told


def test_a_ranker_without_torch_is_refused_before_anything_is_written(tmp_path):
    done = without(["torch"], "run", "demo", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert done.stderr.lstrip("\n") == (  # the progress bar's, which shows nothing yet
        "askew: arm 'control': policy 'base' uses torch, not installed here; pip install 'askew[rankers]', "
        "or name another policy\n"
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["audit", "demo"], "dashboard"),
        (["power", "demo"], "dashboard"),
        (["dashboard", "."], "dashboard"),
        (["analyse", "users.csv", "--control", "a", "--metric", "m=m", "--out", "page.html"], "dashboard"),
        (["offline", "kuairand-pure"], "dashboard,rankers"),
        (["evaluate", "popular", "--out", "exam"], "dashboard,rankers"),
        (["fit", ".", "--out", "world"], "dashboard,rankers"),
        (["validate", "kuairand-pure", "."], "dashboard,rankers"),
        (["bench"], "rankers"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_command_refuses_before_it_begins(words, extra, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line.startswith("askew: this command uses ")
    assert line.endswith(f", not installed here; pip install 'askew[{extra}]'\n")
    assert not list(tmp_path.iterdir())


def test_only_what_is_missing_is_asked_for(monkeypatch, capsys):
    monkeypatch.setattr(extras, "find_spec", lambda module: None if module == "torch" else module)
    with pytest.raises(SystemExit):
        main(["offline", "kuairand-pure"])
    assert capsys.readouterr().err == (
        "askew: this command uses torch, not installed here; pip install 'askew[rankers]'\n"
    )


@pytest.mark.parametrize(("module", "extra"), [("plotly.graph_objects", "dashboard"), ("minari", "rl")])
def test_a_module_that_is_missed_later_is_told_too(module, extra, monkeypatch, capsys):
    def fail():
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr("policies.registry.known_policies", fail)
    with pytest.raises(SystemExit) as end:
        main(["policies"])
    assert end.value.code == 2
    top = module.partition(".")[0]
    assert capsys.readouterr().err == f"askew: {top} is not installed; pip install 'askew[{extra}]'\n"


def test_a_missing_module_of_no_extra_is_a_fault_of_ours(monkeypatch):
    def fail():
        raise ModuleNotFoundError("No module named 'simulator.nowhere'", name="simulator.nowhere")

    monkeypatch.setattr("policies.registry.known_policies", fail)
    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        main(["policies"])
