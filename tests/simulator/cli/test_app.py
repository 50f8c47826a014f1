"""The command line: what it prints, and one line with exit code 2 for each kind of wrong input."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib

import pyarrow.parquet as pq
import pytest

from simulator.cli.app import main
from user_models.testing import toy_world
from user_models.world.store import save_world

SPEC = """
name = "small"
seed = 3
world = "WORLD"
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
policy = "random"
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worlds") / "toy"
    save_world(toy_world(), folder)
    return folder


@pytest.fixture
def spec(world, tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SPEC.replace("WORLD", str(world)))
    return path


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    """A finished run; do not write into it."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "small.toml").write_text(SPEC.replace("WORLD", str(world)))
    main(["run", str(folder / "small.toml"), "--out", str(folder / "run")])
    return folder / "run"


def refusal(words, capsys):
    """The one line that a wrong command ends with."""
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert end.value.code == 2
    error = capsys.readouterr().err
    last = error.rstrip("\n").splitlines()[-1]
    assert last.startswith("askew: ")
    assert "Traceback" not in error
    return last


def test_a_run_prints_its_scorecard_and_leaves_a_page(spec, tmp_path, capsys):
    main(["run", str(spec), "--out", str(tmp_path / "run")])
    out = capsys.readouterr().out
    assert "AUT" in out
    assert "True lift" in out
    assert out.startswith("small: ")
    assert (tmp_path / "run" / "report.html").stat().st_size > 1_000_000


def test_json_prints_the_report_and_nothing_else(finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "run")
    main(["report", str(tmp_path / "run"), "--json"])
    assert json.loads(capsys.readouterr().out) == json.loads((finished / "report.json").read_text())


def test_seed_replaces_that_of_the_spec(spec, tmp_path, capsys):
    main(["run", str(spec), "--out", str(tmp_path / "run"), "--seed", "9", "--json"])
    assert json.loads(capsys.readouterr().out)["seed"] == 9
    assert tomllib.loads((tmp_path / "run" / "spec.toml").read_text())["seed"] == 9


def test_policies_are_listed_for_programs(capsys):
    main(["policies", "--json"])
    assert {"random", "popular", "base", "satisfaction"} <= {
        row["policy"] for row in json.loads(capsys.readouterr().out)
    }


def damaged(text, pattern, new):
    changed = re.sub(pattern, new, text, count=1)
    assert changed != text
    return changed


@pytest.mark.parametrize(
    ("pattern", "new", "message"),
    [
        (r"users = 100", "user = 400", r"small\.toml: unknown key 'user'; did you mean 'users'\?"),
        (r"users = 100", "users = -1", r"small\.toml: users: -1 given; input should be greater than or equal to 2"),
        (r"users = 100", "users =", r"small\.toml: not a TOML file: .*line 5"),
        (r'policy = "random"', 'policy = "randm"', r"arm 'control': .*randm.*random"),
        (r'policy = "random"', 'policy = "nowhere.module:Thing"', r"arm 'control': .*nowhere"),
        (r'policy = "random"', 'policy = "base"\noptions = {epoch = 3}', r"arm 'control': .*'epoch'.*epochs"),
        (r"candidates = 20", "candidates = 2", r"slate_size: 6 given, want at most candidates = 2"),
        (r'name = "treatment"', 'name = "control"', r"arms: names .* want all different"),
        (
            r"days = 1",
            'days = 1\nworld_values = {"leaving.satisfactoin" = 1}',
            r"unknown parameter 'leaving.satisfactoin'",
        ),
        (r'world = ".*"', 'world = "kuairand-pur"', r"kuairand-pur: no such world; did you mean 'kuairand-pure'\?"),
    ],
)
def test_a_wrong_spec_is_refused(spec, tmp_path, capsys, pattern, new, message):
    spec.write_text(damaged(spec.read_text(), pattern, new))
    assert re.search(message, refusal(["run", spec, "--out", tmp_path / "run"], capsys))
    assert not (tmp_path / "run").exists()


def test_a_missing_spec_is_refused(tmp_path, capsys):
    line = refusal(["run", "dmo", "--out", tmp_path / "run"], capsys)
    assert "dmo: no such file, and no shipped spec of that name; did you mean 'demo'?" in line


def test_an_unknown_option_is_refused(spec, tmp_path, capsys):
    assert "--ouput" in refusal(["run", spec, "--out", tmp_path / "run", "--ouput", "x"], capsys)


def test_a_run_reads_no_other_run_whatever_its_name(spec, finished, tilde):
    spec.write_text(spec.read_text().replace("seed = 3", "seed = 3\ntrace = 1.0"))
    other = tilde.with_name("run[1]")
    for name, seed in (("run1", 4), (other, 3), (tilde / "run", 3)):
        main(["run", str(spec), "--out", str(name), "--seed", str(seed)])
    wanted = json.loads((finished / "report.json").read_text())["metrics"]
    for folder in (other, tilde / "run"):
        assert json.loads((folder / "report.json").read_text())["metrics"] == wanted
        main(["report", str(folder)])
        assert json.loads((folder / "report.json").read_text())["metrics"] == wanted
        main(["export", str(folder), "--out", str(folder / "data")])
    theirs, ours = (
        pq.read_table(folder.absolute() / "data" / "transitions.parquet") for folder in (other, tilde / "run")
    )
    assert theirs.equals(ours)


def test_a_folder_in_use_is_refused(spec, finished, capsys):
    assert "holds" in refusal(["run", spec, "--out", finished], capsys)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("weights.safetensors", lambda data: data[:-7], "sha256"),
        ("world.json", lambda data: data.replace(b'"format": 1', b'"format": 9'), "format"),
        ("world.json", lambda data: data[:100], "cannot be read"),
        ("world.json", None, "missing"),
    ],
)
def test_a_damaged_world_is_refused(world, spec, tmp_path, capsys, name, change, message):
    copy = shutil.copytree(world, tmp_path / "world")
    if change is None:
        (copy / name).unlink()
    else:
        (copy / name).write_bytes(change((copy / name).read_bytes()))
    spec.write_text(SPEC.replace("WORLD", str(copy)))
    assert message in refusal(["run", spec, "--out", tmp_path / "run"], capsys)


@pytest.mark.parametrize("text", ["", "{", '{"format": 1}', "[]", '{"format": 2, "name": "x"}'])
def test_a_damaged_user_days_folder_is_refused(finished, tmp_path, capsys, text):
    copy = shutil.copytree(finished, tmp_path / "run")
    damaged = next((copy / "user_days").glob("world0*"))
    damaged.write_text(text)
    assert damaged.name in refusal(["report", copy], capsys)


def test_a_folder_that_is_no_run_is_refused(tmp_path, capsys):
    assert str(tmp_path) in refusal(["report", tmp_path], capsys)


def test_a_folder_without_kuairand_files_is_refused(tmp_path, capsys):
    assert str(tmp_path) in refusal(["fit", tmp_path, "--out", tmp_path / "world"], capsys)
    assert not (tmp_path / "world").exists()


THREADED = """
name = "threads"
seed = 51
world = "kuairand-pure"
users = 1500
days = 1
pre_days = 2
launch_days = 1
views_scale = 0.1
questionnaire = "dense"
[[arms]]
name = "control"
policy = "satisfaction"
[[arms]]
name = "treatment"
policy = "linucb"
"""
"""Both policies are fitted by matrix products, which BLAS splits over its threads where they are large."""


@pytest.mark.slow
def test_what_is_simulated_does_not_depend_on_the_threads_of_matrix_products(tmp_path):
    (tmp_path / "threads.toml").write_text(THREADED)
    files = []
    for n in ("1", "2"):
        words = [sys.executable, "-m", "simulator", "run", str(tmp_path / "threads.toml"), "--out", str(tmp_path / n)]
        subprocess.run(words, env=os.environ | {"OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n}, check=True)
        files.append({path.name: path.read_bytes() for path in (tmp_path / n / "user_days").iterdir()})
    assert files[0] == files[1]


@pytest.mark.parametrize("words", [["run", "{}", "--out", "o"], ["report", "{}"], ["export", "{}", "--out", "o"]])
def test_a_path_that_no_file_can_have_is_refused(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "File name too long" in refusal([word.format("x" * 300) for word in words], capsys)
    assert not list(tmp_path.iterdir())


def test_control_characters_of_a_path_do_not_reach_the_terminal(tmp_path, capsys):
    line = refusal(["report", tmp_path / "a\x1b[2J\nb"], capsys)
    assert r"a\x1b[2J b:" in line
