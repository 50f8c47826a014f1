"""From a folder to a world, on made-up rows; and on the real ones where they are at hand."""

import shutil

import numpy as np
import pandas as pd
import pytest

from user_models.data.folder import open_folder
from user_models.fit import fit_world, fitting
from user_models.fit.features import user_features, video_features
from user_models.fit.prediction import reference
from user_models.fit.prediction.learning import Course
from user_models.fit.prediction.predictor import Plan
from user_models.fit.rows import read_rows
from user_models.fit.training import Schedule
from user_models.parameters import DEFAULTS
from user_models.store import load_world, save_world
from user_models.world import table_names

_COURSE = Course(epochs=1, batch=256, rate=0.003, decay=0.1, dropout=0.1)
QUICK = Schedule(epochs=2, batch=128, plan=Plan(_COURSE, _COURSE, networks=1))


def untuned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the levels, which cannot fit made-up rows, and the reference; they have tests of their own."""
    monkeypatch.setattr(reference, "find_spec", lambda _: None)
    monkeypatch.setattr(fitting, "shape_by_duration", lambda world: world)
    monkeypatch.setattr(fitting, "tune_strengths", lambda world, selector: world)
    monkeypatch.setattr(fitting, "calibrate_random", lambda world, targets: world)


def test_a_folder_becomes_a_world_that_can_be_stored(small_folder, tmp_path, monkeypatch):
    untuned(monkeypatch)
    result = fit_world(open_folder(small_folder), "small", 0, QUICK)
    save_world(result.world, tmp_path / "small")
    loaded = load_world(str(tmp_path / "small"))
    assert loaded.figures["heldout.n_test"] == result.heldout.n_test > 0
    assert set(loaded.parameters) == set(DEFAULTS)
    assert set(loaded.provenance) == set(table_names())
    assert "CC BY-SA 4.0" in loaded.attribution
    assert np.isfinite(loaded.draw_users(np.arange(50), 0).latents.appeal).all()


def test_without_a_random_log_the_card_says_so(small_folder, monkeypatch):
    untuned(monkeypatch)
    result = fit_world(open_folder(small_folder), "small", 0, QUICK)
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
    result = fit_world(open_folder(folder), "both", 0, QUICK)
    rows = read_rows(open_folder(folder)).rows
    assert result.random is not None
    assert result.random.click == pytest.approx(rows.click[rows.random].mean())
    assert result.world.figures["rows.random"] == rows.random.sum() == len(shown)
    assert f"{len(shown):,} rows of the random log" in result.world.provenance["stage"]


def test_the_same_folder_and_seed_give_the_same_world(small_folder, monkeypatch):
    untuned(monkeypatch)
    one, other = (fit_world(open_folder(small_folder), "small", 4, QUICK).world for _ in range(2))
    for name in table_names():
        np.testing.assert_array_equal(getattr(one.tables, name), getattr(other.tables, name))


def test_match_of_random_pairs_has_unit_variance(small_folder, monkeypatch):
    untuned(monkeypatch)
    world = fit_world(open_folder(small_folder), "small", 0, QUICK).world
    users, videos = world.draw_users(np.arange(2_000), 0).latents, world.draw_videos(2_000, 0).latents
    assert (users.taste @ videos.topic.T).var() == pytest.approx(1, rel=0.25)


def test_too_short_a_log_is_refused(small_folder, monkeypatch):
    monkeypatch.setattr(fitting, "HELD_OUT_DAYS", 100)
    with pytest.raises(ValueError, match="at least 101"):
        fit_world(open_folder(small_folder), "small", 0, QUICK)


def test_repeated_rows_are_left_out_and_counted(small_folder):
    reading = read_rows(open_folder(small_folder))
    assert reading.n_read == len(reading.rows) + reading.n_duplicates + reading.n_lengthless
    by_user = np.diff(reading.rows.user)
    assert (by_user >= 0).all()


def test_codes_of_different_columns_never_meet(small_folder):
    folder = open_folder(small_folder)
    for features in (user_features(folder.users()), video_features(folder.videos(), folder.video_statistics())):
        highest = features.codes.max(axis=0)
        assert (features.codes[:, 1:].min(axis=0) > highest[:-1]).all()
        assert highest[-1] == features.n_codes - 1


def test_a_view_follows_the_one_before_it_in_the_session(small_folder):
    rows = read_rows(open_folder(small_folder)).rows
    same = np.append(False, rows.user[1:] == rows.user[:-1])
    assert set(np.unique(rows.before)) <= {-0.5, 0.0, 0.5}
    assert (rows.before[~same] == 0).all()
    follows = rows.before != 0
    assert (rows.before[follows] > 0).tolist() == rows.click[np.flatnonzero(follows) - 1].tolist()


@pytest.mark.real
def test_the_real_sample_is_read_whole(kuairand):
    reading = read_rows(open_folder(kuairand / "kuairand-pure-sample"))
    assert (reading.n_read, reading.n_lengthless) == (172_671, 2_665)
    assert reading.n_duplicates == 4_402
