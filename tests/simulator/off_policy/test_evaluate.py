"""From a run's folder to off-policy estimates beside the truth, and what is refused."""

import json

import numpy as np
import pyarrow.dataset as ds
import pytest

from simulator.cli.app import main
from simulator.cli.engines import choose_engine
from simulator.errors import OfflineError, RunFolderError, SpecError
from simulator.off_policy.evaluate import Question, evaluate
from simulator.run import run_with
from simulator.spec.experiment import parse_spec
from user_models.testing import toy_world
from user_models.world.store import save_world

PLUG_IN = """
import numpy as np
from policies import top_k


class LengthRanker:
    def __init__(self, sign=1.0):
        self.sign = sign

    def scores(self, obs):
        return (self.sign * np.log(obs.videos.duration_s[obs.candidates])).astype(np.float32)

    def rank(self, obs, k, noise):
        return top_k(obs, self.scores(obs), k)
"""
NAMES = ("SIPS", "IIPS", "RIPS", "Cascade-DR")
LONG_FIRST = "length_ranker:LengthRanker"


def quiet(*_words):
    """Progress that is not shown."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two days of 200 users, logged by random, half-long and half-short slates."""
    folder = tmp_path_factory.mktemp("logged")
    (folder / "length_ranker.py").write_text(PLUG_IN)
    save_world(toy_world(), folder / "world")
    ranker = {"ranker": LONG_FIRST}
    spec = {
        "name": "logged", "world": str(folder / "world"), "users": 200, "videos": 60, "candidates": 10, "slate_size": 3,
        "days": 2, "pre_days": 1, "launch_days": 1, "trace": 1.0, "pre_policy": "random",
        "arms": [
            {"name": "long", "policy": "softmax", "options": {**ranker, "temperature": 1.0}},
            {"name": "short", "policy": "epsilon", "options": {**ranker, "epsilon": 0.5, "options": {"sign": -1.0}}},
            {"name": "fixed", "policy": LONG_FIRST},
            {"name": "counting", "policy": "popular"},
        ],
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        run_with(choose_engine("local", 1, None), parse_spec(spec, "test"), folder / "run", quiet)
        yield folder / "run"


def estimates(result, unit):
    """Estimates by name."""
    return {row.estimator: row for row in result.estimates if row.unit == unit}


def truths(result, unit):
    """True values by course of events."""
    return {row.where: row for row in result.truths if row.unit == unit}


def test_unbiased_estimators_find_the_true_value(run):
    result = evaluate(run, Question("short", "long"), 1, quiet)
    rows = estimates(result, "first view")
    for name in ("IPS", "SNIPS", "DR"):
        assert abs(rows[name].gap) < 4 * rows[name].gap_se
        assert rows[name].low < rows[name].value < rows[name].high
    assert 0 < rows["IPS"].effective < result.slates
    sessions = estimates(result, "session")
    assert abs(sessions["SIPS"].gap) < 4 * sessions["SIPS"].gap_se


def test_the_logging_policy_is_worth_the_mean_of_its_log(run):
    result = evaluate(run, Question("long", "long"), 1, quiet)
    trace = ds.dataset(run / "trace").to_table(filter=ds.field("world") == "all:long").to_pandas()
    first = trace[trace["position"] == 0]
    assert (result.views, result.slates) == (len(trace), len(first))
    rows = estimates(result, "first view")
    for name in ("IPS", "SNIPS"):
        assert rows[name].value == pytest.approx(first["click"].mean())
    assert rows["IPS"].effective == pytest.approx(result.slates)
    assert truths(result, "first view")["logging policy"].value == pytest.approx(first["click"].mean())
    assert truths(result, "view")["logging policy"].value == pytest.approx(trace["click"].mean())


def test_the_truth_is_what_the_policy_earns_in_its_own_timeline(run):
    result = evaluate(run, Question("short", "long", reward="watch_s"), 1, quiet)
    trace = ds.dataset(run / "trace").to_table(filter=ds.field("world") == "all:short").to_pandas()
    assert truths(result, "view")["policy in its own course"].value == pytest.approx(trace["watch_s"].mean(), rel=1e-5)


def test_users_that_are_not_looked_at_change_nothing_of_the_others(run):
    few = evaluate(run, Question("short", "long", users=50), 1, quiet)
    again = evaluate(run, Question("short", "long", users=50), 2, quiet)
    assert few.users == 50
    assert few == again
    assert np.isfinite([row.se for row in estimates(few, "first view").values()]).all()


def test_the_command_writes_what_it_prints(run, tmp_path, capsys):
    main(["ope", str(run), "--policy", "short", "--users", "60", "--out", str(tmp_path / "out"), "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "off_policy.json").read_text())
    assert (printed["logging"], printed["policy"], printed["users"]) == ("long", "short", 60)
    main(["ope", str(run), "--policy", "short", "--users", "60", "--out", str(tmp_path / "out")])
    assert "click of 'short' from the log of 'long': 60 users" in capsys.readouterr().out


def test_where_no_logged_slate_is_the_policys_own_nothing_is_estimated(run, monkeypatch):
    monkeypatch.setattr(
        "simulator.off_policy.compare._counted", lambda weights: dict.fromkeys(NAMES, np.zeros(len(weights.at_place)))
    )
    rows = estimates(evaluate(run, Question("short", "long", users=40), 1, quiet), "session")
    assert {row.value for row in rows.values()} == {row.se for row in rows.values()} == {None}


@pytest.mark.parametrize(
    ("question", "error", "words"),
    [
        (Question("short", "fixed"), OfflineError, "tells no chances of its slates; want an arm with policy"),
        (Question("short", "lnog"), SpecError, "--arm: 'lnog' given; did you mean 'long'"),
        (Question("counting", "long"), OfflineError, "learns during the test; want one that stays as it was trained"),
        (Question("short", "long", reward="likes"), SpecError, "--reward: 'likes' given, want one of click"),
        (Question("shrt", "long"), SpecError, "unknown policy 'shrt'"),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_one_line(run, question, error, words):
    with pytest.raises(error, match=words) as refusal:
        evaluate(run, question, 1, quiet)
    assert "\n" not in str(refusal.value)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="holds no run; give the folder of a run"):
        evaluate(tmp_path, Question("short"), 1, quiet)
