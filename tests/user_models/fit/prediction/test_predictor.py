"""The predictor on disk and in the held-out check, on made-up rows; and on the real ones where they are at hand."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file

from user_models.data.log import open_log
from user_models.errors import DataError, WorldError
from user_models.fit.prediction import (
    HeldOut,
    Predictor,
    PredictorPlan,
    check_heldout,
    learn_predictor,
    lightgbm_baseline,
    load_predictor,
    read_exposures,
    save_predictor,
)
from user_models.fit.prediction.inputs import known_before
from user_models.fit.prediction.predictor import forecast, no_rows
from user_models.fit.prediction.running_counts import empty_ledger
from user_models.fit.prediction.training import TrainingSettings
from user_models.fit.prediction.views import read_views

QUICK = TrainingSettings(epochs=2, batch=256, rate=0.003, decay=0.1, dropout=0.1)
PLAN = PredictorPlan(QUICK, QUICK, networks=2)


@pytest.fixture(scope="module")
def predictor(small_folder) -> Predictor:
    """One that has not seen the last two days."""
    views, catalogue = read_views(open_log(small_folder))
    days = np.unique(views.rows.date)
    return learn_predictor(views.take(views.rows.date < days[-2]), catalogue, None, 0, PLAN)


@pytest.fixture(scope="module")
def stored(predictor, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    save_predictor(predictor, folder)
    return folder


@pytest.fixture(scope="module")
def checked(predictor, small_folder) -> HeldOut:
    return check_heldout(predictor, open_log(small_folder))


def refusal(folder: Path) -> str:
    with pytest.raises(WorldError) as refused:
        load_predictor(str(folder))
    message = str(refused.value)
    assert "\n" not in message
    return message


def copied(stored: Path, to: Path) -> Path:
    for file in stored.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


def test_what_is_saved_is_loaded(predictor, stored, small_folder):
    views, catalogue = read_views(open_log(small_folder))
    loaded = load_predictor(str(stored))
    assert loaded is not None
    numbers = [
        known_before(each.past, views, no_rows(views), no_rows(views), catalogue.author_of())
        for each in (predictor, loaded)
    ]
    np.testing.assert_array_equal(*numbers)
    one, other = (forecast(each, views.rows, numbers[0], each.public(catalogue)) for each in (predictor, loaded))
    np.testing.assert_array_equal(one.survival, other.survival)
    np.testing.assert_array_equal(one.acted, other.acted)
    np.testing.assert_array_equal(one.click, other.click)


def test_a_world_without_a_predictor_has_none(tmp_path):
    assert load_predictor(str(tmp_path)) is None


def test_damage_is_refused(stored, tmp_path):
    folder = copied(stored, tmp_path)
    weights = folder / "predictor.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    assert "damaged" in refusal(folder)
    weights.unlink()
    assert "cannot be read" in refusal(folder)


def test_weights_that_do_not_fit_are_refused(stored, tmp_path):
    folder = copied(stored, tmp_path)
    weights, about = folder / "predictor.safetensors", folder / "predictor.json"
    arrays = load_file(weights)
    for change in ({"users.sums": arrays["users.sums"][:, 1:]}, {"watching.0.out": arrays["watching.0.out"] * np.nan}):
        save_file({**arrays, **change}, weights)
        content = json.loads(about.read_text())
        content["weights_sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
        about.write_text(json.dumps(content))
        assert "does not fit" in refusal(folder)
    about.write_text("{}")
    assert "fit the world again" in refusal(folder)


def test_the_check_measures_all_it_promises(checked):
    for values in (checked.auc, checked.log_loss, checked.reference_log_loss):
        assert set(values) == {"click", "long_view", "like"}
        assert all(value is not None and np.isfinite(value) for value in values.values())
    assert sum(checked.pit) == pytest.approx(1)
    assert checked.pit_max_deviation == pytest.approx(max(abs(share - 0.1) for share in checked.pit))
    assert [each.bucket for each in checked.ks_by_duration] == [
        *("0-7", "7-15", "15-18", "18-30", "30-60", "60-120", "120-300"),
    ]
    assert checked.n_train > 0 < checked.n_test
    assert np.isfinite(list(checked.figures().values())).all()


def test_without_lightgbm_the_check_says_so(predictor, small_folder, monkeypatch):
    monkeypatch.setattr(lightgbm_baseline, "find_spec", lambda _: None)
    found = check_heldout(predictor, open_log(small_folder))
    assert set(found.reference_log_loss.values()) == {None}
    assert set(found.reference_reason.values()) == {lightgbm_baseline.ABSENT}


def test_users_that_are_not_carried_are_added_up_from_the_data(predictor, small_folder, checked, monkeypatch):
    """With no user or video carried, all is added up again, and the forecast is the same."""
    monkeypatch.setattr(lightgbm_baseline, "find_spec", lambda _: None)
    bare = replace(predictor.past, users=empty_ledger(), videos=empty_ledger())
    found = check_heldout(replace(predictor, past=bare), open_log(small_folder))
    assert found.auc == pytest.approx(dict(checked.auc), abs=0.01)
    assert found.log_loss == pytest.approx(dict(checked.log_loss), abs=0.01)


def test_rows_of_another_folder_are_predicted(predictor, small_folder, monkeypatch):
    """A folder whose rows are also in the data: they are held out of it, and their users are added up again."""
    monkeypatch.setattr(lightgbm_baseline, "find_spec", lambda _: None)
    folder = open_log(small_folder)
    found = check_heldout(predictor, folder, folder)
    assert found.n_test == len(read_views(folder)[0])


def test_a_log_without_later_rows_is_refused(predictor, small_folder):
    late = replace(predictor, past=replace(predictor.past, last_date=20220508))
    with pytest.raises(DataError, match="no usable rows after 20220508"):
        check_heldout(late, open_log(small_folder))


def test_exposures_are_read_and_damage_refused(tilde):
    path = tilde.absolute() / "exposures.parquet"
    frame = pd.DataFrame({"user_id": [1, 1], "video_id": [2, 3], "long_view": [1, 0], "is_like": [0, 0]})
    frame.to_parquet(path)
    assert read_exposures(path).long_view.tolist() == [True, False]
    assert read_exposures(tilde / path.name).long_view.tolist() == [True, False]
    frame.assign(is_like=7).to_parquet(path)
    with pytest.raises(DataError, match="is_like holds values other than 0 and 1"):
        read_exposures(path)
    frame[["user_id"]].to_parquet(path)
    with pytest.raises(DataError, match="cannot be read as exposures"):
        read_exposures(path)


def test_exposures_are_known_of_their_users(small_folder, tmp_path):
    views, catalogue = read_views(open_log(small_folder))
    path = tmp_path / "exposures.parquet"
    pd.DataFrame({"user_id": [1] * 9, "video_id": [2] * 9, "long_view": 1, "is_like": 1}).to_parquet(path)
    found = learn_predictor(views, catalogue, read_exposures(path, 20220101), 0, PLAN)
    assert found.past.users.of(np.array([1]))[0, -3:].tolist() == [9, 9, 9]
    assert found.past.videos.of(np.array([3]))[0, -3:].tolist() == [0, 0, 0]


@pytest.mark.real
@pytest.mark.slow
def test_real_days_are_foreseen(kuairand):
    """Tolerances are three standard errors of the figures over 35,000 held-out views."""
    data = open_log(kuairand / "kuairand-pure-sample")
    views, catalogue = read_views(data)
    exposures = read_exposures(kuairand / "kuairand-pure-exposures-4_09_to_4_24.parquet")
    before = views.take(views.rows.date < 20220503)
    found = check_heldout(learn_predictor(before, catalogue, exposures, 0, PredictorPlan(networks=1)), data)
    assert found.auc["click"] > 0.753 - 0.008
    assert found.auc["long_view"] > 0.757 - 0.008
    assert found.auc["like"] > 0.889 - 0.02
    assert found.watch_spearman > 0.538 - 0.015
    assert max(each.ks for each in found.ks_by_duration if each.ks is not None and each.n > 1_000) < 0.05
