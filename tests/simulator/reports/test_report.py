import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from simulator.errors import RunFolderError
from simulator.reports.report import AUDIT_BEGUN, Report, find_runs, load_report, parse_report


@pytest.fixture
def report(sample_report: Report) -> Report:
    return sample_report


def test_what_is_written_is_read(report: Report, tmp_path: Path):
    (tmp_path / "report.json").write_text(report.to_json(), encoding="utf-8")
    assert load_report(tmp_path) == report


def test_the_text_is_stable_and_ends_with_a_line_break(report: Report):
    assert parse_report(report.to_json(), "here").to_json() == report.to_json()
    assert report.to_json().endswith("}\n")


def test_a_number_that_is_none_is_null(report: Report):
    row = report.metrics[0].model_copy(update={"p_value": None})
    keys = json.loads(report.model_copy(update={"metrics": [row]}).to_json())
    assert keys["metrics"][0]["p_value"] is None


def test_non_finite_numbers_cannot_be_written(report: Report):
    row = report.metrics[0].model_copy(update={"p_value": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        report.model_copy(update={"metrics": [row]}).to_json()


def test_rows_are_frozen_and_know_their_keys(report: Report):
    with pytest.raises(ValidationError):
        report.metrics[0].metric = "other"
    with pytest.raises(ValidationError):
        Report.model_validate({**report.model_dump(), "surprise": 1})


def test_a_folder_without_a_report_is_refused(tmp_path: Path):
    with pytest.raises(RunFolderError, match=r"holds no report\.json; give the folder"):
        load_report(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a JSON file"),
        ("[]", "not a report of format 1"),
        ('{"format": 2}', "not a report of format 1: format"),
    ],
)
def test_a_damaged_report_is_refused_in_one_line(tmp_path: Path, text: str, message: str):
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunFolderError, match=message) as refusal:
        load_report(tmp_path)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("way", "value", "message"),
    [
        (("metrics", 1, "relative_effect"), float("nan"), "metrics.1.relative_effect: nan given, want a finite number"),
        (("metrics", 0, "plain", "ci_low"), float("-inf"), "metrics.0.plain.ci_low: -inf given, want a finite number"),
        (("daily", 2, "ci_high"), 1e308, "daily.2.ci_high: 1e+308 given, want a number between -1e+15 and 1e+15"),
        (("health", "users_planned", "base"), 1e300, "health.users_planned.base: 1e+300 given, want a number between"),
        (("users",), 10**400, "users: a number of 1329 bits given, want at most 64"),
        (("name",), "", "name: '' given, want more than blanks"),
        (("arms", 1, "policy"), " ", "arms.1.policy: ' ' given, want more than blanks"),
        (("metrics", 0, "label"), "a\x1b[2Jb", r"metrics.0.label: 'a\x1b[2Jb' given, want no control characters"),
    ],
)
def test_a_number_or_name_that_cannot_be_is_refused_with_its_field(report: Report, tmp_path: Path, way, value, message):
    keys = json.loads(report.to_json())
    inner = keys
    for step in way[:-1]:
        inner = inner[step]
    inner[way[-1]] = value
    (tmp_path / "report.json").write_text(json.dumps(keys), encoding="utf-8")
    with pytest.raises(RunFolderError, match=re.escape(f"{tmp_path / 'report.json'}: {message}")) as refusal:
        load_report(tmp_path)
    assert "\n" not in str(refusal.value)
    assert "run `askew report` to write it anew" in str(refusal.value)


@pytest.mark.parametrize(
    ("section", "changed", "message"),
    [
        ("arms", [], "arms: names [] given, want two or more"),
        ("arms", [0], "arms: names ['base'] given, want two or more"),
        ("arms", [0, 0], "arms: names ['base', 'base'] given, want two or more, all different"),
        ("metrics", {"arm": "[/x]"}, "metrics.0.arm: '[/x]' given, want one of base, treatment"),
        ("questionnaire", {"arm": "x"}, "questionnaire.0.arm: 'x' given, want one of base, treatment"),
    ],
)
def test_rows_of_arms_that_are_not_there_are_refused(report: Report, section: str, changed, message: str):
    keys = json.loads(report.to_json())
    rows = keys[section]
    keys[section] = [rows[i] for i in changed] if isinstance(changed, list) else [{**rows[0], **changed}]
    with pytest.raises(RunFolderError, match=re.escape(f"here: not a report of format 1: {message}")):
        parse_report(json.dumps(keys), "here")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path):
    (tmp_path / "report.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunFolderError, match="cannot be read"):
        load_report(tmp_path)


def test_runs_are_found_two_levels_down_by_name(tmp_path: Path):
    for name in ("b", "a", "deep/c", "deep/er/d"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "spec.toml").touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_runs(tmp_path)]
    assert found == ["a", "b", "deep/c"]


@pytest.mark.parametrize("file", ["audit.json", AUDIT_BEGUN])
def test_an_audit_is_no_run_but_what_it_splits_is(tmp_path: Path, file: str):
    (tmp_path / "audit" / "run").mkdir(parents=True)
    for name in ("audit/spec.toml", f"audit/{file}", "audit/run/spec.toml"):
        (tmp_path / name).touch()
    assert find_runs(tmp_path) == [tmp_path / "audit" / "run"]
    assert find_runs(tmp_path / "audit") == [tmp_path / "audit" / "run"]


def test_a_run_folder_is_its_own_run(tmp_path: Path):
    (tmp_path / "spec.toml").touch()
    assert find_runs(tmp_path) == [tmp_path]
