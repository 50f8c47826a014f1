"""From a trace to offline-RL datasets: what is in them, that other libraries read them, and what is refused."""

import resource
import shutil
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from policies.base import top_k
from simulator.cli.app import main
from simulator.cli.engines import choose_engine
from simulator.environment.export import export
from simulator.environment.phone_render import PictureError, write_gif
from simulator.environment.transitions import read_transitions
from simulator.errors import ExportError, RunFolderError, SpecError
from simulator.run import run_with
from simulator.spec.experiment import parse_spec
from user_models.testing import toy_world
from user_models.world.store import save_world


class Lowest:
    """Lowest ids first; remembers what was on offer."""

    offers: ClassVar[list] = []

    def rank(self, obs, k, noise):
        self.offers.extend((obs.day, *offer) for offer in zip(obs.user_id, obs.candidates, strict=True))
        return top_k(obs, -obs.candidates.astype(np.float32), k)


class Shortest:
    """Shorter videos first."""

    def scores(self, obs):
        return -obs.videos.duration_s[obs.candidates] / 100

    def rank(self, obs, k, noise):
        return top_k(obs, self.scores(obs), k)


class Liar:
    """Tells chances that cannot be."""

    def rank(self, obs, k, noise):
        return obs.candidates[:, :k]

    @staticmethod
    def propensity(n, position):
        return np.full(len(position), 1.5)


@pytest.fixture(scope="module")
def play(world, tmp_path_factory):
    """Plays a small run with everybody traced."""

    def play(treatment="popular", **changes):
        path = tmp_path_factory.mktemp("traced") / "run"
        spec = {
            "name": "traced & odd", "world": world, "users": 60, "videos": 80, "candidates": 12, "slate_size": 3,
            "days": 2, "pre_days": 1, "launch_days": 1, "pre_policy": "random", "trace": 1.0,
            "arms": [{"name": "control", "policy": "random"}, {"name": "treatment", "policy": treatment}],
        }  # fmt: skip
        run_with(choose_engine("local", 1, None), parse_spec(spec | changes, "test"), path, lambda *_: None)
        return path

    return play


@pytest.fixture(scope="module")
def folder(play):
    """A small run; do not write into it."""
    return play()


@pytest.fixture(scope="module")
def lowest(play):
    """One day of a plug-in against random slates, with few candidates; do not write into it."""
    Lowest.offers.clear()
    return play(f"{__name__}:Lowest", users=600, candidates=4, days=1, seed=5)


@pytest.fixture(scope="module")
def control(folder):
    return read_transitions(folder, None, "watch_s")


def test_every_view_of_every_user_is_there_once(folder, control):
    days = pd.read_parquet(folder / "user_days")
    views = days.loc[(days["world"] == "all:control") & (days["day"] >= 0), "views"].sum()
    assert len(control) == views
    key = control.trace[["user_id", "day", "request", "position"]]
    assert not key.duplicated().any()
    assert control.timeouts.sum() == len(control.trace[["user_id", "day"]].drop_duplicates())
    assert not {"true_satisfaction", "true_appeal"} & set(control.trace.columns)


def test_rewards_and_costs_are_those_of_the_log(control):
    assert np.allclose(control.rewards, control.trace["watch_s"])
    assert np.array_equal(control.costs, control.trace["hate"])


def test_each_view_has_the_chance_that_its_policy_tells(folder, lowest, control):
    assert np.allclose(control.propensity, 1 / (12 - control.trace["position"]))
    assert (read_transitions(folder, "treatment", "p2n").propensity == 1).all()
    assert np.isnan(read_transitions(lowest, "treatment", "p2n").propensity).all()


def test_chances_that_depend_on_scores_are_those_of_the_trace(play):
    explorer = {"name": "treatment", "policy": "softmax", "options": {"ranker": f"{__name__}:Shortest"}}
    path = play(arms=[{"name": "control", "policy": "random"}, explorer])
    logged = read_transitions(path, "treatment", "watch_s")
    kept = pd.read_parquet(path / "trace").query("world == 'all:treatment'")
    kept = kept.sort_values(["user_id", "day", "request", "position"])
    assert np.allclose(logged.propensity, np.exp(kept["log_propensity"]))
    assert logged.propensity.std() > 0


def test_candidates_are_those_that_the_policy_could_choose_from(lowest):
    shown = read_transitions(lowest, "treatment", "watch_s")
    first = shown.trace.groupby(["user_id", "day", "request"]).head(1)
    frame = pd.DataFrame(Lowest.offers, columns=["day", "user_id", "candidates"])
    frame["request"] = frame.groupby(["user_id", "day"]).cumcount()
    offered = first.merge(frame, on=["user_id", "day", "request"], how="left")["candidates"]
    assert len(first) > 400
    assert np.array_equal(shown.offered, np.stack(offered))


