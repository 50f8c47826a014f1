"""A run from spec to report: the same bytes whatever the workers, interruptions and folders."""

import shutil

import pandas as pd
import pyarrow.parquet as pq
import pytest

from simulator.errors import RunFolderError, SpecError
from simulator.experiment.runner import prepare, world_of
from simulator.reports.report import load_report
from simulator.run import run_to_folder, write_report
from simulator.spec.experiment import load_spec, parse_spec


def spec_of(world, **changes):
    keys = {
        "name": "small",
        "seed": 5,
        "world": world,
        "users": 300,
        "videos": 150,
        "days": 2,
        "pre_days": 2,
        "launch_days": 1,
        "views_scale": 0.05,
        "candidates": 20,
        "pre_policy": "popular",
        "arms": [{"name": "control", "policy": "random"}, {"name": "treatment", "policy": "popular"}],
    }
    return parse_spec(keys | changes, "test")


def silent(stage, done, total):
    pass


def report_of(spec, folder, workers=2):
    run_to_folder(spec, folder, workers, silent)
    return (folder / "report.json").read_bytes()


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory):
    """A finished run of the small spec; do not write into it."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    report_of(spec_of(world, trace=0.1), folder)
    return folder


def test_same_seed_gives_the_same_bytes_with_one_worker_and_with_two(world, finished, tmp_path):
    again = report_of(spec_of(world, trace=0.1), tmp_path / "one", 1)
    assert again == (finished / "report.json").read_bytes()


def test_another_seed_gives_other_numbers(world, finished, tmp_path):
    report_of(spec_of(world, seed=6), tmp_path / "run")
    assert load_report(tmp_path / "run").metrics != load_report(finished).metrics


def test_arms_that_differ_in_their_training_seed_alone_are_trained_apart(world, tmp_path):
    base = {"policy": "base", "options": {"epochs": 1}}
    arms = [base | {"name": name, "training_seed": seed} for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    report_of(spec_of(world, arms=arms), tmp_path / "seeds")
    report = load_report(tmp_path / "seeds")
    found = {row.arm: row.true_relative_effect for row in report.metrics if row.metric == "AUT"}
    assert found["b"] == 0
    assert found["c"] != 0
    assert not report.health.a_a


@pytest.mark.parametrize(("policy", "options"), [("random", {}), ("popular", {}), ("base", {"epochs": 1})])
def test_equal_arms_have_a_true_effect_of_exactly_zero(world, tmp_path, policy, options):
    arms = [{"name": name, "policy": policy, "options": options} for name in "ab"]
    report_of(spec_of(world, arms=arms), tmp_path / "a_a")
    report = load_report(tmp_path / "a_a")
    known = [row.true_relative_effect for row in report.metrics if row.true_relative_effect is not None]
    assert report.health.a_a
    assert len(known) > 5
    assert set(known) == {0.0}


def test_a_learning_arm_gets_a_mixed_world_of_its_own(finished):
    tables = sorted(path.name for path in (finished / "user_days").iterdir())
    assert [name for name in tables if name.startswith("world")] == [
        f"world{w}-{d:04d}-0000.parquet" for w in range(3) for d in range(2)
    ]


def test_the_oracle_has_a_higher_true_click_rate_than_random(world, tmp_path):
    arms = [{"name": "control", "policy": "random"}, {"name": "oracle", "policy": "oracle"}]
    report_of(spec_of(world, arms=arms), tmp_path / "run")
    rows = {row.metric: row for row in load_report(tmp_path / "run").metrics}
    assert rows["click_rate"].true_relative_effect > 0.2


def test_a_folder_in_use_is_refused_and_left_as_it_was(world, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("do not lose")
    with pytest.raises(RunFolderError, match=r"holds thesis\.txt already; give an empty or new folder"):
        run_to_folder(spec_of(world), tmp_path / "taken", 1, silent)
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["thesis.txt"]


def test_resuming_with_another_spec_is_refused(world, finished):
    with pytest.raises(RunFolderError, match="differs from the spec given"):
        run_to_folder(spec_of(world, seed=6), finished, 1, silent, resume=True)


def test_resuming_where_nothing_is_refused(world, tmp_path):
    with pytest.raises(RunFolderError, match="holds no run to resume"):
        run_to_folder(spec_of(world), tmp_path / "nothing", 1, silent, resume=True)


def test_the_report_can_be_written_anew(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    before = (finished / "report.json").read_bytes()
    (tmp_path / "run" / "report.json").unlink()
    write_report(tmp_path / "run")
    assert (tmp_path / "run" / "report.json").read_bytes() == before


def test_the_spec_is_kept_as_run(world, finished):
    assert load_spec(str(finished / "spec.toml")) == spec_of(world, trace=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"world_values": {"leaving.satisfacton": 0.3}}, "unknown parameter 'leaving.satisfacton'"),
        ({"world_values": {"questionnaire.strong_share": 1.5}}, "'questionnaire.strong_share' is 1.5, want 0 to 1"),
        ({"world_values": {"questionnaire.strong_displeased": -2.0}}, "strong_displeased' is -2, want -1 to 1000"),
        ({"arms": [{"name": "a", "policy": "random"}, {"name": "b", "policy": "randm"}]}, "arm 'b': .*random"),
        ({"arms": [{"name": "a", "policy": "random"}, {"name": "b", "policy": "oracle", "options": {"x": 1}}]}, "'x'"),
        (
            {
                "arms": [
                    {"name": "a", "policy": "random"},
                    {"name": "b", "policy": "oracle", "options": {"attraction": 1}},
                ]
            },
            "'attraction'",
        ),
        ({"users": 2, "arms": [{"name": n, "policy": "random"} for n in "abc"]}, "gets none of them"),
    ],
)
def test_a_spec_that_cannot_be_run_is_refused_before_anything_is_played(world, changes, message):
    spec = spec_of(world, **changes)
    with pytest.raises(SpecError, match=message):
        prepare(spec, world_of(spec))


def test_trace_rows_are_kept_for_the_share_asked_for(finished):
    trace = pq.read_table(finished / "trace" / "world0-0000-0000.parquet").to_pandas()
    share = trace["user_id"].nunique() / 300
    assert share == pytest.approx(0.1, abs=3.29 * (0.1 * 0.9 / 300) ** 0.5)
    assert {"true_satisfaction", "click", "watch_s"} <= set(trace.columns)


def test_nothing_but_the_run_folder_is_written(finished):
    assert [path.name for path in finished.parent.iterdir()] == ["run"]
    names = {path.name for path in finished.iterdir()}
    tables = {"user_days", "trace", "answering", "users.parquet"}
    assert names == tables | {"spec.toml", "versions.json", "checkpoints", "report.json"}
    assert not list(finished.rglob(".*"))


def test_questionnaires_in_two_forms_change_who_answers_and_nothing_else(world, finished, tmp_path):
    """The scorecard's behaviour is as without; the report's counts by form are those of the buckets' user-days."""
    strong = {"questionnaire.strong_share": 0.5}
    report_of(spec_of(world, world_values=strong), tmp_path / "strong")
    report, plain = load_report(tmp_path / "strong"), load_report(finished)
    untouched = {row.metric for row in plain.metrics} - {"answer_rate"}
    assert [row for row in report.metrics if row.metric in untouched] == [
        row for row in plain.metrics if row.metric in untouched
    ]
    days = pd.concat(map(pd.read_parquet, sorted((tmp_path / "strong" / "user_days").glob("*.parquet"))))
    own = days[(days["day"] >= 0) & (days["world"] == "mixed")]  # `popular` learns
    asked = own.groupby("bucket", observed=True)[["strong_asked", "strong_answered"]].sum()
    assert report.answering.forms.strong_asked == asked["strong_asked"].to_dict()
    assert report.answering.forms.strong_answered == asked["strong_answered"].to_dict()
    assert {row.estimator for row in report.answering.forms.shares} >= {"strong", "line", "probit"}
    assert not any(plain.answering.forms.strong_asked.values())
    true = {row.arm: row.true_asked for row in report.questionnaire}
    for row in report.answering.forms.shares:
        assert row.true == pytest.approx(true[row.arm])
