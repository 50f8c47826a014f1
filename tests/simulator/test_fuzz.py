"""Damaged input of every kind: it is read, or refused in one line with exit code 2; nothing else is written to.

Damage is drawn from a seed per case, so a case that fails can be played again by its number. Everything goes through
the command line; only what it would do with sound input is left out: simulating and fitting.
"""

import hashlib
import json
import re
import shutil
from copy import deepcopy
from importlib import import_module
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError
from safetensors.numpy import load, save

from dashboards.html_pages.leaderboard import render_leaderboard
from dashboards.html_pages.sweep import render_sweep
from simulator.cli import app, run, worlds
from simulator.cli.run import print_report
from simulator.cli.tables.scorecard import scorecard
from simulator.errors import RunFolderError
from simulator.experiment.runner import prepare, world_of
from simulator.reports.leaderboard import HEADLINE, Effect, Entry, Leaderboard, load_leaderboard
from simulator.reports.offline import METRICS, TRUE
from simulator.reports.report import load_report
from simulator.reports.sweep import Sweep, SweepPoint, SweptParameter, load_sweep
from user_models.data.kuairand import official_names
from user_models.data.log import open_log
from user_models.testing import toy_world
from user_models.world.store import save_world

KINDS = ("spec", "world", "rows", "run")
EVERYDAY = {"spec": 40, "world": 25, "rows": 25, "run": 20}
ALL = 250
"""Cases of each kind."""
SPEC = """
name = "small"
seed = 3
world = "WORLD"
users = 300
videos = 100
days = 2
pre_days = 1
launch_days = 1
rounds_per_day = 3
slate_size = 6
candidates = 20
views_scale = 0.05
questionnaire = "easq"
pre_policy = "popular"
salt = "a"
truth = true
trace = 0.5
training_users = 100
[world_values]
"leaving.satisfaction" = 0.1
[[arms]]
name = "control"
policy = "random"
share = 1.0
[[arms]]
name = "treatment"
policy = "popular"
options = { half_life_days = 7.0, prior_views = 20.0 }
"""
ODD = [
    "nan",
    "inf",
    "-inf",
    "-1",
    "0",
    "1e300",
    "1e-320",
    "10000000000000000000",
    "true",
    '""',
    '"é\\u0000"',
    "[]",
    "{}",
    "'",
]


def cut(data, rng):
    return data[: rng.integers(0, len(data) + 1)]


def flipped(data, rng):
    found = bytearray(data)
    for at in rng.integers(0, len(data), rng.integers(1, 5)):
        found[at] ^= 1 << rng.integers(0, 8)
    return bytes(found)


def without_a_line(data, rng):
    lines = data.split(b"\n")
    del lines[rng.integers(0, len(lines))]
    return b"\n".join(lines)


def line_twice(data, rng):
    lines = data.split(b"\n")
    at = rng.integers(0, len(lines))
    return b"\n".join([*lines[:at], lines[at], *lines[at:]])


def other_value(data, rng):
    """One number, word or string of a text replaced by something odd."""
    found = list(re.finditer(rb'(?<=[=:,\[ ])-?[\d.]+(?:e-?\d+)?|(?<=[=:] )"[^"\n]*"|true|false', data))
    if not found:
        return b"\xff" + data
    one = found[rng.integers(0, len(found))]
    return data[: one.start()] + rng.choice(ODD).encode() + data[one.end() :]


def other_cell(data, rng):
    """One cell of a table in text replaced by something odd."""
    lines = data.split(b"\n")
    at = rng.integers(0, len(lines))
    cells = lines[at].split(b",")
    cells[rng.integers(0, len(cells))] = rng.choice(ODD).encode()
    return b"\n".join([*lines[:at], b",".join(cells), *lines[at + 1 :]])


def endless(data, rng):
    """A number of too many digits, or brackets that nest too deep, in the place of a value."""
    found = list(re.finditer(rb"(?<=[=:] )[^,\n]+", data))
    if not found:
        return b"[" * 100_000 + data
    one = found[rng.integers(0, len(found))]
    return data[: one.start()] + rng.choice([b"9" * 5000, b"[" * 100_000]) + data[one.end() :]


BYTES = (cut, flipped)
TEXT = (*BYTES, without_a_line, line_twice, other_value, other_value, other_value, other_cell, endless)


def damage_bytes(path, rng):
    """Other bytes, or no file, or something that is no file."""
    way = rng.integers(0, 10)
    if way == 0:
        path.unlink()
    elif way == 1:
        path.write_bytes(b"")
    elif way == 2:
        path.unlink()
        path.mkdir()
    elif way == 3:
        path.unlink()
        path.symlink_to(rng.choice(["/nowhere", path.name, "/", "/dev/null"]))
    else:
        ways = TEXT if path.suffix in {".toml", ".json", ".csv", ".md"} else BYTES
        path.write_bytes(ways[rng.integers(0, len(ways))](path.read_bytes() or b"x", rng))


