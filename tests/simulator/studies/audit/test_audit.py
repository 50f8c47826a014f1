"""Audits: rates that are counted right, fresh seeds that can be resumed, and what cannot be audited refused."""

import io
import json
import shutil

import numpy as np
import pytest
import tomli_w
from rich.console import Console

from simulator.cli.app import main
from simulator.cli.tables.audit import audit_table
from simulator.errors import RunFolderError, SpecError
from simulator.metrics import METRICS
from simulator.reports.audit import RESPLITS, SEEDS, load_audit
from simulator.reports.report import find_runs
from simulator.run import write_report
from simulator.spec.experiment import parse_spec
from simulator.statistics.resplits import Readings
from simulator.studies.audit.error_rates import audit_row
from simulator.studies.audit.readings import MethodReadings, join
from simulator.studies.audit.replications import FOLDER, gather, replication_seed
from simulator.studies.audit.study import AuditPlan, run_audit


def spec_of(world, **changes):
    keys = {
        "name": "small",
        "seed": 5,
        "world": world,
        "users": 300,
        "videos": 200,
        "days": 2,
        "pre_days": 1,
        "launch_days": 1,
        "views_scale": 0.05,
        "candidates": 20,
        "rounds_per_day": 1,
        "pre_policy": "popular",
        "arms": [{"name": "control", "policy": "random"}, {"name": "treatment", "policy": "popular"}],
    }
    return parse_spec(keys | changes, "test")


def silent(stage, done, total):
    pass


def readings(effects, half, p_values):
    effects = np.array(effects, np.float64)
    return Readings(effects, effects - half, effects + half, np.array(p_values, np.float64))


