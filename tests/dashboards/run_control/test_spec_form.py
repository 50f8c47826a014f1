"""The form for a new run: made from the spec's model, checked by it."""

import tomllib

import pytest

from dashboards.run_control import spec_form
from dashboards.tables import comparison
from simulator.spec.experiment import ExperimentSpec, parse_spec


def filled(**changes) -> dict:
    return {"name": "a b", "users": 300, "days": 2, "arms": spec_form.first_arms(2), **changes}


def test_fields_come_from_the_model():
    fields = {field.key: field for field in spec_form.form_fields(ExperimentSpec, (*spec_form.FIRST, *spec_form.MORE))}
    assert fields["questionnaire"].choices == ("easq", "saqrec", "dense")
    assert fields["days"].default == ExperimentSpec.model_fields["days"].default
    assert fields["views_scale"].help == "Share of real activity that is simulated (1 is about 380 views a day)."
    assert all(field.help for field in fields.values())
    assert "popular" in fields["pre_policy"].choices
    assert [field.key for field in spec_form.arm_fields()] == ["name", "policy", "share"]


def test_what_is_filled_in_becomes_a_spec(tmp_path):
    assert spec_form.faults_of(filled(), tmp_path) == []
    keys = tomllib.loads(spec_form.spec_text(filled()))
    assert parse_spec(keys, "test") == parse_spec(filled(), "test")


def test_every_wrong_field_has_a_line_of_its_own(tmp_path):
    faults = spec_form.faults_of(filled(users=1, days=0), tmp_path)
    assert len(faults) == 2
    assert faults[0].startswith("users: 1 given; input should be greater than")
    assert faults[1].startswith("days: 0 given; input should be greater than")


def test_a_name_that_is_no_folder_or_taken_is_refused(tmp_path):
    assert any("want a letter or a digit" in fault for fault in spec_form.faults_of(filled(name="../.."), tmp_path))
    (tmp_path / "a-b").mkdir()
    assert any("is there already" in fault for fault in spec_form.faults_of(filled(), tmp_path))


@pytest.mark.parametrize("n", [2, 3, 4])
def test_arms_to_start_from_are_valid(n, tmp_path):
    assert spec_form.faults_of(filled(arms=spec_form.first_arms(n)), tmp_path) == []


def test_a_comparison_shows_the_reports_numbers(report, wide_report):
    sides = comparison.sides({"one": report, "two": wide_report})
    assert [side.heading for side in sides] == ["one: treatment", "two: treatment", "two: bolder", "two: boldest"]
    row = next(row for row in wide_report.metrics if row.arm == "bolder" and row.metric == "AUT")
    assert row.relative_effect is not None
    assert sides[2].cells["AUT"].lift == f"{row.relative_effect:+.2%}".replace("-", "−")
    assert list(comparison.labels({"one": report}))[:3] == ["AUT", "AVT", "P2N"]
