"""Sweeps: one run per value with the same noise, kept when interrupted, refused when they make no sense."""

import io
import json
import re
import shutil
from contextlib import nullcontext, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomli_w

from simulator.cli.app import main
from simulator.errors import RunFolderError, SpecError
from simulator.experiment.runner import world_of
from simulator.reports.report import load_report
from simulator.reports.sweep import load_sweep
from simulator.spec.experiment import load_spec, parse_spec
from simulator.studies.sweep import folder_name, plan_sweep, run_sweep, spec_at
from user_models.testing import toy_world
from user_models.world.store import save_world

ARMS = [{"name": "control", "policy": "random"}, {"name": "treatment", "policy": "popular"}]
SLOPE = "returning.satisfaction"
SLIP = {"parameter": "questionnaire.say_noise", "values": [9.0, 0.2]}
"""How people answer moves no watching."""


def keys_of(world, **sweep):
    return {
        "name": "small",
        "seed": 5,
        "world": world,
        "users": 100,
        "videos": 80,
        "days": 1,
        "pre_days": 1,
        "launch_days": 1,
        "views_scale": 0.05,
        "candidates": 20,
        "pre_policy": "popular",
        "arms": ARMS,
        "sweep": {"parameter": SLOPE, "values": [0.5, 0.0]} | sweep,
    }


def spec_of(world, **sweep):
    return parse_spec(keys_of(world, **sweep), "test")


def silent():
    return nullcontext(lambda stage, done, total: None)


def play(spec, out, resume=False, bars=silent):
    return list(run_sweep(spec, out, 1, bars, resume))


@dataclass(frozen=True)
class Ran:
    """What `askew run` left and said."""

    out: Path
    said: str
    warned: str


@pytest.fixture(scope="module")
def ran(world, tmp_path_factory):
    """A finished sweep; do not write into it."""
    folder = tmp_path_factory.mktemp("sweeps")
    spec = keys_of(world, **SLIP)
    (folder / "sweep.toml").write_text(tomli_w.dumps(spec))
    said, warned = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(warned):
        main(["run", str(folder / "sweep.toml"), "--out", str(folder / "out"), "--workers", "1"])
    return Ran(folder / "out", said.getvalue(), warned.getvalue())


@pytest.fixture(scope="module")
def finished(ran):
    return ran.out


def refusal(sweep, **keys):
    """What is said about a spec with this sweep."""
    with pytest.raises(SpecError) as caught:
        parse_spec({"name": "test", "arms": ARMS, "sweep": sweep} | keys, "my.toml")
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix("my.toml: ")


def test_values_are_tried_in_ascending_order(world):
    assert spec_of(world, values=[0.3, 0.0, 0.1]).sweep.points == (0.0, 0.1, 0.3)


