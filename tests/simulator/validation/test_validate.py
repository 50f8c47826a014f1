"""A world is validated: real rows are read, simulated ones reduced, both compared, and a bad world is refused."""

import csv
import importlib.util
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from policies.base import Event
from simulator.errors import NotMeasuredError, RunFolderError, SpecError
from simulator.experiment.runner import prepare, run_experiment
from simulator.reports.validation import RecoveryReport, load_validation
from simulator.validation import answer_bias, sections
from simulator.validation.answer_estimators import ESTIMATORS
from simulator.validation.grouped_counts import FIGURES
from simulator.validation.policy_rates import regime_spec
from simulator.validation.real_views import read_real
from simulator.validation.sections import ValidationSubject, answering_row
from simulator.validation.simulated_views import Reduction, SimulationPlan
from simulator.validation.targets import checks, gate
from simulator.validation.validate import judged, validate, write_validation
from simulator.validation.verdict import warning, with_verdict
from simulator.validation.views import public_features
from user_models.data.kuairand import official_names
from user_models.testing import toy_world

N_USERS, N_VIDEOS, N_ROWS = 60, 40, 600
DEGREES = ("full_active", "middle_active", "day_new")


def silent(stage, done, total):
    """Show no progress."""


def log_row(rng, date):
    """A made-up view of the main feed that obeys KuaiRand's definitions."""
    duration, watch = int(rng.integers(5_000, 200_000)), int(rng.exponential(15_000))
    return {
        "user_id": int(rng.integers(N_USERS)),
        "video_id": int(rng.integers(N_VIDEOS)),
        "date": date,
        "hourmin": 100 * int(rng.integers(24)),
        "time_ms": 1650000000000 + int(rng.integers(10**9)),
        "is_click": int(watch > 7000 or watch >= duration),
        "is_like": int(rng.random() < 0.1),
        "long_view": int(watch >= min(18000, duration)),
        "play_time_ms": watch,
        "duration_ms": duration,
        "tab": 1,
    }


def user_row(at):
    text = {"follow_user_num_range": "0", "fans_user_num_range": "0", "friend_user_num_range": "0"}
    return text | {"user_id": at, "user_active_degree": DEGREES[at % 3], "register_days_range": "730+"}


def video_row(at):
    known = {"video_type": "NORMAL", "upload_dt": "2022-04-10", "upload_type": "LongImport"}
    return known | {"video_id": at, "video_duration": "" if at == 0 else "20000.0", "tag": str(at % 3)}


def write(path, table, rows):
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, table.header, restval=0, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder in KuaiRand's layout; the last row of each log is an exact repeat, and one has no known length."""
    rng, root = np.random.default_rng(5), tmp_path_factory.mktemp("made-up")
    for kind, tables in official_names("pure").items():
        for name, table in tables.items():
            if kind == "standard":
                rows = [log_row(rng, table.first_date) for _ in range(N_ROWS)]
                rows[1] |= {"duration_ms": 0, "video_id": 0}
                rows[2] |= {"duration_ms": 0, "video_id": 1}
                write(root / name, table, [*rows, rows[-1]])
            elif kind == "users":
                write(root / name, table, [user_row(at) for at in range(N_USERS)])
            elif kind == "videos":
                write(root / name, table, [video_row(at) for at in range(N_VIDEOS)])
            elif kind == "video_statistics":
                write(root / name, table, [{"video_id": at} for at in range(N_VIDEOS)])
    return root


@pytest.fixture(scope="module")
def reduced():
    """Both regimes of the toy world, everybody traced."""
    spec = regime_spec(120, 3).model_copy(
        update={"pre_days": 1, "launch_days": 1, "videos": 400, "trace": 1.0, "days": 1}
    )
    setting = prepare(spec, toy_world())
    sink = Reduction(public_features(setting), 2, np.random.default_rng(0))
    run_experiment(setting, sink, 2, silent)
    return sink


def no_section(_):
    raise NotMeasuredError("left out of this test")


