import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from simulator.analysis.summarise import SLICE, summarise
from simulator.errors import RunFolderError, SpecError
from simulator.reports.report import MetricRow, Report


@pytest.fixture
def report(sample_report: Report) -> Report:
    return sample_report


def row_of(report: Report, metric: str) -> MetricRow:
    return next(row for row in report.metrics if row.metric == metric)


@pytest.fixture
def run(sample_run: ModuleType, tmp_path: Path):
    """Summarises a made-up run of some plan."""

    def summarised(**plan: object) -> Report:
        return summarise(sample_run.write_sample_run(tmp_path / "run", sample_run.SamplePlan(**plan)))

    return summarised


def test_the_true_effect_is_the_planted_one(report: Report):
    assert row_of(report, "AUT").true_relative_effect == pytest.approx(0.05, abs=1e-9)
    assert row_of(report, "AVT").true_relative_effect == pytest.approx(0.05, abs=1e-9)
    assert row_of(report, "views").true_relative_effect == 0.0
    assert row_of(report, "P2N").true_relative_effect > 0.2


def test_estimates_cover_the_truth(report: Report):
    for key in ("AUT", "AVT", "P2N"):
        row = row_of(report, key)
        assert row.method == "adjusted"
        assert row.ci_low <= row.true_relative_effect <= row.ci_high


def test_metrics_are_those_of_the_rows(report: Report, sample_run: ModuleType):
    rows = sample_run.sample_rows(sample_run.SamplePlan())
    control = rows[(rows["world"] == "all:base") & (rows["bucket"] == "base")]
    aut, avt = row_of(report, "AUT"), row_of(report, "AVT")
    assert aut.control == pytest.approx(control["watch_s"].sum() / len(control), rel=1e-9)
    assert avt.control == pytest.approx(control["watch_s"].sum() / control["views"].sum(), rel=1e-9)


def test_each_day_has_its_rows(report: Report):
    days = sorted({row.day for row in report.daily})
    assert days == [0, 1, 2]
    assert {row.metric for row in report.daily if row.day == 1} >= {"AUT", "AVT", "P2N", "active_share"}
    assert all(row.true_relative_effect is not None for row in report.daily if row.metric == "AUT")


def test_totals_run_from_the_pre_period_to_the_end(report: Report):
    aut = [total for total in report.totals if total.metric == "AUT" and total.arm == "treatment"]
    assert [total.day for total in aut] == [-4, -3, -2, -1, 0, 1, 2]


def test_true_curves_are_one_before_the_test_and_part_in_it(report: Report):
    true = {(t.arm, t.day): t.true_value for t in report.totals if t.metric == "AUT"}
    assert true["base", -1] == true["treatment", -1]
    assert true["treatment", 1] == pytest.approx(1.05 * true["base", 1], rel=1e-9)


def test_a_days_total_is_the_days_control_mean(report: Report):
    row = next(row for row in report.daily if row.metric == "AVT" and row.day == 1)
    total = next(t for t in report.totals if (t.metric, t.arm, t.day) == ("AVT", "base", 1))
    assert total.value == pytest.approx(row.control, rel=1e-12)
    assert total.true_value == pytest.approx(row.true_control, rel=1e-12)


def test_arms_questionnaire_and_segments_are_there(report: Report):
    assert [(arm.name, arm.policy, arm.share) for arm in report.arms] == [
        ("base", "base", 0.5),
        ("treatment", "satisfaction", 0.5),
    ]
    assert sum(arm.users for arm in report.arms) == report.users == 800
    assert [row.arm for row in report.questionnaire] == ["base", "treatment"]
    assert {row.segment for row in report.segments} == {"full_active", "high_active", "low_active"}


def test_the_same_rows_give_the_same_bytes_in_any_order_and_number_of_files(
    report: Report, sample_run: ModuleType, tmp_path: Path
):
    plan = sample_run.SamplePlan()
    sample_run.write_settings(tmp_path, plan)
    shuffled = sample_run.sample_rows(plan).sample(frac=1, random_state=5)
    sample_run.write_rows(tmp_path, shuffled, 7, row_group_size=500)
    assert summarise(tmp_path).to_json() == report.to_json()


def test_an_a_a_test_has_exactly_no_true_effect(run):
    report = run(policies=("base", "base"))
    rows = [*report.metrics, *report.daily, *report.segments]
    assert report.health.a_a
    assert {row.true_relative_effect for row in rows} == {0.0}
    assert {row.true_relative_effect_se for row in rows} == {0.0}


