"""From a folder to a world, on made-up rows; and on the real ones where they are at hand."""

import shutil

import numpy as np
import pandas as pd
import pytest

from user_models.data.kuairand import official_names
from user_models.data.log import open_log
from user_models.errors import DataError, FitError
from user_models.fit import fit_world, fitting
from user_models.fit.prediction import lightgbm_baseline
from user_models.fit.prediction.predictor import PredictorPlan
from user_models.fit.prediction.training import TrainingSettings
from user_models.fit.rows.features import user_features, video_features
from user_models.fit.rows.log_rows import read_rows
from user_models.fit.watch_model.training import WatchModelSchedule
from user_models.testing import toy_world
from user_models.world.parameters import DEFAULTS
from user_models.world.store import load_world, save_world
from user_models.world.tables import table_names

_COURSE = TrainingSettings(epochs=1, batch=256, rate=0.003, decay=0.1, dropout=0.1)
QUICK = (WatchModelSchedule(epochs=2, batch=128), PredictorPlan(_COURSE, _COURSE, networks=1))


def untuned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the levels, which cannot fit made-up rows, and the reference; they have tests of their own."""
    monkeypatch.setattr(lightgbm_baseline, "find_spec", lambda _: None)
    monkeypatch.setattr(fitting, "shape_by_duration", lambda world: world)
    monkeypatch.setattr(fitting, "tune_strengths", lambda world, selector: world)
    monkeypatch.setattr(fitting, "calibrate_random", lambda world, targets: world)


def test_a_folder_becomes_a_world_that_can_be_stored(small_folder, tmp_path, monkeypatch):
    untuned(monkeypatch)
    result = fit_world(open_log(small_folder), "small", 0, *QUICK)
    save_world(result.world, tmp_path / "small")
    loaded = load_world(str(tmp_path / "small"))
    assert loaded.figures["heldout.n_test"] == result.heldout.n_test > 0
    assert set(loaded.parameters) == set(DEFAULTS)
    assert set(loaded.provenance) == set(table_names())
    assert "CC BY-SA 4.0" in loaded.attribution
    assert np.isfinite(loaded.draw_users(np.arange(50), 0).latents.appeal).all()


def test_without_a_random_log_the_card_says_so(small_folder, monkeypatch):
    untuned(monkeypatch)
    result = fit_world(open_log(small_folder), "small", 0, *QUICK)
    assert result.random is None
    assert "no random log" in result.world.provenance["stage"]
    assert result.world.figures["rows.random"] == 0


def test_a_random_log_is_fitted_and_sets_the_levels(small_folder, tmp_path, monkeypatch):
    untuned(monkeypatch)
    folder = tmp_path / "both"
    shutil.copytree(small_folder, folder)
    standard = pd.read_csv(folder / "data" / "log_standard_4_22_to_5_08_pure.csv")
    shown = standard.assign(is_rand=1, tab=1, time_ms=standard["time_ms"] + 1)
    shown.to_csv(folder / "data" / "log_random_4_22_to_5_08_pure.csv", index=False)
    result = fit_world(open_log(folder), "both", 0, *QUICK)
    rows = read_rows(open_log(folder)).rows
    assert result.random is not None
    assert result.random.click == pytest.approx(rows.click[rows.random].mean())
    assert result.world.figures["rows.random"] == rows.random.sum() == len(shown)
    assert f"{len(shown):,} rows of the random log" in result.world.provenance["stage"]


def test_the_same_folder_and_seed_give_the_same_world(small_folder, monkeypatch):
    untuned(monkeypatch)
    one, other = (fit_world(open_log(small_folder), "small", 4, *QUICK).world for _ in range(2))
    for name in table_names():
        np.testing.assert_array_equal(getattr(one.tables, name), getattr(other.tables, name))


def test_match_of_random_pairs_has_unit_variance(small_folder, monkeypatch):
    untuned(monkeypatch)
    world = fit_world(open_log(small_folder), "small", 0, *QUICK).world
    users, videos = world.draw_users(np.arange(2_000), 0).latents, world.draw_videos(2_000, 0).latents
    assert (users.taste @ videos.topic.T).var() == pytest.approx(1, rel=0.25)


def changed(folder, root, kind, **columns):
    """A copy of a folder in which columns of one kind of file have other values; a function gets the old ones."""
    shutil.copytree(folder, root)
    for name in official_names("pure")[kind]:
        path = root / "data" / name
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table = table.assign(**{key: new(table[key]) if callable(new) else new for key, new in columns.items()})
        table.to_csv(path, index=False)
    return root


def first_rows(folder, root, kind, n):
    """A copy of a folder with the first rows of one kind of file."""
    shutil.copytree(folder, root)
    for name in official_names("pure")[kind]:
        path = root / "data" / name
        path.write_text("".join(path.read_text().splitlines(keepends=True)[: n + 1]))
    return root


@pytest.mark.parametrize(
    ("kind", "columns", "message"),
    [
        ("videos", {"video_duration": ""}, "column duration_s: 0 items of known length given"),
        ("videos", {"video_duration": "0"}, "column duration_s: 0 items of known length given"),
        ("standard", {"date": lambda dates: dates.max()}, "column time: 2 days given, at least 3"),
        ("standard", {"tab": "5"}, "column surface: no row of the main feed given"),
        ("video_statistics", {"show_cnt": ""}, "column shows: no number given"),
    ],
)
def test_too_little_is_refused_before_the_fit(small_folder, tmp_path, kind, columns, message):
    root = changed(small_folder, tmp_path / "poor", kind, **columns)
    open_log(root).check()
    with pytest.raises(DataError, match=message + ".*; give the complete data") as caught:
        fit_world(open_log(root), "small", 0, *QUICK)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "n", "message"),
    [
        ("standard", 0, "column user: no row of an item of known length given"),
        ("video_statistics", 0, "column shows: no number given"),
    ],
)
def test_too_few_rows_are_refused_before_the_fit(small_folder, tmp_path, kind, n, message):
    root = first_rows(small_folder, tmp_path / "poor", kind, n)
    with pytest.raises(DataError, match=message):
        fit_world(open_log(root), "small", 0, *QUICK)


def test_one_user_is_too_few_to_fit_on(small_folder, tmp_path):
    root = changed(small_folder, tmp_path / "one", "standard", user_id="0")
    path = root / "data" / "user_features_pure.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(DataError, match=r"column user: 1 users given, at least 2 wanted"):
        fit_world(open_log(root), "small", 0, *QUICK)


def shortened(times_ms):
    """A hundredth of each time."""
    return [str(int(time_ms) // 100) for time_ms in times_ms]


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("videos", {"tag": ""}),
        ("videos", {"video_duration": "20000", "music_type": ""}),
        ("standard", {"is_click": "1", "is_like": "1", "is_hate": "1"}),
        ("standard", {"play_time_ms": "0", "is_click": "0", "long_view": "0"}),
        (
            "standard",
            {"user_id": "0", "tab": "1", "hourmin": "1200", "duration_ms": "200", "play_time_ms": shortened},
        ),
        ("video_statistics", dict.fromkeys(("like_cnt", "follow_cnt", "share_cnt", "collect_cnt", "play_cnt"), "0")),
    ],
    ids=["no topic", "one length", "all clicks", "nothing watched", "one user, 0.2 s", "no count"],
)
def test_rows_unlike_any_real_ones_give_a_world_that_can_be_read_again(
    small_folder, tmp_path, monkeypatch, kind, columns
):
    untuned(monkeypatch)
    root = changed(small_folder, tmp_path / "odd", kind, **columns)
    schedule = WatchModelSchedule(epochs=1, batch=512)
    save_world(fit_world(open_log(root), "odd", 0, schedule, QUICK[1]).world, tmp_path / "world")
    world = load_world(str(tmp_path / "world"))
    for drawn in (world.draw_users(np.arange(50), 0).latents, world.draw_videos(50, 0).latents):
        assert all(np.isfinite(values).all() for values in drawn)


def test_a_fit_that_runs_away_is_refused_before_anything_is_tuned(small_folder, monkeypatch):
    untuned(monkeypatch)
    monkeypatch.setattr(
        fitting, "assemble", lambda *parts: toy_world().with_tables(stage=toy_world().tables.stage * np.nan)
    )
    with pytest.raises(FitError, match=r"the fit ran away: stage .*; give a folder with more rows"):
        fit_world(open_log(small_folder), "small", 0, *QUICK)


def test_items_that_do_not_differ_are_refused_in_one_line(small_folder, monkeypatch):
    def diverges(*parts):
        raise np.linalg.LinAlgError("Eigenvalues did not converge")

    monkeypatch.setattr(fitting, "assemble", diverges)
    with pytest.raises(FitError, match=r"small: users or videos do not differ .* did not converge\); give a folder"):
        fit_world(open_log(small_folder), "small", 0, *QUICK)


def test_repeated_rows_are_left_out_and_counted(small_folder):
    reading = read_rows(open_log(small_folder))
    assert reading.n_read == len(reading.rows) + reading.n_duplicates + reading.n_lengthless
    by_user = np.diff(reading.rows.user)
    assert (by_user >= 0).all()


def test_codes_of_different_columns_never_meet(small_folder):
    folder = open_log(small_folder)
    for features in (user_features(folder.users()), video_features(folder.items(), folder.counts())):
        highest = features.codes.max(axis=0)
        assert (features.codes[:, 1:].min(axis=0) > highest[:-1]).all()
        assert highest[-1] == features.n_codes - 1


def test_a_view_follows_the_one_before_it_in_the_session(small_folder):
    rows = read_rows(open_log(small_folder)).rows
    same = np.append(False, rows.user[1:] == rows.user[:-1])
    assert set(np.unique(rows.before)) <= {-0.5, 0.0, 0.5}
    assert (rows.before[~same] == 0).all()
    follows = rows.before != 0
    assert (rows.before[follows] > 0).tolist() == rows.click[np.flatnonzero(follows) - 1].tolist()


@pytest.mark.real
def test_the_real_sample_is_read_whole(kuairand):
    reading = read_rows(open_log(kuairand / "kuairand-pure-sample"))
    assert (reading.n_read, reading.n_lengthless) == (172_671, 2_665)
    assert reading.n_duplicates == 4_402