def test_a_range_is_spread_evenly_with_both_ends(world):
    sweep = {"parameter": SLOPE, "low": 0.1, "high": 0.4, "steps": 4}
    spec = parse_spec(keys_of(world) | {"sweep": sweep}, "test")
    assert spec.sweep.points == (0.1, 0.2, 0.3, 0.4)


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"parameter": SLOPE, "values": [0.1]}, "want two values or more, all different"),
        ({"parameter": SLOPE, "values": [0.1, 0.1, 0.2]}, "want two values or more, all different"),
        ({"parameter": SLOPE, "low": 0.2, "high": 0.1, "steps": 3}, "want low below high"),
        ({"parameter": SLOPE, "low": 0.2, "steps": 3}, "want either values, or low, high and steps"),
        ({"parameter": SLOPE}, "want either values, or low, high and steps"),
        ({"parameter": SLOPE, "values": [0, 1], "low": 0}, "want either values, or low, high and steps"),
        ({"parameter": SLOPE, "values": [0, float("nan")]}, "sweep.values.1: nan given"),
        ({"parameter": SLOPE, "valus": [0, 1]}, "unknown key 'sweep.valus'; did you mean 'values'?"),
        ({"values": [0, 1]}, "key 'sweep.parameter' is missing"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused(sweep, message):
    assert message in refusal(sweep)


def test_a_parameter_cannot_be_swept_and_set_at_once():
    message = refusal({"parameter": SLOPE, "values": [0, 1]}, world_values={SLOPE: 0.2})
    assert message == f"sweep: '{SLOPE}' is set in world_values too; take it out of one of them"


def test_a_spec_without_a_sweep_keeps_its_keys(world):
    keys = keys_of(world)
    del keys["sweep"]
    assert "sweep" not in parse_spec(keys, "test").model_dump()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "returning.satisfactoin",
            r"unknown parameter 'returning.satisfactoin'; did you mean 'returning.satisfaction'\?",
        ),
        ("zzz", r"unknown parameter 'zzz'; assumed parameters: .*leaving\.skips"),
    ],
)
def test_an_unknown_parameter_is_refused_before_anything_is_written(world, tmp_path, name, message):
    with pytest.raises(SpecError, match=message):
        play(spec_of(world, parameter=name), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_fitted_parameter_is_refused(tmp_path):
    toy = toy_world()
    fitted = {SLOPE: toy.parameters[SLOPE].model_copy(update={"status": "fitted"})}
    save_world(type(toy)(**vars(toy) | {"parameters": toy.parameters | fitted}), tmp_path / "world")
    with pytest.raises(SpecError, match=f"'{SLOPE}' is fitted, not assumed; assumed parameters: "):
        plan_sweep(spec_of(str(tmp_path / "world")))


def test_a_value_out_of_the_plausible_range_is_noted_and_allowed(world):
    plan = plan_sweep(spec_of(world, values=[-1.0, 0.2, 9.0]))
    low, high = plan.parameter.low, plan.parameter.high
    span = f"lies outside its plausible range, {low:g} to {high:g}"
    assert plan.notes == [f"{SLOPE} = -1 {span}", f"{SLOPE} = 9 {span}"]


def test_each_value_reaches_the_world(world):
    spec = spec_of(world)
    assert [world_of(spec_at(spec, value)).value(SLOPE) for value in (0.0, 0.5)] == [0.0, 0.5]


def test_a_long_name_still_makes_a_spec_that_can_be_read(world):
    spec = parse_spec(keys_of(world) | {"name": "n" * 60}, "test")
    at = spec_at(spec, -0.123456789)
    assert parse_spec(at.model_dump(mode="json"), "again") == at
    assert at.name.endswith(f": {SLOPE} = -0.123457")


def test_there_is_one_run_folder_per_value_and_one_sweep(finished):
    assert {path.name for path in finished.iterdir()} == {"0.2", "9.0", "sweep.json", "sweep.html"}
    for value in ("0.2", "9.0"):
        spec = load_spec(str(finished / value / "spec.toml"))
        assert (spec.seed, spec.world_values, spec.sweep) == (5, {SLIP["parameter"]: float(value)}, None)


def test_the_sweep_says_what_the_reports_say(finished):
    sweep = load_sweep(finished)
    assert [(point.value, point.path) for point in sweep.points] == [(0.2, "0.2"), (9.0, "9.0")]
    for point in sweep.points:
        assert point.metrics == load_report(finished / point.path).metrics
    assert sweep.parameter.meaning == toy_world().parameters[SLIP["parameter"]].meaning


def test_a_parameter_that_plays_no_part_moves_no_number(finished):
    """With the same noise, what people say changes nothing of what they watch, to the last digit."""
    low, high = ({row.metric: row for row in point.metrics} for point in load_sweep(finished).points)
    assert low["AUT"].true_relative_effect is not None
    assert low == high


def test_the_command_prints_one_table_and_leaves_pages(ran):
    assert f"askew: {SLIP['parameter']} = 9 lies outside" in ran.warned
    assert "9, 2 of 2: the test" in ran.warned
    assert len(re.findall("True lift", ran.said)) == 1
    assert all(label in ran.said for label in ("AUT", "AVT", "P2N", "LT7"))
    assert max(map(len, ran.said.splitlines()[:-1])) <= 100
    for page in ("sweep.html", "0.2/report.html", "9.0/report.html"):
        assert (ran.out / page).stat().st_size > 1_000_000


def test_a_finished_sweep_resumed_prints_what_it_holds(finished, capsys):
    main(["run", str(finished.parent / "sweep.toml"), "--out", str(finished), "--resume", "--json"])
    assert json.loads(capsys.readouterr().out) == json.loads((finished / "sweep.json").read_text())


class StoppedError(Exception):
    pass


@pytest.mark.slow
def test_a_sweep_stopped_and_resumed_keeps_what_is_done_and_gives_the_same_bytes(world, finished, tmp_path):
    out, spec = tmp_path / "out", spec_of(world, **SLIP)
    shutil.copytree(finished / "0.2", out / "0.2")

    def stops(stage, done, total):
        if stage == "9, 2 of 2: the test" and done == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        play(spec, out, resume=True, bars=lambda: nullcontext(stops))
    assert [point.value for point in load_sweep(out).points] == [0.2]
    kept = (out / "0.2" / "report.json").stat().st_mtime_ns
    seen = []
    play(spec, out, resume=True, bars=lambda: nullcontext(lambda stage, done, total: seen.append(stage)))
    assert set(seen) == {"9, 2 of 2: the test", "9, 2 of 2: the report"}
    assert (out / "0.2" / "report.json").stat().st_mtime_ns == kept
    for name in ("sweep.json", "0.2/report.json", "9.0/report.json"):
        assert (out / name).read_bytes() == (finished / name).read_bytes()


def test_a_folder_in_use_is_refused(world, tmp_path):
    (tmp_path / "thesis.txt").write_text("do not lose")
    with pytest.raises(RunFolderError, match=r"holds thesis\.txt already; give an empty or new folder"):
        play(spec_of(world), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_resuming_where_nothing_is_refused(world, tmp_path):
    with pytest.raises(RunFolderError, match="holds no run of this sweep; leave out --resume"):
        play(spec_of(world), tmp_path / "out", resume=True)


def test_resuming_another_sweep_is_refused(world, finished):
    with pytest.raises(RunFolderError, match="differs from the spec given"):
        play(spec_of(world, parameter="leaving.skips", values=SLIP["values"]), finished, resume=True)


@pytest.mark.parametrize(("text", "message"), [(None, r"holds no sweep\.json"), ("{}", "format|name"), ("{", "JSON")])
def test_a_missing_or_damaged_sweep_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "sweep.json").write_text(text)
    with pytest.raises(RunFolderError, match=message):
        load_sweep(tmp_path)


def test_folders_of_values_are_told_apart_to_the_last_digit():
    assert folder_name(0.1) != folder_name(0.1 + 1e-16)
