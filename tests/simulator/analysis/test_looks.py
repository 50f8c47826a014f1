"""Looks of a run: cumulative, as narrow or wide as their method says, and the last one is the scorecard."""

from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from simulator.analysis.looks import LogLift
from simulator.analysis.summarise import summarise
from simulator.reports.report import LookRow, Report


def looks_of(report: Report, metric: str = "AUT") -> list[LookRow]:
    return [row for row in report.looks.rows if row.metric == metric]


@pytest.fixture(scope="module")
def changed(sample_run: ModuleType, tmp_path_factory: pytest.TempPathFactory):
    """Summarises the made-up run with other keys in its spec."""
    folder = sample_run.write_sample_run(tmp_path_factory.mktemp("looks") / "run", sample_run.SamplePlan(days=4))
    text = (folder / "spec.toml").read_text(encoding="utf-8")

    def summarised(keys: str = "") -> Report:
        (folder / "spec.toml").write_text(f"{keys}\n{text}", encoding="utf-8")
        return summarise(folder)

    return summarised


def test_every_day_is_looked_at_and_the_last_look_is_the_scorecard(sample_report: Report):
    rows = looks_of(sample_report)
    main = next(row for row in sample_report.metrics if row.metric == "AUT")
    assert [row.days for row in rows] == [1, 2, 3]
    for field in ("relative_effect", "ci_low", "ci_high", "true_relative_effect"):
        assert getattr(rows[-1], field) == pytest.approx(getattr(main, field), rel=1e-9)
    assert rows[-1].information == 1.0
    assert (main.sequential_low, main.sequential_high) == (rows[-1].group_low, rows[-1].group_high)
    assert main.sequential_low < main.ci_low < main.ci_high < main.sequential_high


def test_the_first_look_is_the_first_day(sample_report: Report):
    day = next(row for row in sample_report.daily if (row.metric, row.day) == ("AVT", 0))
    look = looks_of(sample_report, "AVT")[0]
    assert (look.relative_effect, look.ci_low) == pytest.approx((day.relative_effect, day.ci_low), rel=1e-9)
    assert look.true_relative_effect == pytest.approx(day.true_relative_effect, rel=1e-9)


def test_intervals_are_of_one_width_on_a_log_scale_apart_from_their_bounds(sample_report: Report):
    """Naive : always-valid is 1.96 : 3.04 at the end, where error is spent by all of the information."""
    last = looks_of(sample_report)[-1]
    naive, always, group = (
        np.diff(np.log1p(ends))[0]
        for ends in (
            (last.ci_low, last.ci_high),
            (last.always_low, last.always_high),
            (last.group_low, last.group_high),
        )
    )
    assert always / naive == pytest.approx(3.0349 / stats.norm.isf(0.025), rel=0.02)
    assert 1 < group / naive < 1.2


def test_crossing_is_leaving_out_zero(sample_report: Report):
    for row in sample_report.looks.rows:
        assert row.crossed == (row.group_low is not None and not row.group_low <= 0 <= row.group_high)


def test_a_method_and_its_days_are_the_specs(changed):
    report = changed('looks = { method = "always-valid", days = [2], alpha = 0.1 }\nmultiplicity = "none"')
    rows = looks_of(report)
    assert [row.days for row in rows] == [2, 4]
    main = report.metrics[0]
    assert (main.sequential_low, main.sequential_high) == (rows[-1].always_low, rows[-1].always_high)
    assert (main.adjusted_p_value, report.multiplicity, report.looks.alpha) == (None, "none", 0.1)


def test_a_fixed_horizon_has_one_look_at_the_end(changed):
    report = changed('looks = { method = "fixed" }\nguardrails = { LT7 = 0.5 }')
    assert {row.days for row in report.looks.rows} == {4}
    assert report.metrics[0].sequential_low == report.looks.rows[0].ci_low
    assert next(row for row in report.metrics if row.metric == "LT7").guardrail == "passed"


def test_looks_without_a_lift_say_why_and_spend_nothing(sample_run: ModuleType, tmp_path):
    """Nobody hates anything until the third day: P2N has no value before."""
    plan = sample_run.SamplePlan(days=4)
    sample_run.write_settings(tmp_path, plan)
    rows = sample_run.sample_rows(plan)
    rows["hates"] = rows["hates"].where(~rows["day"].isin([0, 1]), 0)
    sample_run.write_rows(tmp_path, rows, 1)
    first, second, third, last = looks_of(summarise(tmp_path), "P2N")
    assert (first.relative_effect, second.group_low, second.crossed) == (None, None, None)
    assert first.reasons["group_low"] == "base has a denominator of 0"
    assert third.group_high is not None
    assert last.information == 1.0


def test_an_interval_beyond_all_numbers_is_none():
    assert LogLift(0.1, 30.0, 100.0).within(38.0) == (None, None)
    assert LogLift(0.0, 0.0, 100.0).within(38.0) == (0.0, 0.0)
