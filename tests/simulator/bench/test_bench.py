"""The bench: what it measures adds up, and comes out for people and for programs."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from policies.registry import POLICIES
from simulator.analysis.summarise import summarise
from simulator.bench import bench, policy_speeds
from simulator.bench.bench import (
    BenchRow,
    bench_json,
    bench_table,
    describe_machine,
    run_bench,
    run_growth,
    usual_policies,
)
from simulator.bench.growth import Cost, GrowthRun, trials
from simulator.bench.made_up_run import make_run_folder
from simulator.bench.policy_speeds import BenchError
from user_models.testing import toy_world

ROWS = [
    BenchRow("rollout, random", 1_234_567.8, "impressions/s", "2 × Any"),
    BenchRow("askew --help", 0.1234, "s", "2 × Any"),
]


@pytest.fixture
def quick(monkeypatch):
    """A bench of a few users, without a new process."""
    monkeypatch.setattr(bench, "_ENV_SECONDS", 0.2)
    monkeypatch.setattr(bench, "_NUM_ENVS", (16, 32))
    monkeypatch.setattr(policy_speeds, "TRAINING_USERS", 10)
    monkeypatch.setattr(bench, "_READOUT_USERS", 400)
    monkeypatch.setattr(bench, "startup_s", lambda: 0.5)
    monkeypatch.setattr(bench, "run_trial", lambda trial, world: Cost(trial, 3.0, 100.0))
    monkeypatch.setattr(bench, "run_trials", lambda wanted, world: [Cost(trial, 3.0, 100.0) for trial in wanted])


def test_every_figure_is_measured(quick):
    rows = run_bench(("random",), 40, toy_world())
    assert [(row.name, row.unit) for row in rows] == [
        ("rollout, random", "impressions/s"),
        ("environment", "steps/s"),
        ("16 environments at once", "impressions/s"),
        ("32 environments at once", "impressions/s"),
        ("report of 400 users", "user-days/s"),
        ("peak memory", "MiB"),
        ("askew --help", "s"),
        ("run of 1,000 users, 2 days, 2 arms, 2 workers", "s"),
    ]
    assert all(row.value > 0 for row in rows)
    assert {row.machine for row in rows} == {describe_machine()}


def test_a_trained_policy_has_the_time_of_its_fit_and_of_what_it_read(quick):
    names = {row.name: row for row in run_bench(("thompson",), 40, toy_world())}
    (fit,) = (row for name, row in names.items() if name.startswith("fit on "))
    assert fit.name.endswith(" views, thompson")
    assert int(fit.name.split()[2].replace(",", "")) >= 10
    assert (fit.unit, fit.value > 0) == ("s", True)


def test_growth_gives_time_and_memory_of_every_run(quick):
    rows = run_growth(GrowthRun(users=500, workers=2), (500, 1_000))
    names = {row.name for row in rows}
    assert len(names) == 5
    assert len(rows) == 3 * len(names)
    costs = {row.unit: row.value for row in rows if row.name == GrowthRun(users=500).name}
    assert costs == {"s": 3.0, "MiB": 100.0, "µs/user-day": pytest.approx(3e6 / (500 * 8))}


def test_one_thing_grows_at_a_time_and_no_further_than_memory():
    base = GrowthRun(users=500)
    grown = trials(base, (500, 1_000, 10**12))
    assert grown == [
        base,
        GrowthRun(users=1_000),
        GrowthRun(users=500, days=4),
        GrowthRun(users=500, arms=4),
        GrowthRun(users=500, workers=1),
    ]


def test_a_made_up_run_has_a_report_without_doubts_about_its_rows(tmp_path):
    n_rows = make_run_folder(tmp_path / "run", 2_500, np.random.default_rng(0))
    report = summarise(tmp_path / "run")
    assert n_rows == 25_000
    assert report.users == 2_500
    assert [arm.users for arm in report.arms] == [1_250, 1_250]


def test_the_usual_policies_are_those_that_there_are():
    assert {"random", "popular", "base"} <= set(usual_policies()) <= set(POLICIES)


def test_an_unknown_policy_is_refused_in_one_line(quick):
    with pytest.raises(BenchError, match=r"^policies: unknown policy 'randm'; did you mean 'random'\?$"):
        run_bench(("randm",), 40, toy_world())


def test_no_users_are_no_bench():
    with pytest.raises(BenchError, match="users: 0 given, want 2 or more"):
        run_bench(("random",), 0, toy_world())


def test_json_is_a_list_of_rows():
    assert json.loads(bench_json(ROWS))[0] == {
        "name": "rollout, random",
        "value": 1_234_567.8,
        "unit": "impressions/s",
        "machine": "2 × Any",
    }


def test_the_table_shows_values_with_their_units():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(bench_table(ROWS))
    shown = console.export_text()
    assert "2 × Any" in shown
    assert "1,234,568" in shown
    assert "0.123" in shown


def test_the_machine_has_processors():
    count, _, model = describe_machine().partition(" × ")
    assert int(count) >= 1
    assert model
