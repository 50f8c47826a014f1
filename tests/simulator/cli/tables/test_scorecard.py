import io

import pytest
from rich.console import Console

from simulator.cli.tables.scorecard import covers, interval, lift, scorecard
from simulator.reports.report import Report, Stop
from simulator.reports.sections import TrainingRow


@pytest.fixture
def report(sample_report: Report) -> Report:
    return sample_report


def printed(report: Report, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, no_color=True).print(scorecard(report))
    return out.getvalue()


def test_the_scorecard_fits_a_hundred_columns_without_cutting(report: Report):
    text = printed(report)
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text


@pytest.mark.parametrize(
    "name", ["exp [beta]", "[/x]", "[bold]a[/bold] [link=file:///x]b[/link]", ":smile:", "\\[red]"]
)
def test_names_are_shown_as_they_are(report: Report, name: str):
    arms = [report.arms[0], report.arms[1].model_copy(update={"name": name})]
    rows = [row.model_copy(update={"arm": name, "label": f"{name} m"}) for row in report.metrics]
    asked = [row.model_copy(update={"arm": name}) for row in report.questionnaire]
    training = TrainingRow(
        treatment=name,
        baseline="base",
        metric="AUT",
        label=name,
        seeds=[1, 2],
        lifts=[0.1, 0.2],
        mean=0.15,
        standard_error=0.05,
        low=0.1,
        high=0.2,
    )
    changed = {"name": name, "arms": arms, "metrics": rows, "questionnaire": asked, "trainings": [training]}
    text = " ".join(printed(report.model_copy(update=changed), 250).split())
    assert text.startswith(f"{name}: {name} against base")
    assert text.count(f"{name} m ") == len(rows)
    assert f"{name} against base, true lifts over 2 trainings" in text
    assert f"{name} {asked[0].eligible:,}" in text


def test_large_numbers_are_written_out(report: Report):
    row = report.metrics[0].model_copy(update={"control": 21_083.4})
    assert "21,083" in printed(report.model_copy(update={"metrics": [row]}))


def test_each_metric_has_a_line_with_estimate_and_truth(report: Report):
    lines = printed(report).splitlines()
    for row in report.metrics:
        line = next(line for line in lines if line.startswith(row.label))
        assert lift(row.relative_effect) in line
        assert interval(row.ci_low, row.ci_high) in line
        assert lift(row.true_relative_effect) in line


def test_the_split_and_the_questionnaire_are_told(report: Report):
    text = printed(report)
    assert "split: 403 : 397, as planned (p = 0.832)" in text
    assert "satisfied: naive  weighted  robust   true" in text


def test_warnings_have_a_line_each(report: Report):
    health = report.health.model_copy(update={"warnings": ["one thing", "another"], "srm_p_value": 1e-9})
    text = printed(report.model_copy(update={"health": health}))
    assert "! one thing\n" in text
    assert "! another\n" in text
    assert "sample ratio mismatch (p = <.001)" in text


def test_a_missing_lift_is_explained(report: Report):
    row = report.metrics[2]
    reasons = {"relative_effect": "base has a denominator of 0"}
    gone = {"relative_effect": None, "ci_low": None, "ci_high": None, "p_value": None, "control": None}
    row = row.model_copy(update={**gone, "reasons": reasons})
    text = printed(report.model_copy(update={"metrics": [row]}))
    assert "P2N, treatment: no lift, base has a denominator of 0" in text
    assert "n/a" in text


def test_every_treatment_has_its_table(report: Report):
    other = [row.model_copy(update={"arm": "second"}) for row in report.metrics]
    arm = report.arms[1].model_copy(update={"name": "second"})
    both = report.model_copy(update={"arms": [*report.arms, arm], "metrics": [*report.metrics, *other]})
    text = printed(both)
    assert "sample: treatment against base, 800 users, 3 days" in text
    assert "sample: second against base, 800 users, 3 days" in text


def test_what_chance_in_training_does_is_told(report: Report):
    row = TrainingRow(
        treatment="treatment",
        baseline="base",
        metric="AUT",
        label="AUT, watch s per user-day",
        seeds=[0, 1, 2],
        lifts=[0.01, -0.02, 0.04],
        mean=0.01,
        standard_error=0.01732,
        low=-0.0645,
        high=0.0845,
    )
    text = printed(report.model_copy(update={"trainings": [row]}))
    assert "treatment against base, true lifts over 3 trainings" in text
    (line,) = [line for line in text.splitlines() if line.endswith("-2.00%   +4.00%")]
    assert line.split()[-6:] == ["+1.00%", "1.73%", "[-6.45,", "+8.45]", "-2.00%", "+4.00%"]
    assert max(map(len, text.splitlines())) <= 100
    assert "trainings" not in printed(report)


@pytest.mark.parametrize(
    ("low", "high", "true", "said"),
    [(0.0, 0.1, 0.05, "yes"), (0.0, 0.1, 0.2, "no"), (None, None, 0.2, "-"), (0.0, 0.1, None, "-")],
)
def test_covering_needs_an_interval_and_a_truth(report: Report, low, high, true, said: str):
    row = report.metrics[0].model_copy(update={"ci_low": low, "ci_high": high, "true_relative_effect": true})
    assert covers(row) == said


def test_how_the_test_was_judged_is_told(report: Report):
    text = " ".join(printed(report).split())
    assert "treatment: p adjusted for 3 tests of main metrics (Holm): AUT " in text
    assert "treatment: 95% over 3 looks, group-sequential: AUT [" in text
    assert "second opinion, statsmodels" in text
    assert "26 estimates agree; effects to " in text


def test_a_guardrail_and_a_stop_have_a_line_each(report: Report):
    row = report.metrics[3].model_copy(
        update={"margin": 0.01, "guardrail": "unclear", "ci_low": -0.02, "ci_high": 0.01}
    )
    stop = Stop(days=2, planned=3, reason="AUT of treatment left 0 behind")
    text = printed(report.model_copy(update={"metrics": [row], "stopped": stop}))
    assert "guardrail LT7, treatment: unclear, margin 1.00% against [-2.00, +1.00]" in text
    assert "stopped after 2 of 3 days: AUT of treatment left 0 behind" in text


def test_a_second_opinion_that_is_none_says_why(report: Report):
    none = report.second_opinion.model_copy(update={"effect_difference": None, "reason": "too many users"})
    assert "second opinion: none, too many users" in printed(report.model_copy(update={"second_opinion": none}))