def evidence(**changes):
    """Ten A/B tests of a true lift of 10%: three significant, one of them with the wrong sign."""
    effects = [0.3, 0.4, -0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, np.nan]
    p_values = [0.01, 0.02, 0.03, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
    fields = {
        "metric": METRICS["AUT"],
        "arm": "treatment",
        "method": "plain",
        "a_a": readings(np.zeros(10), 0.1, np.arange(10) / 10 + 0.04),
        "a_b": readings(effects, 0.15, p_values),
        "truth": np.full(10, 0.1),
        "truth_se": np.full(10, 0.01),
    }
    return MethodReadings(**(fields | changes))


def test_rates_are_counted_by_hand():
    row = audit_row(evidence(), "control", RESPLITS)
    assert (row.false_positive_rate, row.power) == (0.1, 0.3)
    assert row.coverage == pytest.approx(6 / 9)
    assert row.unsaid == 1
    assert row.exaggeration == pytest.approx((0.3 + 0.4 + 0.2) / 3 / 0.1)
    assert row.sign_errors == pytest.approx(1 / 3)
    assert row.false_positive_low == pytest.approx(0.0179, abs=5e-5)  # Wilson's, from the formula by hand
    assert row.false_positive_high == pytest.approx(0.4042, abs=5e-5)
    assert row.coverage_population is None
    assert "fresh seeds" in row.reasons["coverage_population"]


def test_a_method_that_is_wrong_says_why():
    assert audit_row(evidence(), "control", RESPLITS).wrong is None
    assert "once" in audit_row(evidence(method="daily_peeking"), "control", RESPLITS).wrong


def test_fresh_seeds_have_a_target_of_their_own_and_one_of_the_population():
    truth = np.linspace(0.0, 0.2, 10)
    found = evidence(truth=truth, a_b=readings(truth, 0.05, np.full(10, 0.5)))
    row = audit_row(found, "control", SEEDS)
    assert row.coverage == 1
    assert row.coverage_population == 0.4  # within .05 of the mean, .1
    assert row.true_relative_effect == pytest.approx(0.1)
    assert row.true_relative_effect_se == pytest.approx(truth.std(ddof=1) / np.sqrt(10))


def test_without_a_true_effect_nothing_is_exaggerated():
    row = audit_row(evidence(truth=np.zeros(10)), "control", RESPLITS)
    assert row.exaggeration is None
    assert row.sign_errors is None
    assert set(row.reasons) >= {"exaggeration", "sign_errors"}


def test_a_method_that_never_speaks_has_reasons_instead_of_rates():
    nothing = readings(np.full(10, np.nan), 0.1, np.full(10, np.nan))
    row = audit_row(evidence(a_a=nothing, a_b=nothing, truth=np.full(10, np.nan)), "control", SEEDS)
    assert (row.false_positive_rate, row.coverage, row.power, row.true_relative_effect) == (None, None, None, None)
    assert set(row.reasons) >= {"false_positive_rate", "coverage", "power", "true_relative_effect"}


def test_joined_evidence_is_all_of_it():
    both = join([evidence(), evidence()])
    assert len(both.truth) == len(both.a_a.p_value) == 20


@pytest.fixture(scope="module")
def spec(world):
    return spec_of(world)


@pytest.fixture(scope="module")
def finished(spec, tmp_path_factory):
    """Three fresh seeds with kept policies, in one go; do not write into it."""
    out = tmp_path_factory.mktemp("audits") / "finished"
    run_audit(AuditPlan(spec, 0, 3, keep_policies=True), out, 1, silent)
    return out


def files_of(out):
    return {path.name: path.read_bytes() for path in sorted((out / FOLDER).iterdir())}


def test_an_interrupted_audit_goes_on_to_the_same_bytes(spec, finished, tmp_path):
    out = tmp_path / "audit"

    def interrupt(stage, done, total):
        if done == 1:
            raise KeyboardInterrupt

    plan = AuditPlan(spec, 0, 3, keep_policies=True)
    with pytest.raises(KeyboardInterrupt):
        run_audit(plan, out, 1, interrupt)
    assert list(files_of(out)) == ["00000.json"]
    assert find_runs(tmp_path) == []
    kept = (out / FOLDER / "00000.json").stat().st_mtime_ns
    audit = run_audit(plan, out, 2, silent, resume=True)
    assert {row.replications for row in audit.rows} == {3}
    assert (out / FOLDER / "00000.json").stat().st_mtime_ns == kept
    assert files_of(out) == files_of(finished)
    assert (out / "audit.json").read_bytes() == (finished / "audit.json").read_bytes()


def test_seeds_differ_and_each_has_its_own_truth(spec, finished):
    assert len({replication_seed(spec.seed, index) for index in range(100)}) == 100
    found = {(e.metric.key, e.method): e for e in gather(spec, finished, 3, keep_policies=True)}
    assert len(set(found["AUT", "plain"].truth)) == 3


def test_kept_policies_and_videos_are_those_of_the_first_seed(spec, finished, tmp_path):
    assert {path.name for path in (finished / "policies").iterdir()} == {"pre.safetensors", "arms.safetensors"}
    run_audit(AuditPlan(spec, 0, 2), tmp_path, 1, silent)
    ours, kept = files_of(tmp_path), files_of(finished)
    assert json.loads(ours["00000.json"])["readings"] == json.loads(kept["00000.json"])["readings"]
    assert json.loads(ours["00001.json"])["readings"] != json.loads(kept["00001.json"])["readings"]


@pytest.mark.parametrize(
    ("path", "damage", "said"),
    [
        (f"{FOLDER}/00001.json", b"{}", "damaged"),
        ("policies/arms.safetensors", b"\x00", "damaged"),
    ],
)
def test_a_damaged_file_is_named(spec, finished, tmp_path, path, damage, said):
    out = tmp_path / "audit"
    shutil.copytree(finished, out)
    (out / path).write_bytes(damage)
    with pytest.raises(RunFolderError, match=said):
        run_audit(AuditPlan(spec, 0, 4, keep_policies=True), out, 1, silent, resume=True)


def test_an_audit_is_resumed_as_it_was_begun(spec, finished, tmp_path):
    with pytest.raises(RunFolderError, match="same spec and options"):
        gather(spec, finished, 3, keep_policies=False)
    other = spec.model_copy(update={"users": 400})
    with pytest.raises(RunFolderError, match="differs"):
        run_audit(AuditPlan(other, 0, 3, keep_policies=True), finished, 1, silent, resume=True)
    with pytest.raises(RunFolderError, match="holds"):
        run_audit(AuditPlan(spec, 0, 3), finished, 1, silent)


@pytest.mark.parametrize(
    ("resplits", "replications", "keep", "changes", "said"),
    [
        (10, 0, False, {}, "learns during the test.*--replications"),
        (10, 0, False, {"truth": False, "arms": [{"name": n, "policy": "random"} for n in "ab"]}, "truth = false"),
        (0, 0, False, {}, "want one of them above 0"),
        (-1, 2, False, {}, "want one of them above 0"),
        (10, 0, True, {}, "keep policies anyhow"),
        (0, 2, False, {"sweep": {"parameter": "leaving.satisfaction", "values": [0.0, 0.1]}}, "has a sweep"),
    ],
)
def test_what_cannot_be_audited_is_refused_before_anything_is_written(
    world, tmp_path, resplits, replications, keep, changes, said
):
    out = tmp_path / "audit"
    with pytest.raises(SpecError, match=said):
        run_audit(AuditPlan(spec_of(world, **changes), resplits, replications, keep), out, 1, silent)
    assert not out.exists()


@pytest.fixture
def finished_run(sample_run, tmp_path):
    """A run folder of two arms that do not learn, with its report."""
    folder = sample_run.write_sample_run(tmp_path / "run")
    write_report(folder)
    return folder


def test_the_command_audits_a_run_folder(finished_run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    out = tmp_path / "audit"
    main(["audit", str(finished_run), "--aa", "20", "--out", str(out), "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert {"metric", "method", "replications", "false_positive_rate", "coverage", "power", "exaggeration"} <= set(
        rows[0]
    )
    assert rows == [row.model_dump(mode="json") for row in load_audit(out).rows]
    assert (out / "audit.html").is_file()
    main(["audit", str(finished_run), "--aa", "20", "--out", str(tmp_path / "again")])
    said = capsys.readouterr().out
    assert "daily peeking (wrong)" in said
    assert "audit.html" in said


def test_the_command_runs_a_spec_and_splits_its_users(world, tmp_path, capsys):
    arms = [{"name": "control", "policy": "random"}, {"name": "again", "policy": "random"}]
    keys = spec_of(world, arms=arms).model_dump(mode="json")
    (tmp_path / "a_a.toml").write_text(tomli_w.dumps(keys))
    out = tmp_path / "audit"
    main(["audit", str(tmp_path / "a_a.toml"), "--aa", "20", "--out", str(out), "--workers", "1"])
    assert (out / "run" / "report.json").is_file()
    audit = load_audit(out)
    assert {row.true_relative_effect for row in audit.rows if row.metric == "AUT"} == {0.0}
    said = capsys.readouterr().out
    assert "again against control, 20 re-splits" in said
    assert "Exaggeration" not in said


def test_an_unfinished_run_folder_is_refused_in_one_line(run_folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["audit", str(run_folder), "--out", str(tmp_path / "audit")])
    assert stop.value.code == 2
    assert capsys.readouterr().err.endswith("finish it with `askew run --resume`\n")


@pytest.mark.parametrize(("text", "said"), [("{}", "Field required"), ("\xff", "audit.json")])
def test_a_damaged_audit_is_refused(tmp_path, text, said):
    (tmp_path / "audit.json").write_text(text, encoding="latin-1")
    with pytest.raises(RunFolderError, match=said):
        load_audit(tmp_path)
    with pytest.raises(RunFolderError, match=r"holds no audit\.json"):
        load_audit(tmp_path / "nowhere")


def test_the_table_shows_main_metrics_and_wrong_methods(finished):
    console = Console(width=110, file=io.StringIO())
    console.print(audit_table(load_audit(finished)))
    text = console.file.getvalue()
    assert "per view t (wrong)" in text
    assert "click_rate      plain" not in text
