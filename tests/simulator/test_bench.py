"""The bench: what it measures adds up, and comes out for people and for programs."""

import io
import json

import pytest
from rich.console import Console

from simulator import bench
from simulator.bench import BenchError, BenchRow, bench_json, bench_table, describe_machine, run_bench
from user_models.toy import toy_world

ROWS = [
    BenchRow("rollout, random", 1_234_567.8, "impressions/s", "2 × Any"),
    BenchRow("askew --help", 0.1234, "s", "2 × Any"),
]


@pytest.fixture
def quick(monkeypatch):
    """A bench of a few users, without a new process."""
    monkeypatch.setattr(bench, "_ENV_SECONDS", 0.2)
    monkeypatch.setattr(bench, "_TRAINING_USERS", 10)
    monkeypatch.setattr(bench, "startup_s", lambda: 0.5)


def test_every_figure_is_measured(quick):
    rows = run_bench(("random",), 40, toy_world())
    assert [(row.name, row.unit) for row in rows] == [
        ("rollout, random", "impressions/s"),
        ("environment", "steps/s"),
        ("peak memory", "MiB"),
        ("askew --help", "s"),
    ]
    assert all(row.value > 0 for row in rows)
    assert {row.machine for row in rows} == {describe_machine()}


def test_an_unknown_policy_is_refused_in_one_line(quick):
    with pytest.raises(BenchError, match=r"^policies: unknown policy 'randm'; did you mean 'random'\?$"):
        run_bench(("randm",), 40, toy_world())


def test_no_users_are_no_bench():
    with pytest.raises(BenchError, match="users: 0 given, want 1 or more"):
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
