"""KuaiRand folders, lists of exposures, runs and worlds: what becomes of their rows, and what is refused."""

import json
import shutil
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from policies.base import Event
from simulator.cli.app import main
from simulator.errors import OfflineError
from simulator.offline.source import LogSource, read_source
from user_models.data.kuairand import official_names

ROWS = Path(__file__).parents[2] / "user_models" / "data" / "conftest.py"


def silent(stage, done, total):
    pass


@pytest.fixture(scope="module")
def rows():
    """The module that makes up rows of KuaiRand."""
    spec = spec_from_file_location("made_up_kuairand", ROWS)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LOGGED = [  # user, video, time (ms), played (ms), click, like, hate
    (1, 0, 1000, 500, 0, 0, 0),
    (1, 1, 1000, 9000, 1, 1, 0),
    (1, 2, 5000, 9000, 1, 1, 1),
    (2, 0, 2000, 40000, 1, 0, 1),
    (1, 3, 86401000, 30000, 1, 0, 0),
]


@pytest.fixture(scope="module")
def folder(rows, tmp_path_factory):
    """A KuaiRand-Pure folder with the five views above, four users and four videos of 30 s."""
    root = tmp_path_factory.mktemp("kuairand") / "small"
    (root / "data").mkdir(parents=True)
    for kind, tables in official_names("pure").items():
        for name, table in tables.items():
            made: list[dict] = []
            if kind == "standard" and "4_08" in name:
                for user, video, time_ms, played, click, like, hate in LOGGED:
                    row = dict.fromkeys(table.header, 0) | {"user_id": user, "video_id": video, "tab": 1}
                    row |= {"date": 20220409 if time_ms < 86400000 else 20220411, "hourmin": 1500}
                    row |= {"time_ms": 1649430000000 + time_ms, "play_time_ms": played, "duration_ms": 30000}
                    made.append(
                        row | {"is_click": click, "is_like": like, "is_hate": hate, "long_view": int(played > 18000)}
                    )
            elif kind in ("users", "videos", "video_statistics"):
                for at in range(4):
                    row = rows.made_up_row(table, at)
                    own = {"user_id": at, "video_id": at, "video_duration": "30000.0"}
                    made.append(row | {key: value for key, value in own.items() if key in row})
            rows.write_table(root / "data" / name, table, made)
    return root


def test_rows_of_a_folder_become_views_in_order(folder):
    data = read_source(LogSource(str(folder)), silent)
    feedback = data.log.feedback
    assert data.name == "small"
    assert feedback.user_id.tolist() == [1, 1, 1, 1, 2]
    assert feedback.video_id.tolist() == [0, 1, 2, 3, 0]
    assert feedback.day.tolist() == [-3, -3, -3, -1, -3]
    assert feedback.request.tolist() == [0, 0, 1, 0, 0]
    assert feedback.position.tolist() == [0, 1, 0, 0, 0]
    assert feedback.watch_s.tolist() == [0.5, 9, 9, 30, 40]


def test_likes_and_hates_stand_for_answers_and_both_for_none(folder):
    feedback = read_source(LogSource(str(folder)), silent).log.feedback
    assert feedback.answer.tolist() == [0, 3, 0, 0, 1]
    assert feedback.has(Event.ANSWERED).tolist() == [False, True, False, False, True]
    assert feedback.has(Event.LIKE).tolist() == [False, True, True, False, False]
    assert feedback.has(Event.SKIP).tolist() == [True, False, False, False, False]
    assert feedback.has(Event.COMPLETE).tolist() == [False, False, False, True, True]


def exposures(path, user_ids=(1, 1, 1, 1, 2), **columns):
    table = {"user_id": user_ids, "video_id": [3, 1, 2, 0, 2], "long_view": [0, 1, 0, 1, 1], "is_like": [0, 1, 1, 0, 0]}
    pd.DataFrame(table | columns).to_parquet(path)
    return path


def test_a_list_of_exposures_is_read_with_the_tables_of_a_folder(folder, tmp_path):
    feedback = read_source(LogSource(str(exposures(tmp_path / "list.parquet")), features=folder), silent).log.feedback
    assert feedback.video_id.tolist() == [3, 1, 2, 0, 2]
    assert feedback.has(Event.CLICK).tolist() == [False, True, False, True, True]
    assert feedback.answer.tolist() == [0, 3, 3, 0, 0]
    assert feedback.watch_s.tolist() == [0, 18, 0, 18, 18]
    assert not feedback.has(Event.SKIP).any()
    clock = 3 * feedback.day + feedback.request
    assert clock.tolist() == [-4, -3, -2, -1, -1]


def test_the_tables_are_looked_for_beside_the_list(folder, tmp_path):
    with pytest.raises(OfflineError, match=r"kuairand-pure-sample: no such folder; name .* with --features"):
        read_source(LogSource(str(exposures(tmp_path / "list.parquet"))), silent)
    (tmp_path / "kuairand-pure-sample").symlink_to(folder)
    assert len(read_source(LogSource(str(tmp_path / "list.parquet")), silent).log.feedback) == 5


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"user_ids": (1, 1, 1, 1, 7)}, "user 7 of the list is not there"),
        ({"long_view": [0, 2, 0, 1, 1]}, "long_view holds values other than 0 and 1"),
    ],
)
def test_a_wrong_list_is_refused(folder, tmp_path, columns, message):
    path = exposures(tmp_path / "list.parquet", **columns)
    with pytest.raises(ValueError, match=message):
        read_source(LogSource(str(path), features=folder), silent)


