"""`askew fit` as one call: from a folder to a stored world, its predictor and its validation."""

import json
from functools import partial

import pytest

from simulator.calibration import calibrate
from simulator.cli import app, worlds
from simulator.reports.validation import RecoveryReport
from simulator.validation import sections
from user_models.fit import fitting, load_predictor
from user_models.fit.prediction import lightgbm_baseline
from user_models.fit.prediction.predictor import PredictorPlan
from user_models.fit.prediction.training import TrainingSettings
from user_models.fit.watch_model.training import WatchModelSchedule
from user_models.world.store import load_world

_COURSE = TrainingSettings(epochs=1, batch=256, rate=0.003, decay=0.1, dropout=0.1)
QUICK = WatchModelSchedule(epochs=2, batch=128)
QUICK_PLAN = PredictorPlan(_COURSE, _COURSE, networks=1)


@pytest.mark.slow
def test_one_call_fits_calibrates_stores_and_validates(small_folder, tmp_path, monkeypatch, capsys):
    """Sizes are small; made-up rows have no levels that random exposures could be brought to, so these stay.

    What is validated of a world alone, whatever its rows, has tests of its own.
    """
    monkeypatch.setattr(lightgbm_baseline, "find_spec", lambda _: None)
    monkeypatch.setattr(fitting, "shape_by_duration", lambda world: world)
    monkeypatch.setattr(fitting, "tune_strengths", lambda world, selector: world)
    monkeypatch.setattr(calibrate, "calibrate_random", lambda world, targets: world)
    monkeypatch.setattr(calibrate, "fit_world", partial(fitting.fit_world, schedule=QUICK, plan=QUICK_PLAN))
    monkeypatch.setattr(calibrate, "USERS", 200)
    monkeypatch.setattr(calibrate, "STEPS", 1)
    monkeypatch.setattr(calibrate, "WATCHED", 1_000)
    recovered = RecoveryReport(parameters=1, share_within_two_se=1.0, missed=[])
    monkeypatch.setattr(sections, "answering_section", lambda _: [])
    monkeypatch.setattr(sections, "recovery_section", lambda _: recovered)
    monkeypatch.setattr(worlds, "validate_world", partial(worlds.validate_world, users=100))
    out = tmp_path / "small"
    app.main(["fit", str(small_folder), "--out", str(out), "--workers", "1"])
    assert "regimes.base.click" in capsys.readouterr().out
    world = load_world(str(out))
    assert world.name == "small"
    assert "simulated moments" in world.provenance["action_match"]
    assert world.provenance["validated"]
    assert load_predictor(str(out)) is not None
    measured = json.loads((out / "validation" / "validation.json").read_text())
    assert measured["regimes"]["base"]["click"]["simulated"] > 0