def test_a_mixed_world_that_equals_the_selection_changes_nothing(run, report: Report):
    assert run(mixed=True).to_json() == report.to_json()


def test_without_truth_the_readout_stands_and_says_why(run, report: Report):
    bare = run(mixed=True, truth=False)
    row = row_of(bare, "AUT")
    assert row.p_value == row_of(report, "AUT").p_value
    assert row.true_relative_effect is None
    assert "truth = true" in row.reasons["true_relative_effect"]
    assert {total.true_value for total in bare.totals} == {None}


def test_three_arms_are_each_compared_with_the_first(run):
    report = run(arms=("base", "x", "y"), policies=("base", "base", "popular"))
    assert {(row.arm, row.baseline) for row in report.metrics} == {("x", "base"), ("y", "base")}
    assert not report.health.a_a


def test_fewer_users_than_planned_and_small_segments_are_warnings(sample_run: ModuleType, tmp_path: Path):
    plan = sample_run.SamplePlan()
    sample_run.write_settings(tmp_path, plan)
    rows = sample_run.sample_rows(plan)
    kept = (rows["segment"] != "low_active") | (rows["user_id"] < 100)
    sample_run.write_rows(tmp_path, rows[kept], 1)
    warnings = "\n".join(summarise(tmp_path).health.warnings)
    assert "users have rows, 800 were planned" in warnings
    assert "segments left out, under 100 users in a bucket: low_active" in warnings


def test_without_a_pre_period_the_readout_is_plain(sample_run: ModuleType, tmp_path: Path):
    plan = sample_run.SamplePlan()
    sample_run.write_settings(tmp_path, plan)
    rows = sample_run.sample_rows(plan)
    sample_run.write_rows(tmp_path, rows[rows["day"] >= 0], 1)
    report = summarise(tmp_path)
    assert {row.method for row in report.metrics} == {"plain"}
    assert report.health.pre_period == {}
    assert {t.value for t in report.totals if t.day < 0} == {None}


def test_a_run_in_which_nothing_happened_has_reasons_and_no_numbers(sample_run: ModuleType, tmp_path: Path):
    plan = sample_run.SamplePlan(users=60)
    sample_run.write_settings(tmp_path, plan)
    rows = sample_run.sample_rows(plan)
    counts = rows.columns.difference(["user_id", "day", "world", "arm", "bucket", "segment", "active"])
    sample_run.write_rows(tmp_path, rows.assign(**dict.fromkeys(counts, 0), active=False), 1)
    report = summarise(tmp_path)
    for row in report.metrics:
        assert row.relative_effect is None
        assert {"relative_effect", "p_value", "true_relative_effect"} <= set(row.reasons)
    assert row_of(report, "AUT").control == 0.0


@pytest.mark.parametrize(
    ("bucket", "message"), [("nobody", "bucket 'nobody' is no arm of spec.toml, which has base, treatment")]
)
def test_an_unknown_bucket_is_refused(sample_run: ModuleType, tmp_path: Path, bucket: str, message: str):
    plan = sample_run.SamplePlan(mixed=True, truth=False, users=50)
    sample_run.write_settings(tmp_path, plan)
    rows = sample_run.sample_rows(plan)
    renamed = rows["bucket"].where(rows["user_id"] != 7, bucket)
    sample_run.write_rows(tmp_path, rows.assign(bucket=renamed), 1)
    with pytest.raises(RunFolderError, match=message):
        summarise(tmp_path)


@pytest.mark.parametrize(("n", "verdict"), [(3, "warn"), (8, "fail")])
def test_users_in_two_arms_are_counted(sample_run: ModuleType, tmp_path: Path, n: int, verdict: str):
    plan = sample_run.SamplePlan(mixed=True, truth=False)
    sample_run.write_settings(tmp_path, plan)
    rows = sample_run.sample_rows(plan)
    other = rows["bucket"].map({"base": "treatment", "treatment": "base"})
    moved = (rows["user_id"] < n) & (rows["day"] == 1)
    sample_run.write_rows(tmp_path, rows.assign(bucket=rows["bucket"].where(~moved, other)), 1)
    health = summarise(tmp_path).health
    assert (health.mixed_assignment.users, health.mixed_assignment.verdict) == (n, verdict)
    assert any(f"{n} users ({n / 800:.2%}) have rows under more than one arm" in line for line in health.warnings)