def odd_array(array, rng):
    """The same array with a number out of place, or of another shape or type."""
    way = rng.integers(0, 5)
    if way == 0:
        return array[: len(array) // 2].copy()
    if way == 1:
        return array.astype(rng.choice(["int8", "float64", "uint16"]))
    if way == 2:
        return array[..., None].copy()
    found = array.copy().ravel()
    odd = [np.nan, np.inf, -np.inf, -1, 1e30, 0] if array.dtype.kind == "f" else [-1, 0, 127]
    if found.size:
        found[:: rng.integers(1, found.size + 1)] = rng.choice(odd)
    return found.reshape(array.shape)


def damage_weights(folder, rng):
    """Odd numbers under a checksum that is right."""
    arrays = load((folder / "weights.safetensors").read_bytes())
    name = rng.choice(sorted(arrays))
    arrays |= {name: odd_array(arrays[name], rng)}
    if rng.random() < 0.1:
        del arrays[name]
    data = save(arrays)
    (folder / "weights.safetensors").write_bytes(data)
    said = json.loads((folder / "world.json").read_text())
    (folder / "world.json").write_text(json.dumps(said | {"weights_sha256": hashlib.sha256(data).hexdigest()}))


def damage_table(path, rng):
    """A table with a column gone, of another type or with odd numbers; or with rows gone or told twice."""
    table = pq.read_table(path)
    at = int(rng.integers(0, table.num_columns))
    way = rng.integers(0, 5)
    if way == 0:
        table = table.remove_column(at)
    elif way == 1:
        table = table.set_column(at, table.field(at).name, pa.array(["x"] * len(table)))
    elif way == 2:
        table = table.slice(0, len(table) // 2)
    elif way == 3:
        table = pa.concat_tables([table, table.slice(0, 3)])
    else:
        odd = rng.choice([np.nan, np.inf, -1e300, 1e18, -1.0])
        table = table.set_column(at, table.field(at).name, pa.array(np.full(len(table), odd)))
    pq.write_table(table, path)


def some_file(folder, rng):
    return rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))


def damage(kind, folder, rng):
    """Break something in a folder, in one place or two."""
    for _ in range(rng.integers(1, 3)):
        path = some_file(folder, rng)
        if kind == "world" and rng.random() < 0.4 and (folder / "world.json").is_file():
            try:
                damage_weights(folder, rng)
            except (ValueError, OSError, RecursionError, SafetensorError):
                continue  # broken already
        elif path.suffix == ".parquet" and rng.random() < 0.6:
            try:
                damage_table(path, rng)
            except (pa.ArrowException, OSError):
                continue
        else:
            damage_bytes(path, rng)
        if not any(each.is_file() for each in folder.rglob("*")):
            return


@pytest.fixture(scope="module")
def sound(run_folder, tmp_path_factory):
    """Sound input of each kind, in a folder each; do not write into it."""
    root = tmp_path_factory.mktemp("sound")
    save_world(toy_world(), root / "world")
    (root / "spec").mkdir()
    (root / "spec" / "spec.toml").write_text(SPEC.replace("WORLD", str(root / "world")))
    shutil.copytree(run_folder, root / "run")
    return root


def words_for(kind, folder, out, sound):
    """The command that reads the folder."""
    if kind == "run":
        return ["report", str(folder)]
    if kind == "rows":
        return ["fit", str(folder), "--out", str(out)]
    spec = folder / "spec.toml"
    if kind == "world":
        spec = out.parent / "world.toml"
        spec.write_text(SPEC.replace("WORLD", str(folder)))
    return ["run", str(spec), "--out", str(out)]


@pytest.fixture
def only_reads(monkeypatch):
    """Commands go as far as they read and check."""
    monkeypatch.setattr(
        import_module("simulator.run"), "run_with", lambda start, spec, *rest: prepare(spec, world_of(spec))
    )
    monkeypatch.setattr(
        "simulator.calibration.calibrate.fit_and_calibrate", lambda order, *rest: open_log(order.data).check()
    )
    monkeypatch.setattr(worlds, "validate_world", lambda *words: None)
    monkeypatch.setattr(
        run, "print_report", lambda folder, as_json: print_report(folder, as_json) if folder.name == "run" else None
    )


def seen(root):
    """Every file below a folder: its bytes, or where it leads."""
    files = [path for path in root.rglob("*") if path.is_symlink() or path.is_file()]
    return {str(path): path.readlink() if path.is_symlink() else path.read_bytes() for path in files}


def outcome(case, words):
    """The exit code of a command."""
    try:
        app.main(words)
    except SystemExit as end:
        return end.code
    except Exception as error:
        raise AssertionError(f"case {case}: askew {' '.join(words)}: a traceback") from error
    return 0


def check(case, root, sound, capsys):
    """Damage something, hand it to askew, and see that it is content or refuses as it should."""
    kind = KINDS[case % len(KINDS)]
    rng = np.random.default_rng(case)
    folder = root / kind
    shutil.copytree(sound / kind, folder)
    damage(kind, folder, rng)
    words = words_for(kind, folder, root / "out", sound)
    before = seen(root)
    code = outcome(case, words)
    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("askew: warning: ")]
    assert (code, len(lines)) in ((0, 0), (2, 1)), (case, said)
    assert all(line.startswith("askew: ") for line in lines), (case, said)
    after = seen(root)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    mine = {str(folder / name) for name in ("report.json", "report.html")} if kind == "run" else set()
    assert changed <= mine, (case, changed)
    return code