def test_features_go_with_a_list_only(folder):
    with pytest.raises(OfflineError, match="is no list of exposures; leave it out"):
        read_source(LogSource(str(folder), features=folder), silent)


SPEC = """
name = "traced"
seed = 3
world = "WORLD"
users = 120
videos = 600
days = 3
pre_days = 1
launch_days = 1
views_scale = 0.1
candidates = 100
pre_policy = "random"
trace = TRACE
[[arms]]
name = "control"
policy = "random"
[[arms]]
name = "treatment"
policy = "random"
"""


@pytest.fixture(scope="module")
def traced(world, tmp_path_factory):
    """A run with a full trace; do not write into it."""
    folder = tmp_path_factory.mktemp("traced")
    (folder / "spec.toml").write_text(SPEC.replace("WORLD", world).replace("TRACE", "1.0"))
    main(["run", str(folder / "spec.toml"), "--out", str(folder / "run")])
    return folder / "run"


def test_a_run_gives_everybodys_views_under_the_control_and_their_truth(traced):
    data = read_source(LogSource(str(traced)), silent)
    parts = [pd.read_parquet(path) for path in sorted((traced / "trace").glob("*.parquet"))]
    trace = pd.concat([part for part in parts if part["world"].iloc[0] == "all:control"])
    feedback = data.log.feedback
    assert len(feedback) == len(trace)
    assert (np.diff(feedback.user_id) >= 0).all()
    assert feedback.has(Event.CLICK).sum() == trace["click"].sum()
    one = trace[trace["user_id"] == 7]
    assert feedback.video_id[feedback.user_id == 7].tolist() == one["video_id"].tolist()
    assert data.satisfaction is not None
    felt = data.satisfaction(trace["user_id"].to_numpy(), trace["video_id"].to_numpy()[:, None])[:, 0]
    assert np.corrcoef(felt, trace["true_satisfaction"])[0, 1] > 0.7


def test_a_run_is_read_where_it_lies(traced, tilde):
    shutil.copytree(traced, tilde / "run")
    here, there = (read_source(LogSource(str(path)), silent).log.feedback for path in (tilde / "run", traced))
    assert len(here) == len(there)


def test_a_run_without_a_full_trace_is_refused(world, tmp_path):
    (tmp_path / "spec.toml").write_text(SPEC.replace("WORLD", world).replace("TRACE", "0.5"))
    with pytest.raises(OfflineError, match=r"trace = 0\.5 in its spec, want the whole"):
        read_source(LogSource(str(tmp_path)), silent)


def test_a_damaged_trace_is_refused(traced, tmp_path):
    (tmp_path / "spec.toml").write_text((traced / "spec.toml").read_text())
    (tmp_path / "trace").mkdir()
    (tmp_path / "trace" / "part.parquet").write_bytes(b"PAR1")
    with pytest.raises(OfflineError, match="trace cannot be read"):
        read_source(LogSource(str(tmp_path)), silent)


def test_the_command_prints_rows_and_keeps_a_page(traced, tmp_path, capsys):
    words = ["offline", str(traced), "--policy", "popular", "--policy", "random", "--out", str(tmp_path / "out")]
    main(words)
    out = capsys.readouterr().out
    assert "NDCG@10" in out
    assert "popular" in out
    assert "(true satisfaction)" in (tmp_path / "out" / "offline.html").read_text()
    main([*words, "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {row["policy"] for row in rows} == {"popular", "random", "(true satisfaction)"}
    assert all(
        set(row) == {"policy", "seed", "hr@1", "hr@5", "hr@10", "ndcg@5", "ndcg@10", "mrr", "true@10"} for row in rows
    )
    truth = next(row for row in rows if row["policy"] == "(true satisfaction)")
    assert truth["true@10"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nowhere",), "nowhere: no such world"),
        (("kuairand-pure", "--policy", "popula"), "did you mean 'popular'"),
        (("kuairand-pure", "--seeds", "0"), "--seeds: '0' given, want a whole number from 1 to"),
        (("kuairand-pure", "--max-users", "0"), "--max-users: '0' given, want a whole number from 1 to"),
    ],
)
def test_a_wrong_command_ends_in_one_line(words, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["offline", *words, "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    last = capsys.readouterr().err.rstrip("\n").splitlines()[-1]
    assert last.startswith("askew: ")
    assert message in last


@pytest.mark.slow
def test_a_world_is_simulated_for_the_purpose(world):
    data = read_source(LogSource(world, max_users=40), silent)
    feedback = data.log.feedback
    assert set(feedback.user_id.tolist()) <= set(range(40))
    assert feedback.day.min() == 0
    assert feedback.day.max() == 12
    assert (feedback.answer > 0).any()
