"""From a trace to offline-RL datasets: what is in them, that other libraries read them, and what is refused."""

import numpy as np
import pandas as pd
import pytest

from simulator.cli import main
from simulator.engine_choice import choose_engine
from simulator.errors import RunFolderError, SpecError
from simulator.export import ExportError, export
from simulator.run import run_with
from simulator.spec import parse_spec
from simulator.transitions import read_transitions


@pytest.fixture(scope="module")
def folder(world, tmp_path_factory):
    """A small run with everybody traced."""
    path = tmp_path_factory.mktemp("traced") / "run"
    spec = {
        "name": "traced & odd", "world": world, "users": 60, "videos": 80, "candidates": 12, "slate_size": 3, "days": 2,
        "pre_days": 1, "launch_days": 1, "pre_policy": "random", "trace": 1.0,
        "arms": [{"name": "control", "policy": "random"}, {"name": "treatment", "policy": "popular"}],
    }  # fmt: skip
    run_with(choose_engine("local", 1, None), parse_spec(spec, "test"), path, lambda *_: None)
    return path


@pytest.fixture(scope="module")
def control(folder):
    return read_transitions(folder, None, "watch_s")


def test_every_view_of_every_user_is_there_once(folder, control):
    days = pd.read_parquet(folder / "user_days")
    views = days.loc[(days["world"] == "all:control") & (days["day"] >= 0), "views"].sum()
    assert len(control) == views
    key = control.trace[["user_id", "day", "request", "position"]]
    assert not key.duplicated().any()
    assert control.terminals.sum() == len(control.trace[["user_id", "day"]].drop_duplicates())
    assert not {"true_satisfaction", "true_appeal"} & set(control.trace.columns)


def test_rewards_and_costs_are_those_of_the_log(control):
    assert np.allclose(control.rewards, control.trace["watch_s"])
    assert np.array_equal(control.costs, control.trace["hate"])


def test_random_slates_have_their_chances_and_others_none(folder, control):
    assert np.allclose(control.propensity, 1 / (12 - control.trace["position"]))
    assert np.isnan(read_transitions(folder, "treatment", "p2n").propensity).all()


def test_inverse_propensities_of_the_first_place_count_the_candidates(control):
    first = control.trace["position"] == 0
    assert (1 / control.propensity[first]).mean() == 12


def test_an_observation_tells_the_hour_and_what_came_before(control):
    one = control.trace.groupby(["user_id", "day", "request"]).head(1)
    assert len(one) > 100
    hours = control.observations[one.index][:, -7:-5]
    angle = 2 * np.pi * one["hour"].to_numpy() / 24
    assert np.allclose(hours, np.stack([np.sin(angle), np.cos(angle)], axis=1), atol=1e-5)
    before = one.groupby(["user_id", "day"])["request"].rank() == 1
    assert (control.observations[one.index][before.to_numpy(), -5] == 0).all()
    new = ~one["user_id"].duplicated()
    assert (control.observations[one.index][new.to_numpy(), -4:] == 0).all()
    later = control.observations[one.index][~new.to_numpy()]
    assert (later[:, -1] > 0).all()


def test_minari_reads_its_dataset(control, tmp_path, monkeypatch):
    minari = pytest.importorskip("minari")
    path = export(control, "minari", tmp_path)
    assert path == tmp_path / "askew" / "traced-odd-control-v0"
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    episodes = list(minari.load_dataset("askew/traced-odd-control-v0").iterate_episodes())
    assert len(episodes) == control.terminals.sum()
    assert sum(episode.rewards.sum() for episode in episodes) == pytest.approx(control.rewards.sum())
    assert np.allclose(np.concatenate([episode.actions for episode in episodes]), control.actions)
    assert all(len(episode.observations) == len(episode.rewards) + 1 for episode in episodes)


def test_an_archive_has_the_keys_of_d4rl(control, tmp_path):
    with np.load(export(control, "d4rl-npz", tmp_path), allow_pickle=False) as data:
        ends = data["terminals"]
        assert len({len(data[key]) for key in data.files}) == 1
        after = np.roll(data["observations"], -1, axis=0)
        assert np.array_equal(data["next_observations"][~ends], after[~ends])
        assert {"observations", "actions", "rewards", "terminals", "timeouts", "next_observations"} <= set(data.files)


def test_a_table_has_a_row_per_view(control, tmp_path):
    frame = pd.read_parquet(export(control, "parquet", tmp_path))
    assert frame.groupby("episode")["terminal"].sum().eq(1).all()
    assert frame["reward"].sum() == pytest.approx(control.rewards.sum())


def test_what_is_there_is_not_overwritten(control, tmp_path):
    export(control, "parquet", tmp_path)
    with pytest.raises(ExportError, match="is there already; give another --out"):
        export(control, "parquet", tmp_path)


@pytest.mark.parametrize(
    ("arm", "reward", "message"),
    [("other", "watch_s", "--arm: 'other' given, want one of control, treatment"), (None, "x", "--reward: 'x' given")],
)
def test_unknown_words_are_refused(folder, arm, reward, message):
    with pytest.raises(SpecError, match=message):
        read_transitions(folder, arm, reward)


def test_a_run_without_a_trace_is_refused(folder, tmp_path):
    (tmp_path / "spec.toml").write_bytes((folder / "spec.toml").read_bytes())
    with pytest.raises(RunFolderError, match="holds no trace; run the spec with trace"):
        read_transitions(tmp_path, None, "watch_s")


def test_a_damaged_trace_is_refused_in_one_line(folder, tmp_path):
    (tmp_path / "spec.toml").write_bytes((folder / "spec.toml").read_bytes())
    (tmp_path / "trace").mkdir()
    (tmp_path / "trace" / "world0-0000-0000.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(RunFolderError, match=r"cannot be read: .*; run the spec anew"):
        read_transitions(tmp_path, None, "watch_s")


def test_the_command_writes_and_says_where(folder, tmp_path, capsys):
    main(["export", str(folder), "--out", str(tmp_path / "new"), "--format", "d4rl-npz", "--reward", "p2n"])
    assert capsys.readouterr().out.strip() == str(tmp_path / "new" / "transitions.npz")


def test_the_command_films_an_episode(tmp_path, world, capsys):
    image = pytest.importorskip("PIL.Image")
    main(["render", str(tmp_path / "feed.gif"), "--world", world, "--views", "7", "--truth"])
    with image.open(tmp_path / "feed.gif") as gif:
        assert gif.size == (300, 540)
        assert 2 <= gif.n_frames <= 8


def test_a_film_makes_its_folder_and_says_where_it_cannot(tmp_path, world, capsys):
    main(["render", str(tmp_path / "new" / "feed.gif"), "--world", world, "--views", "2"])
    assert (tmp_path / "new" / "feed.gif").is_file()
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="2"):
        main(["render", str(tmp_path / "file" / "feed.gif"), "--world", world, "--views", "2"])
    assert "feed.gif: cannot be written: " in capsys.readouterr().err


def test_a_policy_that_needs_a_log_cannot_film(tmp_path, world, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["render", str(tmp_path / "feed.gif"), "--world", world, "--policy", "popular"])
    assert "policy 'popular' learns from a log before it serves" in capsys.readouterr().err