@pytest.fixture(scope="module")
def made_up():
    """The module that makes a validation by hand."""
    spec = importlib.util.spec_from_file_location(
        "sample_validation", Path(__file__).parents[1] / "sample_validation.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sound(made_up):
    """A validation in which everything is right."""
    return made_up.sample_validation()


def test_repeats_and_views_of_unknown_length_are_left_out(folder):
    real = read_real(folder, toy_world()).views
    assert len(real) == 2 * (N_ROWS - 1)
    assert (real.duration_s == 20).sum() >= 2  # looked up in the video table
    assert (real.duration_s > 0).all()


def test_real_events_are_those_of_the_log(folder):
    real = read_real(folder, toy_world()).views
    watched = (real.watch_s > 7) | (real.watch_s >= real.duration_s)
    known = real.duration_s != 20
    assert (real.had(Event.CLICK) == watched)[known].all()
    assert (real.had(Event.COMPLETE) == (real.watch_s >= real.duration_s)).all()


def test_public_columns_are_in_the_codes_of_the_world(folder):
    real = read_real(folder, toy_world()).views
    expected = np.array([0, 1, -1])[real.user % 3]  # the toy world knows no `day_new`
    assert (real.profile[:, 0] == expected).all()


def test_topics_of_another_folder_are_not_compared(folder):
    assert not read_real(folder, toy_world()).same_tags
    t = toy_world().tables  # every topic is rare in this folder, so there is one
    world = toy_world().with_tables(tag_share=np.ones(1), video_mean=t.video_mean[:1], length_share=t.length_share[:1])
    assert read_real(folder, world).same_tags


def test_the_trace_adds_up_to_the_user_days(reduced):
    for regime in ("random", "base"):
        line, seen = reduced.days.timelines[f"all:{regime}"], reduced.tally_of(regime)
        columns = ["views", "clicks", "long_views", "completes"]
        for groups in (seen.by_duration, seen.by_activity, seen.by_hour):
            assert groups.sum(axis=0).tolist() == [line.total(column) for column in columns]
    assert list(FIGURES) == ["click", "long_view", "complete"]


def test_groups_of_users_are_those_of_the_world(reduced):
    views = reduced.tally_of("base").by_activity[:, 0]
    shares = np.bincount(reduced.faces.profile[:, 0]) / len(reduced.faces.profile)
    assert abs(shares[1] - 0.3) < 3 * (0.3 * 0.7 / 120) ** 0.5
    assert (views > 0).all()


@pytest.mark.slow
def test_the_whole_report_is_measured_kept_and_read_again(folder, tmp_path, monkeypatch):
    """The toy world is nobody's log, so it is refused."""
    for name in ("heldout_section", "answering_section", "recovery_section"):
        monkeypatch.setattr(sections, name, no_section)
    subject = ValidationSubject(toy_world(), "toy", folder, None, 3)
    found = validate(subject, SimulationPlan(100, 3, 2, videos=300), silent)
    assert set(found.regimes) == {"random", "base"}
    assert set(found.presets) == {"easq", "saqrec", "dense"}
    assert set(found.activity) == {"sessions_per_user_day", "views_per_session", "return_next_day"}
    assert set(found.per_user) == {"click_logit_sd", "like_logit_sd", "hate_share_top_tenth"}
    assert found.reasons == dict.fromkeys(("heldout", "answering", "recovery"), "left out of this test")
    assert found.two_sample is not None
    assert 0.5 < found.two_sample.auc <= 1
    assert abs(sum(found.two_sample.importances.values()) - 1) < 1e-9
    for bucket in found.watch_time:
        assert sum(bucket.simulated) == pytest.approx(1 if bucket.simulated_views else 0)
    assert not found.sound
    write_validation(tmp_path / "out", found, "<html></html>")
    assert load_validation(tmp_path / "out") == found


def test_what_is_written_is_read_again(sound, tmp_path):
    write_validation(tmp_path / "out", sound, "<html></html>")
    assert load_validation(tmp_path / "out") == sound


def test_a_damaged_file_is_named(tmp_path):
    with pytest.raises(
        RunFolderError, match=r"holds no validation.json; give the folder that `askew validate --out` wrote"
    ):
        load_validation(tmp_path)
    for text in ("{", "9" * 5000, "[" * 100_000):
        (tmp_path / "validation.json").write_text(text, encoding="utf-8")
        with pytest.raises(RunFolderError, match="not a JSON file"):
            load_validation(tmp_path)


def test_a_world_like_kuairand_is_sound_and_meets_every_target(sound):
    assert sound.sound
    assert all(check.passed for check in sound.checks)


@pytest.mark.parametrize(("regime", "rate", "factor"), [("base", "hate", 2.1), ("random", "click", 0.79)])
def test_one_rate_that_is_off_refuses_a_world(sound, regime, rate, factor):
    assert len(gate(off(sound, regime, rate, factor))) == 1


@pytest.mark.parametrize(("regime", "rate", "factor"), [("base", "hate", 1.9), ("random", "click", 0.81)])
def test_a_rate_within_its_limits_refuses_nothing(sound, regime, rate, factor):
    assert gate(off(sound, regime, rate, factor)) == []


def test_a_hate_rate_of_a_half_is_refused(sound):
    """What a sigmoid applied twice gives, where the log has .0003."""
    [fault] = gate(off(sound, "base", "hate", 0.53 / 0.000785))
    assert "hate under base: 675 times" in fault


def test_predictions_hardly_better_than_chance_are_refused(sound, made_up):
    held = made_up.held_out().model_copy(update={"auc": {"click": 0.75, "like": 0.55}})
    faults = gate(sound.model_copy(update={"heldout": held}))
    assert faults == ["held-out AUC of like: 0.550, want at least 0.6"]


def test_targets_tell_missed_from_not_measured(sound):
    recovery = RecoveryReport(parameters=10, share_within_two_se=0.8, missed=["a", "b"])
    found = checks(sound.model_copy(update={"heldout": None, "recovery": recovery, "two_sample_auc": 0.7}))
    passed = {check.name: check.passed for check in found}
    assert passed["heldout.auc.click"] is None
    assert passed["heldout.log_loss.click"] is None
    assert passed["recovery.share_within_two_se"] is False
    assert passed["two_sample_auc"] is False
    assert passed["regimes.base.click"] is True


def test_a_rate_six_percent_off_misses_its_target_and_refuses_nothing(sound):
    found = judged(off(sound, "base", "click", 1.06))
    assert [check.name for check in found.checks if check.passed is False] == ["regimes.base.click"]
    assert found.sound


def test_answers_of_the_other_check_keep_their_numbers():
    columns = {f.name: 0.25 for f in fields(answer_bias.AnsweringSlopeResult)}
    row = answer_bias.AnsweringSlopeResult(
        **columns | {"slope": 0.3, "asked": 7, "predicted_sign": 1, "as_predicted": True}
    )
    found = answering_row(row)
    assert set(found.estimates) == set(ESTIMATORS)
    assert found.estimates["naive"].bias == 0.25
    assert (found.slope, found.asked, found.predicted_sign) == (0.3, 7, 1)


def test_a_verdict_travels_with_the_world():
    assert warning(toy_world()) is None
    assert warning(with_verdict(toy_world(), [])) is None
    told = warning(with_verdict(toy_world(), ["click under base: 2 times the real figure"]))
    assert told == "world 'toy' failed its validation; refused: click under base: 2 times the real figure"


def test_too_few_users_are_refused_before_anything_runs():
    with pytest.raises(SpecError, match="users: 10 given, want at least 100"):
        SimulationPlan(10, 1, 1)


def off(sound, regime, rate, factor):
    """The same with one rate a number of times too high."""
    figures = sound.regimes[regime]
    wrong = figures[rate].model_copy(update={"simulated": figures[rate].real * factor, "ratio": factor})
    return sound.model_copy(update={"regimes": {**sound.regimes, regime: {**figures, rate: wrong}}})


@pytest.mark.real
def test_real_rows_are_read_whole(kuairand):
    """The sample's standard log has 172,671 rows, of which 4,402 are exact repeats in the columns read here."""
    world = replace(toy_world(), name="any")
    real = read_real(kuairand / "kuairand-pure-sample", world).views
    assert 160_000 < len(real) < 172_671 - 4_000
    assert abs(real.had(Event.CLICK).mean() - 0.45) < 0.02
