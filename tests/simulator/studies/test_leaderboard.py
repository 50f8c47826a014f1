"""A ranker examined: the plug-in that the documentation shows, installed, checked, asked and tested in one command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from policies.base import top_k
from simulator.cli.app import main
from simulator.errors import OfflineError, SpecError
from simulator.offline.source import LogSource
from simulator.reports.leaderboard import load_leaderboard
from simulator.reports.offline import Offline, PolicyRow
from simulator.studies import leaderboard
from simulator.studies.leaderboard import EvaluationPlan, build_leaderboard, check

ROOT = Path(__file__).parents[3]


class Repeats:
    """Breaks the contract."""

    def rank(self, obs, k, noise):
        return np.repeat(obs.candidates[:, :1], k, axis=1)


class Falls:
    """Falls over."""

    def rank(self, obs, k, noise):
        raise RuntimeError("on my own feet")


class Short:
    """Keeps the contract."""

    def rank(self, obs, k, noise):
        return top_k(obs, -obs.videos.duration_s[obs.candidates], k)


def silent(stage, done, total):
    pass


def by_name(cls):
    return f"{__name__}:{cls.__name__}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the example package, installed without network."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    command += ["--disable-pip-version-check", "--target", str(target), str(ROOT / "docs" / "plugin-example")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_the_example_package_is_known_by_name_and_keeps_the_contract(installed):
    code = (
        "from policies.registry import find_policy, known_policies\n"
        "from policies.testing.conformance import check_policy\n"
        "print(known_policies()['fresh'])\n"
        "check_policy(find_policy('fresh'))\n"
    )
    env = os.environ | {"PYTHONPATH": f"{installed}{os.pathsep}{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "plug-in askew_fresh:FreshTopics"


@pytest.mark.parametrize(
    ("policy", "message"),
    [(Repeats, "repeats a video"), (Falls, "fails with RuntimeError: on my own feet")],
)
def test_who_breaks_the_contract_goes_no_further(policy, message, tmp_path):
    with pytest.raises(OfflineError, match=message):
        check(by_name(policy), tmp_path / "out", silent)
    assert not (tmp_path / "out").exists()


def test_an_unknown_policy_is_refused_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "popula", "--out", str(tmp_path / "out")])
    assert end.value.code == 2
    assert "did you mean 'popular'?" in capsys.readouterr().err.splitlines()[-1]


@pytest.fixture
def played(monkeypatch, run_folder, tmp_path):
    """Tests that are played in no time: each is a copy of the sample run; returns what was played."""
    import shutil

    calls: list[str] = []

    def play(spec, folder, workers, progress, resume):
        calls.append(spec.arms[1].policy)
        shutil.copytree(run_folder, folder)
        from simulator.run import write_report

        write_report(folder)

    def ask(source, study, out, progress):
        mean = {"hr@10": 0.3, "ndcg@10": 0.2, "mrr": 0.1}
        rows = [PolicyRow(policy=name, seeds=1, mean=mean, standard_error={}) for name in study.policies]
        calls.append(f"offline of {len(rows)}")
        return Offline(
            data="made up", users=1, videos=1, views=1, negatives=99, core=5, rows=[], policies=rows, lead=None
        )

    monkeypatch.setattr(leaderboard, "run_to_folder", play)
    monkeypatch.setattr(leaderboard, "run_offline", ask)
    monkeypatch.setattr(leaderboard, "_tested_policies", lambda out: [])
    monkeypatch.setattr(leaderboard.RunFolder, "reopen", lambda path, spec: None)
    return calls


def test_each_step_is_done_once(played, tmp_path):
    plan = EvaluationPlan(LogSource("made up"), users=800, days=3)
    board = build_leaderboard(by_name(Short), plan, tmp_path, silent)
    assert load_leaderboard(tmp_path) == board
    assert played == [by_name(Short), "offline of 1"]
    build_leaderboard(by_name(Short), plan, tmp_path, silent)
    assert played == [by_name(Short), "offline of 1", "offline of 1"]


def test_the_leaderboard_holds_scores_and_effects(played, tmp_path):
    board = build_leaderboard(by_name(Short), EvaluationPlan(LogSource("made up"), users=800, days=3), tmp_path, silent)
    (entry,) = board.entries
    assert entry.offline["mrr"] == 0.1
    assert entry.effects["AUT"].true_lift == pytest.approx(0.05)
    assert entry.effects["AUT"].lift is not None


def test_all_shipped_policies_are_examined_on_request(played, tmp_path, monkeypatch):
    monkeypatch.setattr(leaderboard, "POLICIES", {"random": None, "popular": None})
    board = build_leaderboard(
        "random", EvaluationPlan(LogSource("made up"), users=800, days=3), tmp_path, silent, all_shipped=True
    )
    assert {entry.policy for entry in board.entries} == {"random", "popular"}


@pytest.mark.slow
def test_a_plug_in_is_evaluated_in_one_command(world, tmp_path, capsys, monkeypatch):
    small = lambda self, policy: original(self, policy).model_copy(  # noqa: E731
        update={"world": world, "videos": 600, "views_scale": 0.05, "pre_days": 1, "launch_days": 1}
    )
    original = EvaluationPlan.test_of
    monkeypatch.setattr(EvaluationPlan, "test_of", small)
    words = ["evaluate", by_name(Short), "--out", str(tmp_path / "out"), "--users", "150", "--days", "2"]
    words += ["--data", world, "--max-users", "150", "--workers", "1"]
    main(words)
    assert "NDCG@10" in capsys.readouterr().out
    main([*words, "--json"])
    board = json.loads(capsys.readouterr().out)
    assert [entry["policy"] for entry in board["entries"]] == [by_name(Short)]
    page = (tmp_path / "out" / "leaderboard.html").read_text()
    assert "Rankers against base" in page
    assert (tmp_path / "out" / board["entries"][0]["folder"] / "report.html").is_file()


def test_an_address_that_no_spec_takes_is_refused_in_one_line():
    plan = EvaluationPlan(LogSource("kuairand-pure"), 100, 1)
    with pytest.raises(SpecError, match=r"test of package\.x+:Ranker: arms\.1\.policy: .* at most 60 characters$"):
        plan.test_of(f"package.{'x' * 60}:Ranker")
