"""Policies are asked, their ranks become figures, and nothing is computed twice."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from policies.base import top_k
from policies.registry import build_policy
from simulator.errors import OfflineError, RunFolderError
from simulator.offline import evaluate as study_module
from simulator.offline.evaluate import Study, compare, run_offline, trainable
from simulator.offline.metrics import by_user, paired_p, standard_error
from simulator.offline.protocol import ProtocolRules, draw_candidates, make_task
from simulator.offline.ranking import EXTRA_OPTIONS, RankingResult, rank_held_out
from simulator.offline.source import LogSource
from simulator.offline.store import Protocol, ResultStore
from simulator.reports.offline import METRICS, TRUE, TRUTH, load_offline, rows_json


class Backwards:
    """The largest number first: a plug-in by its address."""

    def rank(self, obs, k, noise):
        return top_k(obs, obs.candidates.astype(np.float32), k)


class Blind:
    """Offers videos that nobody offered."""

    def rank(self, obs, k, noise):
        return obs.candidates[:, :k] + 1000


class Refuses:
    """Cannot be fitted."""

    def rank(self, obs, k, noise):
        raise ValueError("line one\nline two")


def by_name(cls):
    return f"{__name__}:{cls.__name__}"


def silent(stage, done, total):
    pass


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("hr@1", [1, 0, 0, 0]),
        ("hr@5", [1, 1, 1, 0]),
        ("hr@10", [1, 1, 1, 0]),
        ("ndcg@5", [1, 1 / np.log2(3), 1 / np.log2(6), 0]),
        ("ndcg@10", [1, 1 / np.log2(3), 1 / np.log2(6), 0]),
        ("mrr", [1, 1 / 2, 1 / 5, 1 / 100]),
    ],
)
def test_metrics_by_hand(metric, values):
    assert by_user(np.array([1, 2, 5, 100]), metric).tolist() == pytest.approx(values)


def test_standard_errors_are_over_seeds():
    assert standard_error(np.array([0.1, 0.3])) == pytest.approx(0.1)
    assert standard_error(np.array([0.1])) is None


def test_the_lead_is_tested_user_by_user():
    one, other = np.array([0.5, 0.6, 0.9, 0.2]), np.array([0.4, 0.7, 0.1, 0.1])
    assert paired_p(one, other) == pytest.approx(stats.ttest_1samp(one - other, 0).pvalue)
    assert paired_p(one, one) is None


def test_popularity_finds_planted_hits(planted):
    """There are thirty hits; popularity puts them first, so a fan's test is among the first thirty, mostly sooner."""
    task = make_task(planted, ProtocolRules())
    assert rank_held_out(task, "popular", 0).rank[:100].max() <= 30
    chance = rank_held_out(task, "random", 0).rank
    assert abs(chance.mean() - 50.5) < 3.29 * np.sqrt((100**2 - 1) / 12 / len(chance))


def test_sequence_rankers_find_planted_hits(planted):
    """A fan's test is nearer to where it is if all hits come first than to where chance puts it."""
    task = make_task(planted, ProtocolRules())
    hits, chance = (1 + 30) / 2, (1 + 100) / 2
    assert rank_held_out(task, "stamp", 0).rank[:100].mean() < (hits + chance) / 2


@pytest.mark.parametrize("name", EXTRA_OPTIONS)
def test_what_is_taught_for_the_comparison_are_options(name):
    policy, usual = build_policy(name, EXTRA_OPTIONS[name]), build_policy(name, {})
    assert {key: getattr(policy, key) for key in EXTRA_OPTIONS[name]} == EXTRA_OPTIONS[name]
    assert all(getattr(usual, key) != value for key, value in EXTRA_OPTIONS[name].items())


def test_a_plug_in_is_asked_by_its_address(planted):
    task = make_task(planted, ProtocolRules())
    candidates = draw_candidates(task, 0)
    larger = (candidates > task.tests.video_id[:, None]).sum(axis=1)
    assert np.array_equal(rank_held_out(task, by_name(Backwards), 0).rank, 1 + larger)


def test_the_truth_ranks_by_itself_and_scores_one(planted):
    truth = lambda user, video: ((7 * video) % 50 + 0 * user[:, None]).astype(np.float32)  # noqa: E731
    task = make_task(replace(planted, satisfaction=truth), ProtocolRules())
    assert rank_held_out(task, TRUTH, 0).true_gain == pytest.approx(1)
    assert abs(rank_held_out(task, "random", 0).true_gain) < 0.2


def test_no_policy_is_handed_the_truth(planted):
    """A policy sees the log and observations alone: neither holds what the truth is made of."""
    task = make_task(
        replace(planted, satisfaction=lambda user, video: (video * 1.0).astype(np.float32)), ProtocolRules()
    )
    assert set(vars(task.train)) == {"feedback", "users", "videos"}


@pytest.mark.parametrize(
    ("policy", "message"), [(Blind, "was not on offer"), (Refuses, r"^policy '.*Refuses': line one line two$")]
)
def test_a_policy_that_breaks_its_contract_is_named(planted, policy, message):
    with pytest.raises(OfflineError, match=message):
        rank_held_out(make_task(planted, ProtocolRules()), by_name(policy), 0)


