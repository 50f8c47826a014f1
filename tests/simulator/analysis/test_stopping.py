"""A test that ends by its rule: later days are not played, the report says so, and resuming changes nothing."""

from hashlib import sha256
from io import StringIO
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
from rich.console import Console

from dashboards.text.formatting import interval
from simulator.analysis.stopping import read_stop, stop_after
from simulator.analysis.summarise import summarise
from simulator.cli.tables.scorecard import scorecard
from simulator.errors import RunFolderError, SpecError
from simulator.experiment.runner import prepare, run_experiment, world_of
from simulator.reports.report import load_report
from simulator.run import run_to_folder
from simulator.spec.experiment import parse_spec

RULE = {"metric": "AVT", "arm": "treatment"}
ARMS = [{"name": "base", "policy": "base"}, {"name": "treatment", "policy": "satisfaction"}]


@pytest.fixture(scope="module")
def folder(sample_run: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five days of a lift of 40%; do not write into it."""
    plan = sample_run.SamplePlan(days=5, gain=0.4)
    return sample_run.write_sample_run(tmp_path_factory.mktemp("stopping") / "run", plan)


def spec_of(**keys):
    return parse_spec({"name": "s", "users": 800, "days": 5, "pre_days": 4, "arms": ARMS, **keys}, "test")


def stops(folder: Path, **keys) -> list[int]:
    """Days after which the test would end."""
    return [days for days in range(1, 6) if stop_after(spec_of(**keys), folder, days)]


def test_a_large_lift_ends_the_test_before_its_last_day(folder: Path):
    found = stops(folder, stop_when=RULE)
    assert found
    assert found[-1] == 4
    assert "AVT of treatment: the group-sequential interval, +" in stop_after(spec_of(stop_when=RULE), folder, 4).reason


def test_without_a_rule_nothing_stops(folder: Path):
    assert not stops(folder)


def test_only_the_direction_asked_for_counts(folder: Path):
    assert stops(folder, stop_when={**RULE, "crossed": "better"}) == stops(folder, stop_when=RULE)
    assert not stops(folder, stop_when={**RULE, "crossed": "worse"})


def test_only_planned_looks_can_stop(folder: Path):
    assert stops(folder, stop_when=RULE, looks={"days": [4]}) == [4]


def test_what_a_look_says_does_not_depend_on_later_days(folder: Path):
    """The decision after three days is that which the report of all five days shows for the third."""
    text = (folder / "spec.toml").read_text(encoding="utf-8")
    rule = '[stop_when]\nmetric = "AVT"\narm = "treatment"\ncrossed = "worse"\n'
    (folder / "spec.toml").write_text(f"{text}\n{rule}", encoding="utf-8")
    report = summarise(folder)
    (folder / "spec.toml").write_text(text, encoding="utf-8")
    rows = [row for row in report.looks.rows if row.metric == "AVT"]
    assert [row.days for row in rows if row.crossed and row.days < 5] == stops(folder, stop_when=RULE)


def test_after_an_early_stop_rows_and_guardrails_go_by_all_looks(sample_run: ModuleType, tmp_path: Path):
    """A gain of 4% is clear by one look and not by all; so the guardrail that one look would pass is unclear."""
    folder = sample_run.write_sample_run(tmp_path / "run", sample_run.SamplePlan(days=2, gain=0.0))
    text = (folder / "spec.toml").read_text(encoding="utf-8").replace("days = 2\n", "days = 14\n", 1)
    rules = "[guardrails]\nAVT = {0}\nLT7 = {1}\n"
    (folder / "stop.json").write_text('{"days": 2, "planned": 14, "reason": "told to"}', encoding="utf-8")
    (folder / "spec.toml").write_text(f"{text}\n{rules.format(0.5, 0.5)}", encoding="utf-8")
    rows = {row.metric: row for row in summarise(folder).metrics}
    for row in (rows["AVT"], rows["LT7"]):
        assert row.sequential_low < row.ci_low < row.ci_high < row.sequential_high
    margins = [-(rows[key].ci_low + rows[key].sequential_low) / 2 for key in ("AVT", "LT7")]
    (folder / "spec.toml").write_text(f"{text}\n{rules.format(*margins)}", encoding="utf-8")
    report = summarise(folder)
    guarded = [row for row in report.metrics if row.guardrail]
    assert [(row.metric, row.guardrail) for row in guarded] == [("AVT", "unclear"), ("LT7", "unclear")]
    assert [(row.ci_low, row.sequential_low) for row in guarded] == [
        (rows[row.metric].ci_low, rows[row.metric].sequential_low) for row in guarded
    ]
    valid = {row.metric: row for row in report.valid_metrics()}
    assert (valid["AVT"].ci_low, valid["AVT"].ci_high) == (rows["AVT"].sequential_low, rows["AVT"].sequential_high)
    assert valid["views"] == next(row for row in report.metrics if row.metric == "views")
    printed = StringIO()
    Console(file=printed, width=100).print(scorecard(report))
    assert interval(rows["AVT"].sequential_low, rows["AVT"].sequential_high) in printed.getvalue()
    assert interval(rows["AVT"].ci_low, rows["AVT"].ci_high) not in printed.getvalue()


def test_a_rule_needs_looks_that_bear_it():
    with pytest.raises(SpecError, match='want method = "group-sequential"'):
        spec_of(stop_when=RULE, looks={"method": "fixed"})
    assert spec_of(stop_when=RULE, looks={"method": "fixed", "unprotected": True}).stop_when


def test_a_damaged_note_is_refused(tmp_path: Path):
    (tmp_path / "stop.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"stop\.json: damaged"):
        read_stop(tmp_path)


def toy_spec(world: str):
    """Random slates against popular ones: a difference that two days show, of six."""
    return parse_spec(
        {
            "name": "stopped",
            "seed": 5,
            "world": world,
            "users": 600,
            "videos": 300,
            "days": 6,
            "pre_days": 1,
            "launch_days": 1,
            "rounds_per_day": 2,
            "views_scale": 0.1,
            "candidates": 20,
            "pre_policy": "popular",
            "looks": {"spending": "pocock", "alpha": 0.4},
            "stop_when": {"metric": "AVT", "arm": "treatment"},
            "arms": [{"name": "control", "policy": "random"}, {"name": "treatment", "policy": "oracle"}],
        },
        "test",
    )


def silent(stage: str, done: int, total: int) -> None:
    pass


def files_of(folder: Path) -> dict[str, str]:
    """Every file and a checksum: what differs is told in a line."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


class StoppedError(Exception):
    pass


def test_a_stopped_run_plays_no_later_day_and_resumes_to_the_same_bytes(world: str, tmp_path: Path):
    spec = toy_spec(world)
    run_to_folder(spec, tmp_path / "run", 1, silent)
    report = load_report(tmp_path / "run")
    stop = report.stopped
    assert stop is not None
    assert (stop.planned, report.days) == (6, stop.days)
    assert stop.days < 6
    played = {path.name.split("-")[1] for path in (tmp_path / "run" / "user_days").glob("world*")}
    assert played == {f"{day:04d}" for day in range(stop.days)}
    assert {row.day for row in report.daily} == set(range(stop.days))
    assert report.metrics[0].true_relative_effect is not None

    told = iter(range(1_000))

    def interrupted(stage: str, done: int, total: int) -> None:
        if next(told) == 4 + stop.days:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_to_folder(spec, tmp_path / "again", 1, interrupted)
    run_to_folder(spec, tmp_path / "again", 1, silent, resume=True)
    run_to_folder(spec, tmp_path / "again", 1, silent, resume=True)
    assert files_of(tmp_path / "again") == files_of(tmp_path / "run")


class Nowhere:
    """A sink that is never reached."""

    def write_parquet(self, name: str, table: pa.Table) -> None:
        raise AssertionError(name)


def test_a_rule_cannot_be_kept_without_a_folder(world: str):
    spec = toy_spec(world)
    with pytest.raises(SpecError, match="has a stop_when; run it into a folder"):
        run_experiment(prepare(spec, world_of(spec)), Nowhere(), 1, silent)
