"""Effects within levels of a feature: which are large enough, and what is adjusted for how many there are."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from policies.base import UserTable
from simulator.analysis.segments import large_levels, small_levels
from simulator.analysis.summarise import summarise
from simulator.errors import RunFolderError, SpecError
from simulator.reports.report import Report
from simulator.runs.user_profiles import FeatureLevels, check_segments, features_of, profile_table

USERS = UserTable(
    np.array([[1, 0, 0, 1, 0], [0, 1, 0, 0, 1], [1, 0, 1, 0, 0]], np.float32),
    ("user_active_degree=high", "user_active_degree=low", "age=[0,18)", "age=[18,30)", "age=30+"),
)


def test_levels_of_too_few_users_in_any_arm_are_small():
    sizes = {"x": {"a": 100, "b": 100}, "y": {"a": 500, "b": 99}}
    assert (large_levels(sizes), small_levels(sizes)) == (["x"], ["y"])


def test_profiles_hold_every_feature_of_every_user():
    assert profile_table(USERS).to_pydict() == {
        "user_id": [0, 1, 2],
        "user_active_degree": ["high", "low", "high"],
        "age": ["[18,30)", "30+", "[0,18)"],
    }


def test_an_unknown_feature_is_refused_with_the_nearest():
    check_segments(("age",), USERS.names)
    check_segments(None, USERS.names)
    with pytest.raises(SpecError, match="no feature 'user_active_degre'; did you mean 'user_active_degree'"):
        check_segments(("user_active_degre",), USERS.names)
    with pytest.raises(SpecError, match="no feature 'zzz'; known: user_active_degree, age"):
        check_segments(("zzz",), USERS.names)


@pytest.fixture
def tenured(sample_run: ModuleType, tmp_path: Path) -> Path:
    """A run of 800 users, of whom every other one is new."""
    folder = sample_run.write_sample_run(tmp_path / "run")
    write_profiles(folder, np.arange(800))
    return folder


def write_profiles(folder: Path, user_id: np.ndarray) -> None:
    tenure = np.where(user_id % 2, "new", "old")
    pq.write_table(pa.table({"user_id": user_id, "register_days_range": tenure}), folder / "users.parquet")


def test_activity_and_tenure_are_the_usual_features(tenured: Path, sample_report: Report):
    report = summarise(tenured)
    found = [(row.feature, row.segment) for row in report.segments if row.metric == "AUT"]
    activity = [("user_active_degree", row.segment) for row in sample_report.segments if row.metric == "AUT"]
    assert found == [*activity, ("register_days_range", "new"), ("register_days_range", "old")]
    assert {(row.feature, row.levels) for row in report.heterogeneity} == {
        ("user_active_degree", 3),
        ("register_days_range", 2),
    }
    for row in report.segments:
        assert row.segment_p_adjusted >= row.p_value
        assert row.true_relative_effect == pytest.approx(0.05, abs=1e-9)


def test_slices_do_not_matter(tenured: Path, monkeypatch: pytest.MonkeyPatch):
    whole = {row.segment: row.control for row in summarise(tenured).segments if row.metric == "AVT"}
    monkeypatch.setattr("simulator.analysis.summarise.SLICE", 500)
    sliced = {row.segment: row.control for row in summarise(tenured).segments if row.metric == "AVT"}
    assert sliced == pytest.approx(whole, rel=1e-9)


def test_a_user_without_profile_is_refused(tenured: Path):
    write_profiles(tenured, np.arange(799))
    with pytest.raises(RunFolderError, match=r"users\.parquet: user 799 is missing or has no register_days_range"):
        summarise(tenured)


def test_a_table_that_is_gone_is_told(tenured: Path):
    said = "users.parquet is not in the run folder: effects by register_days_range are left out"
    assert said not in summarise(tenured).health.warnings
    (tenured / "users.parquet").unlink()
    report = summarise(tenured)
    assert said in report.health.warnings
    assert {row.feature for row in report.segments} == {"user_active_degree"}


def test_a_damaged_table_is_refused(tmp_path: Path):
    (tmp_path / "users.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunFolderError, match=r"users\.parquet: cannot be read"):
        features_of(tmp_path, None)
    with pytest.raises(RunFolderError, match=r"users\.parquet: cannot be read"):
        FeatureLevels.read(tmp_path, "age")


def test_features_asked_for_have_to_be_in_the_folder(tmp_path: Path):
    write_profiles(tmp_path, np.arange(3))
    assert features_of(tmp_path, ()) == ()
    assert features_of(tmp_path, ("register_days_range",)) == ("register_days_range",)
    with pytest.raises(RunFolderError, match="has no column age, by which the spec divides users"):
        features_of(tmp_path, ("age",))


def test_profiles_are_read_where_the_run_lies(tilde: Path):
    write_profiles(tilde.absolute(), np.arange(4))
    assert features_of(tilde, None) == ("user_active_degree", "register_days_range")
    names, codes = FeatureLevels.read(tilde, "register_days_range").codes(np.array([1, 2]))
    assert [names[code] for code in codes] == ["new", "old"]