@pytest.fixture
def read(planted, monkeypatch):
    """The planted log is what any source gives."""
    monkeypatch.setattr(study_module, "read_source", lambda source, progress: planted)


def test_an_evaluation_is_kept_and_read_back(read, tmp_path):
    result = run_offline(LogSource("any"), Study(("popular", "random"), seeds=2), tmp_path / "out", silent)
    assert load_offline(tmp_path / "out") == result
    assert [row.policy for row in result.policies] == ["popular", "random"]
    assert result.lead is not None
    assert (result.lead.best, result.lead.users) == ("popular", result.users)
    rows = json.loads(rows_json(result.rows))
    assert [set(row) for row in rows] == [{"policy", "seed", *METRICS}] * 4
    popular = [row["mrr"] for row in rows if row["policy"] == "popular"]
    assert result.policies[0].mean["mrr"] == pytest.approx(np.mean(popular))
    assert result.policies[0].standard_error["mrr"] == pytest.approx(np.std(popular, ddof=1) / np.sqrt(2))


def test_nothing_is_computed_twice(read, tmp_path, monkeypatch):
    first = run_offline(LogSource("any"), Study(("popular",)), tmp_path / "out", silent)
    asked = []
    monkeypatch.setattr(
        study_module,
        "rank_held_out",
        lambda task, name, seed: asked.append((name, seed)) or rank_held_out(task, name, seed),
    )
    again = run_offline(LogSource("any"), Study(("popular", "random"), seeds=2), tmp_path / "out", silent)
    assert asked == [("random", 0), ("popular", 1), ("random", 1)]
    assert again.rows[0] == first.rows[0]


def test_an_interrupted_evaluation_goes_on(read, tmp_path, monkeypatch):
    def interrupted(task, name, seed):
        if name == "random":
            raise KeyboardInterrupt
        return rank_held_out(task, name, seed)

    monkeypatch.setattr(study_module, "rank_held_out", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_offline(LogSource("any"), Study(("popular", "random")), tmp_path / "out", silent)
    monkeypatch.setattr(study_module, "rank_held_out", rank_held_out)
    went_on = run_offline(LogSource("any"), Study(("popular", "random")), tmp_path / "out", silent)
    assert went_on == run_offline(LogSource("any"), Study(("popular", "random")), tmp_path / "other", silent)


def test_another_protocol_is_refused_in_one_line(read, tmp_path):
    run_offline(LogSource("any"), Study(("random",)), tmp_path, silent)
    with pytest.raises(OfflineError, match=r"negatives is 99 there, but 50 now; give another --out") as error:
        run_offline(LogSource("any"), Study(("random",), rules=ProtocolRules(negatives=50)), tmp_path, silent)
    assert "\n" not in str(error.value)


def test_another_log_is_refused(planted, tmp_path):
    task = make_task(planted, ProtocolRules())
    ResultStore.open(tmp_path, Protocol.of(task))
    changed = replace(task.train.feedback, watch_s=task.train.feedback.watch_s + 1)
    other = replace(task, train=replace(task.train, feedback=changed))
    with pytest.raises(OfflineError, match="content is"):
        ResultStore.open(tmp_path, Protocol.of(other))


def test_a_damaged_answer_is_refused(read, tmp_path):
    run_offline(LogSource("any"), Study(("random",)), tmp_path, silent)
    (answer,) = (tmp_path / "answers").iterdir()
    answer.write_text(answer.read_text()[:50])
    with pytest.raises(RunFolderError, match=r"cannot be read .*; delete it, and it is computed anew"):
        run_offline(LogSource("any"), Study(("random",)), tmp_path, silent)


def test_a_folder_with_something_else_is_refused(read, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunFolderError, match=r"holds thesis\.txt already"):
        run_offline(LogSource("any"), Study(("random",)), tmp_path, silent)


def test_one_policy_has_no_lead(planted):
    protocol = Protocol.of(make_task(planted, ProtocolRules()))
    alone = compare(protocol, {"popular": [RankingResult(np.array([1, 2]), None)]})
    assert alone.lead is None
    assert alone.metrics == METRICS


def test_true_satisfaction_is_a_metric_where_it_is_known(planted):
    protocol = Protocol.of(make_task(planted, ProtocolRules()))
    found = {name: [RankingResult(np.array([1, 2]), 0.5)] for name in ("popular", TRUTH)}
    result = compare(protocol, found)
    assert result.metrics == (*METRICS, TRUE)
    assert result.lead is None


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"policies": ("a", "a")}, "all different"), ({"policies": ()}, "one or more"), ({"seeds": 0}, "at least 1")],
)
def test_a_study_that_cannot_be_done_is_refused(wrong, message):
    with pytest.raises(OfflineError, match=message):
        Study(**{"policies": ("random",)} | wrong)


def test_an_unknown_policy_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(OfflineError, match="did you mean 'popular'"):
        run_offline(LogSource("nowhere"), Study(("popula",)), tmp_path / "out", silent)
    assert not (tmp_path / "out").exists()


def test_all_shipped_policies_that_learn_are_asked_by_default():
    assert {"popular", "base", "satisfaction"} <= set(trainable())
    assert "random" not in trainable()