def clicks(path):
    """Of everybody's first view, read from an export alone."""
    views = pd.read_parquet(path)
    return views[(views["request"] == 0) & (views["position"] == 0)].set_index("user_id")


def test_another_policys_clicks_can_be_estimated_from_an_export_alone(lowest, tmp_path):
    logged, truth = (
        clicks(export(read_transitions(lowest, arm, "watch_s"), "parquet", tmp_path / arm))
        for arm in ("control", "treatment")
    )
    assert logged.index.equals(truth.index)
    assert len(logged) > 400
    choice = np.stack(logged["candidates"]).min(axis=1)
    assert np.array_equal(choice, truth["video_id"])
    terms = (logged["video_id"] == choice) / logged["propensity"] * logged["click"]
    error = terms.std() / len(terms) ** 0.5
    assert terms.mean() == pytest.approx(truth["click"].mean(), abs=3.29 * error)


def test_chances_that_cannot_be_are_refused(play):
    with pytest.raises(SpecError, match=r"Liar'.*want \d+ numbers above 0 and up to 1; it gives \d+, such as \[1.5"):
        read_transitions(play(f"{__name__}:Liar", users=20), "treatment", "watch_s")


def test_a_mixed_course_of_events_is_exported_by_bucket(play):
    path = play(truth=False)
    days = pd.read_parquet(path / "user_days").query("world == 'mixed'")
    arms = {arm: read_transitions(path, arm, "watch_s") for arm in ("control", "treatment")}
    assert sum(len(part) for part in arms.values()) == days["views"].sum()
    for arm, part in arms.items():
        bucket = days[days["bucket"] == arm]
        assert (
            part.trace.groupby("user_id").size().to_dict()
            == bucket.groupby("user_id")["views"].sum().loc[lambda n: n > 0].to_dict()
        )
    assert np.allclose(arms["control"].propensity, 1 / (12 - arms["control"].trace["position"]))
    assert (arms["treatment"].propensity == 1).all()


def test_videos_that_came_on_later_days_are_exported(play):
    trace = read_transitions(play(world="kuairand-pure", videos=500), None, "watch_s").trace
    assert trace["video_id"].max() >= 500


def test_a_trace_of_another_world_is_refused(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "run")
    spec = (folder / "spec.toml").read_text()
    (tmp_path / "run" / "spec.toml").write_text(spec.replace("seed = 0", "seed = 1"))
    with pytest.raises(RunFolderError, match="is of another world than its spec's is now; run the spec anew"):
        read_transitions(tmp_path / "run", None, "watch_s")


@pytest.mark.parametrize(
    ("column", "given", "message"),
    [
        ("user_id", 60, "user_id from 0 to 60 given, want 0 to 59"),
        ("video_id", 10_000, "video_id from 0 to 10000 given, want 0 to"),
    ],
)
def test_a_trace_of_unknown_users_or_videos_is_refused(folder, tmp_path, column, given, message):
    shutil.copytree(folder, tmp_path / "run")
    path = next(path for path in (tmp_path / "run" / "trace").iterdir() if "world0-0000" in path.name)
    rows = pd.read_parquet(path)
    rows.loc[rows.index[-1], column] = given
    rows.astype({column: "int32"}).to_parquet(path)
    with pytest.raises(RunFolderError, match=message):
        read_transitions(tmp_path / "run", None, "watch_s")


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
    assert len(episodes) == control.timeouts.sum()
    assert sum(episode.rewards.sum() for episode in episodes) == pytest.approx(control.rewards.sum())
    assert np.allclose(np.concatenate([episode.actions for episode in episodes]), control.actions)
    assert all(len(episode.observations) == len(episode.rewards) + 1 for episode in episodes)
    for name, values in (("candidates", control.candidates(slice(None))), ("propensity", control.propensity)):
        assert np.array_equal(np.concatenate([episode.infos[name][:-1] for episode in episodes]), values)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["askew"]
    assert not any(episode.terminations.any() for episode in episodes)
    assert all(np.flatnonzero(episode.truncations).tolist() == [len(episode.rewards) - 1] for episode in episodes)
    goes_on = control.trace.groupby("user_id")["day"].nunique().iloc[0] > 1
    assert goes_on
    assert np.array_equal(episodes[0].observations[-1], episodes[1].observations[0])


