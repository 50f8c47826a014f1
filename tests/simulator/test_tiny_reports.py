"""Reports of tiny, empty and extreme runs: every number is one or has a reason, and nothing breaks."""

import json
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

from simulator.analysis.summarise import summarise
from simulator.cli.tables.scorecard import scorecard
from simulator.reports.report import parse_report
from simulator.user_days import COUNTS, SUMS

NUMBERS = ("control", "treatment", "effect", "effect_low", "relative_effect", "ci_low", "p_value")
TRUTHS = ("true_control", "true_treatment", "true_relative_effect", "true_relative_effect_se")


def report_of(sample_run, folder, plan, change=lambda rows: rows, keys=""):
    """The report of a made-up run whose rows are changed; printed and read back as well."""
    sample_run.write_settings(folder, plan)
    spec = folder / "spec.toml"
    spec.write_text(f"{spec.read_text(encoding='utf-8')}\n{keys}", encoding="utf-8")
    for old in folder.glob("user_days/*"):
        old.unlink()
    sample_run.write_rows(folder, change(sample_run.sample_rows(plan)), 1)
    report = summarise(folder)
    assert parse_report(report.to_json(), "test") == report
    json.dumps(report.model_dump(mode="json"), allow_nan=False)
    Console(file=StringIO(), width=100).print(scorecard(report))
    for row in (*report.metrics, *report.daily):
        assert {name for name in (*NUMBERS, *TRUTHS) if getattr(row, name) is None} <= set(row.reasons)
    return report


def with_treated(n):
    """The first `n` users in the treatment's bucket."""
    return lambda rows: rows.assign(bucket=np.where(rows["user_id"] < n, "treatment", "base"))


@pytest.mark.parametrize(("users", "treated"), [(2, 0), (2, 1), (2, 2), (3, 1), (300, 1)])
@pytest.mark.parametrize("truth", [True, False])
def test_an_arm_of_one_user_or_of_none_has_a_report(sample_run, tmp_path, users, treated, truth):
    plan = sample_run.SamplePlan(users=users, days=4, pre_days=1, truth=truth)
    report = report_of(sample_run, tmp_path / "run", plan, with_treated(treated))
    first = report.metrics[0]
    least = ("base", users - treated) if users - treated < 2 else ("treatment", treated)
    assert first.reasons["ci_low"] == f"{least[0]} has {least[1]} users, want at least 2"
    if truth and treated == 1:
        row = next(row for row in report.worlds if row.arm == "treatment" and row.metric == "AUT")
        assert (row.interference_bias, row.interference_bias_se) == (0.0, None)
        assert row.reasons["interference_bias_se"] == "an arm has fewer than 2 users"


def test_a_run_in_which_nothing_happens_has_a_report(sample_run, tmp_path):
    def nothing(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(**dict.fromkeys(COUNTS, 0), **dict.fromkeys(SUMS, 0.0), active=False)

    report = report_of(sample_run, tmp_path / "run", sample_run.SamplePlan(users=40, days=4), nothing)
    assert {row.p_value for row in report.metrics} == {None}


EDITS = st.tuples(
    st.sampled_from(["views", "hates", "likes", "asked", "clicks", "watch_s"]),
    st.sampled_from([0, 1, 7, 1e-9, 86_400]),
    st.floats(0, 1),
)


@settings(max_examples=6, phases=[Phase.generate])
@given(st.data(), st.integers(2, 12), st.integers(1, 5), st.booleans(), st.sampled_from([-1, 0, 1e4]), st.lists(EDITS))
def test_tiny_and_extreme_runs_have_a_report(sample_run, tmp_path_factory, data, users, days, truth, gain, edits):
    folder = tmp_path_factory.mktemp("tiny") / "run"
    plan = sample_run.SamplePlan(users=users, days=days, pre_days=1, truth=truth, gain=gain, seed=users * days)
    treated = data.draw(st.integers(0, users))

    def change(rows: pd.DataFrame) -> pd.DataFrame:
        rows = with_treated(treated)(rows)
        for column, value, share in edits:
            chosen = np.random.default_rng(0).random(len(rows)) < share
            whole = value if column == "watch_s" else round(value)
            rows[column] = np.where(chosen, whole, rows[column])
        return rows

    stop = data.draw(st.booleans())
    if stop:
        folder.mkdir(parents=True)
        (folder / "stop.json").write_text(json.dumps({"days": days, "planned": days, "reason": "x"}), encoding="utf-8")
    report_of(sample_run, folder, plan, change, "[guardrails]\nLT7 = 0.01\nskip_rate = 0.5\n")