def test_checks_beyond_the_scorecard_are_in_the_report(report: Report):
    health = report.health
    assert [check.within for check in health.split_by_day] == ["day 0", "day 1", "day 2"]
    assert not any(check.alarm for check in (*health.split_by_day, *health.split_by_segment))
    assert {row.metric for row in health.resplits} == {row.metric for row in health.novelty} == {"AUT", "AVT", "P2N"}
    assert {row.reasons["contrast"] for row in health.novelty} == {"the test has 3 days, want 4 at least"}
    assert health.mixed_assignment.verdict == "pass"
    assert [row.side for row in report.p2n] == ["positives", "negatives"]
    assert len(report.distribution) == 19
    assert all(
        row.true_lift == pytest.approx(0.05, abs=2e-3) for row in report.distribution if row.true_lift is not None
    )


def test_an_unfinished_test_is_refused(sample_run: ModuleType, tmp_path: Path):
    plan = sample_run.SamplePlan(users=50)
    sample_run.write_settings(tmp_path, plan)
    rows = sample_run.sample_rows(plan)
    sample_run.write_rows(tmp_path, rows[rows["world"] == "pre"], 1)
    with pytest.raises(RunFolderError, match="no rows of days 0 to 2; finish the run first"):
        summarise(tmp_path)


def test_a_truth_of_other_users_is_refused(sample_run: ModuleType, tmp_path: Path):
    plan = sample_run.SamplePlan(users=50, mixed=True)
    sample_run.write_settings(tmp_path, plan)
    rows = sample_run.sample_rows(plan)
    sample_run.write_rows(tmp_path, rows[(rows["world"] != "all:treatment") | (rows["user_id"] > 0)], 1)
    with pytest.raises(RunFolderError, match="world all:treatment has 49 users, the test has 50"):
        summarise(tmp_path)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(RunFolderError, match=r"holds no spec\.toml; give the folder"):
        summarise(tmp_path)


def test_a_damaged_spec_is_refused(tmp_path: Path):
    (tmp_path / "spec.toml").write_text("name = ", encoding="utf-8")
    with pytest.raises(SpecError, match="not a TOML file"):
        summarise(tmp_path)


def test_the_report_survives_its_json(report: Report):
    assert Report.model_validate_json(report.to_json()) == report
    assert isinstance(pd.DataFrame([row.model_dump() for row in report.metrics]), pd.DataFrame)


def test_many_slices_say_what_one_says(report: Report, run_folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("simulator.analysis.summarise.SLICE", 150)
    sliced = pd.json_normalize(summarise(run_folder).model_dump(), max_level=0)
    whole = pd.json_normalize(report.model_dump(), max_level=0)
    for ours, theirs in zip(sliced["metrics"][0], whole["metrics"][0], strict=True):
        for key in ("control", "effect", "ci_low", "p_value", "true_relative_effect", "true_relative_effect_se"):
            assert ours[key] == pytest.approx(theirs[key], rel=1e-9, abs=1e-10)


def test_slices_in_any_files_on_any_number_of_processors_give_the_same_bytes(
    run_folder: Path, sample_run: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("simulator.analysis.summarise.SLICE", 90)
    report = summarise(run_folder).to_json()
    plan = sample_run.SamplePlan()
    sample_run.write_settings(tmp_path, plan)
    sample_run.write_rows(tmp_path, sample_run.sample_rows(plan).sort_values(["day", "user_id"]), 7, 700)
    monkeypatch.setattr("simulator.analysis.accumulator.os.cpu_count", lambda: 1)
    assert summarise(tmp_path).to_json() == report


@pytest.mark.slow
def test_memory_does_not_grow_with_users(sample_run: ModuleType, tmp_path: Path):
    """Four times as many slices: the peak is that of one slice, so it may not grow by more than noise, 15%."""
    peaks = []
    for users in (2 * SLICE, 8 * SLICE):
        folder = tmp_path / str(users)
        plan = sample_run.SamplePlan(users=users, days=1, pre_days=1)
        sample_run.write_settings(folder, plan)
        sample_run.write_rows(folder, sample_run.sample_rows(plan).sort_values("user_id"), users // SLICE, 20_000)
        code = "import sys; from pathlib import Path; from simulator.analysis.summarise import summarise\n"
        code += "summarise(Path(sys.argv[1])); print(Path('/proc/self/status').read_text())"
        done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.partition("VmHWM:")[2].split()[0]))
    assert peaks[1] < 1.15 * peaks[0]