def test_what_follows_a_day_is_the_users_next_one(control):
    users, following = control.trace["user_id"].to_numpy(), control.following()
    last = np.append(users[1:] != users[:-1], True)
    assert np.array_equal(following[last], np.flatnonzero(last))
    assert np.array_equal(following[~last], np.flatnonzero(~last) + 1)
    assert (control.timeouts & ~last).any()


def test_an_archive_has_the_keys_of_d4rl(control, tmp_path):
    with np.load(export(control, "d4rl-npz", tmp_path), allow_pickle=False) as data:
        ends = data["timeouts"]
        assert not data["terminals"].any()
        assert ends.sum() == len(control.trace[["user_id", "day"]].drop_duplicates())
        assert len({len(data[key]) for key in data.files}) == 1
        after = np.roll(data["observations"], -1, axis=0)
        assert np.array_equal(data["next_observations"][~ends], after[~ends])
        assert {"observations", "actions", "rewards", "terminals", "timeouts", "next_observations"} <= set(data.files)
        assert (data["infos/candidates"] == data["infos/video_id"][:, None]).any(axis=1).all()


def test_a_table_has_a_row_per_view(control, tmp_path):
    frame = pd.read_parquet(export(control, "parquet", tmp_path))
    assert frame.groupby("episode")["timeout"].sum().eq(1).all()
    assert not frame["terminal"].any()
    assert frame["reward"].sum() == pytest.approx(control.rewards.sum())
    assert np.array_equal(np.stack(frame["candidates"]), control.candidates(slice(None)))
    assert [path.name for path in tmp_path.iterdir()] == ["transitions.parquet"]


@pytest.fixture
def small_files():
    """No file can grow beyond 20,000 bytes, as on a disk that is full by then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", ["parquet", "d4rl-npz", "minari"])
def test_without_room_nothing_is_left_and_one_line_says_so(folder, tmp_path, kind, capsys, small_files):
    if kind == "minari":
        pytest.importorskip("minari")
    with pytest.raises(SystemExit, match="2"):
        main(["export", str(folder), "--out", str(tmp_path / "new"), "--format", kind])
    line = f"askew: {tmp_path / 'new'}: cannot be written: File too large; make room or give another --out\n"
    assert capsys.readouterr().err == line
    assert not any((tmp_path / "new").iterdir())


def test_without_room_half_a_film_is_removed(tmp_path, small_files):
    pytest.importorskip("PIL")
    frames = [np.random.default_rng(i).integers(0, 255, (200, 200, 3), np.uint8) for i in range(2)]
    with pytest.raises(PictureError, match=r"film\.gif: cannot be written: File too large; give another file"):
        write_gif(frames, tmp_path / "film.gif", 100)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("error", [RuntimeError("Can't decrement id\n(errno = 28, buf)"), OSError(28, "No space")])
def test_whatever_minari_fails_with_nothing_is_left(control, tmp_path, monkeypatch, error):
    minari = pytest.importorskip("minari")

    def fails(*_, **__):
        next(tmp_path.iterdir()).joinpath("half").write_bytes(b"1")
        raise error

    monkeypatch.setattr(minari, "create_dataset_from_buffers", fails)
    with pytest.raises(ExportError, match="cannot be written: No space left on device; make room or give") as refusal:
        export(control, "minari", tmp_path)
    assert "\n" not in str(refusal.value)
    assert not any(tmp_path.iterdir())


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


@pytest.mark.parametrize("name", ["feed.mp4", "feed", ".gif", "feed.gif.webm"])
def test_a_gif_is_written_under_no_other_name(tmp_path, world, capsys, name):
    with pytest.raises(SystemExit, match="2"):
        main(["render", str(tmp_path / name), "--world", world, "--views", "2"])
    assert f"{name}: names no GIF, want a file that ends in .gif" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_user_who_never_comes_cannot_be_filmed(tmp_path, capsys):
    save_world(toy_world().with_tables(return_logit=np.full(3, -60, np.float32)), tmp_path / "world")
    with pytest.raises(SystemExit, match="2"):
        main(["render", str(tmp_path / "feed.gif"), "--world", str(tmp_path / "world"), "--user", "3"])
    assert "user 3 does not come within 365 days of seed 0; give another user or seed" in capsys.readouterr().err


def test_a_policy_that_needs_a_log_cannot_film(tmp_path, world, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["render", str(tmp_path / "feed.gif"), "--world", world, "--policy", "popular"])
    assert "policy 'popular' learns from a log before it serves" in capsys.readouterr().err