@pytest.fixture(scope="module")
def with_rows(sound, make_rows):
    """Sound input with a KuaiRand folder."""
    make_rows(sound / "rows")
    return sound


@pytest.fixture(scope="module")
def make_rows():
    """Writes a small folder in KuaiRand's layout, of made-up rows."""
    import importlib.util

    there = Path(__file__).parents[1] / "user_models" / "data" / "conftest.py"
    spec = importlib.util.spec_from_file_location("made_up_rows", there)
    made_up = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made_up)

    def make(root):
        (root / "data").mkdir(parents=True)
        for name, table in (item for tables in official_names("pure").values() for item in tables.items()):
            made_up.write_table(root / "data" / name, table, [made_up.made_up_row(table, at) for at in range(12)])

    return make


def cases_of(kind, n):
    """The first cases of a kind."""
    return range(KINDS.index(kind), n * len(KINDS), len(KINDS))


def check_cases(cases, tmp_path, sound, capsys):
    codes = []
    for case in cases:
        codes.append(check(case, tmp_path / str(case), sound, capsys))
        shutil.rmtree(tmp_path / str(case))
    assert set(codes) == {0, 2}  # some damage does no harm, such as that to a comment


@pytest.mark.usefixtures("only_reads")
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_input_is_read_or_refused_in_one_line(kind, tmp_path, with_rows, capsys):
    check_cases(cases_of(kind, EVERYDAY[kind]), tmp_path, with_rows, capsys)


ODD_VALUES = [float("nan"), float("inf"), -1, 0, 2**70, 1e308, 1e-320, "", "nan", "[/x]", None, True, [], {}, [[[1]]]]


def places_in(value, path=()):
    """Where every part of a JSON value is."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in pairs:
        yield (*path, key)
        yield from places_in(part, (*path, key))


@st.composite
def damaged(draw, text):
    """A JSON text in which a part or two are gone, told twice or something odd."""
    value = json.loads(text)
    for _ in range(draw(st.integers(1, 2))):
        places = list(places_in(value))
        *path, key = draw(st.sampled_from(places or [("nothing",)]))
        parent = value
        for step in path:
            parent = parent[step]
        way = draw(st.sampled_from(["gone", "twice", "odd", "odd"]))
        if way == "gone":
            parent.pop(key, None) if isinstance(parent, dict) else parent.pop(key)
        elif way == "twice" and isinstance(parent, list):
            parent.append(parent[key])
        else:
            parent[key] = deepcopy(draw(st.sampled_from(ODD_VALUES)))  # a second part may be damaged inside the first
    return json.dumps(value)


@pytest.fixture(scope="module")
def results(sample_report):
    """Sound results by the name of their file, each with what reads it and what shows it."""
    metrics = sample_report.metrics
    parameter = SweptParameter(name="leaving.satisfaction", meaning="m", source="s", value=0.1, low=0.0, high=None)
    points = [SweepPoint(value=value, path=str(value), users=800, metrics=metrics) for value in (0.1, 0.3)]
    sweep = Sweep(name="s", seed=1, days=3, world="w", parameter=parameter, values=[0.1, 0.3], points=points)
    effect = Effect(lift=0.1, ci_low=0.0, ci_high=0.2, true_lift=None)
    scores = dict.fromkeys((*METRICS, TRUE), 0.1)
    entry = Entry(policy="inf", offline=scores, effects=dict.fromkeys(HEADLINE, effect), folder="tests/inf")
    board = Leaderboard(data="d", users=60, days=1, entries=[entry, entry])
    return {
        "sweep.json": (sweep.to_json(), load_sweep, render_sweep),
        "leaderboard.json": (board.to_json(), load_leaderboard, render_leaderboard),
        "report.json": (sample_report.to_json(), load_report, scorecard),
    }


@settings(max_examples=20)
@given(data=st.data())
@pytest.mark.parametrize("file", ["sweep.json", "leaderboard.json", "report.json"])
def test_a_damaged_result_is_shown_or_refused_in_one_line(file, data, results, tmp_path_factory):
    text, load_result, show = results[file]
    folder = tmp_path_factory.mktemp("result")
    (folder / file).write_text(data.draw(damaged(text)))
    try:
        show(load_result(folder))
    except RunFolderError as error:
        assert re.fullmatch(rf".*{file}.*", str(error))  # noqa: PT017 (what was drawn may do no harm)


@pytest.mark.slow
@pytest.mark.usefixtures("only_reads")
@pytest.mark.parametrize("kind", KINDS)
def test_a_thousand_damaged_inputs_are_read_or_refused_in_one_line(kind, tmp_path, with_rows, capsys):
    check_cases(cases_of(kind, ALL), tmp_path, with_rows, capsys)
