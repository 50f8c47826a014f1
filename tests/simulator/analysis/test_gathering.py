"""Sums of a run beside a plain computation with pandas over all rows at once."""

from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from simulator.analysis.accumulator import Tallies, gather
from simulator.analysis.scopes import BEFORE, TEST, Scope, of_day, of_look, of_segment
from simulator.metrics import METRICS, PRE
from simulator.spec.experiment import load_spec
from simulator.statistics.groups import group_of, metric_moments
from simulator.statistics.moments import Moments
from simulator.statistics.paired import paired_spread

ARMS = ("base", "x", "y")
PLAN = {"users": 700, "days": 5, "pre_days": 3, "arms": ARMS, "policies": ("base", "base", "popular")}
KEYS = ["user_id", "bucket", "segment"]


@pytest.fixture(scope="module")
def rows(sample_run: ModuleType) -> pd.DataFrame:
    rows = sample_run.sample_rows(sample_run.SamplePlan(**PLAN, mixed=True))
    louder = (rows["world"] == "mixed") & (rows["bucket"] == "x")
    return rows.assign(watch_s=rows["watch_s"].where(~louder, 1.5 * rows["watch_s"]))


@pytest.fixture(scope="module")
def tallies(sample_run: ModuleType, rows: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Tallies:
    folder = tmp_path_factory.mktemp("gathered")
    sample_run.write_settings(folder, sample_run.SamplePlan(**PLAN))
    sample_run.write_rows(folder, rows, 3)
    return gather(folder, load_spec(str(folder / "spec.toml")), ("user_active_degree",), 96)


def users_of(rows: pd.DataFrame, world: str, days: range) -> pd.DataFrame:
    """Totals by user in one world over some days."""
    chosen = rows[(rows["world"] == world) & rows["day"].isin(days)]
    numbers = chosen.assign(active_days=chosen["active"].astype(int), days=1)
    totals = numbers.groupby(KEYS).sum(numeric_only=True).reset_index().sort_values("user_id", ignore_index=True)
    return totals.drop(columns=["day"])


@pytest.mark.parametrize(
    ("scope", "days", "metrics"),
    [
        (TEST, range(5), ("AUT", "AVT", "P2N", "LT7", "hates_per_1000_views", "answer_rate")),
        (of_day(3), range(3, 4), ("AUT", "P2N", "active_share", "skip_rate")),
        (of_look(2), range(2), ("AUT", "AVT", "P2N")),
        (of_segment("user_active_degree", "low_active"), range(5), ("AUT", "AVT")),
    ],
)
def test_moments_are_those_of_all_rows(
    tallies: Tallies, rows: pd.DataFrame, scope: Scope, days: range, metrics: tuple[str, ...]
):
    before = users_of(rows, "pre", range(-3, 0))
    worlds = {arm: users_of(rows, f"all:{arm}", days) for arm in ARMS}
    users = users_of(rows, "mixed", days)
    inside = np.ones(700, bool) if not scope.level else (users["segment"] == scope.level).to_numpy()
    for key in metrics:
        metric = METRICS[key]
        for arm in ARMS:
            mine = inside & (users["bucket"] == arm).to_numpy()
            sides = metric.ratio(users[mine]), metric.ratio(before[mine].add_prefix(PRE), PRE)
            plain = metric_moments(*sides, group_of(users["user_id"].to_numpy()[mine]))
            compare(vars(tallies.bucket(scope, arm, key)), vars(plain))
        for arm in ARMS[1:]:
            plain_pair = paired_spread(*(metric.ratio(worlds[each][inside]) for each in ("base", arm)))
            compare(vars(tallies.pair(scope, arm, key)), vars(plain_pair))


def compare(ours: dict[str, np.ndarray], plain: dict[str, np.ndarray]):
    assert ours.keys() == plain.keys()
    for name, values in plain.items():
        scale = np.abs(values)[np.isfinite(values)].max(initial=0.0)
        np.testing.assert_allclose(ours[name], values, rtol=1e-10, atol=1e-11 * scale, err_msg=name)


def test_the_time_before_has_two_columns(tallies: Tallies, rows: pd.DataFrame):
    before = users_of(rows, "pre", range(-3, 0))
    for arm in ARMS:
        mine = before[before["bucket"] == arm]
        plain = metric_moments(METRICS["AVT"].ratio(mine), None, group_of(mine["user_id"].to_numpy()))
        compare(vars(tallies.bucket(BEFORE, arm, "AVT")), vars(plain))


def test_shifts_and_ends_are_those_of_all_rows(tallies: Tallies, rows: pd.DataFrame):
    assert tallies.shifts is not None
    assert tallies.ends is not None
    spans = {name: users_of(rows, "mixed", days) for name, days in (("early", range(2)), ("late", range(3, 5)))}
    mixed = users_of(rows, "mixed", range(5))
    for arm in ARMS:
        mine = (mixed["bucket"] == arm).to_numpy()
        alone = METRICS["P2N"].ratio(users_of(rows, f"all:{arm}", range(5))[mine])
        compare(vars(tallies.shifts.moments(arm, "P2N")), vars(paired_spread(alone, METRICS["P2N"].ratio(mixed[mine]))))
        early, late = (METRICS["AVT"].ratio(span[mine]) for span in spans.values())
        plain = Moments.of((early.numerator, early.denominator, late.numerator, late.denominator))
        compare(vars(tallies.ends.moments(arm, "AVT")), vars(plain))


def test_sizes_are_counted(tallies: Tallies, rows: pd.DataFrame):
    users = rows.drop_duplicates("user_id")
    assert tallies.sizes == users["bucket"].value_counts()[list(ARMS)].to_dict()
    levels = users.groupby(["segment", "bucket"]).size()
    assert {
        (level, arm): n for level, by_arm in tallies.levels("user_active_degree").items() for arm, n in by_arm.items()
    } == levels.to_dict()


def test_questionnaires_are_those_of_all_rows(tallies: Tallies, rows: pd.DataFrame):
    users = users_of(rows, "mixed", range(5))
    for place, arm in enumerate(ARMS):
        mine = users[users["bucket"] == arm]
        assert tallies.funnel[place, :2].tolist() == mine[["asked", "answered"]].sum().tolist()
        np.testing.assert_allclose(tallies.answers[arm].total.sum(axis=0)[3], mine["answer_weight"].sum(), rtol=1e-10)
        watched = mine["watch_s"] / 5
        assert tallies.watched[arm].n == len(watched)
        assert tallies.watched[arm].quantile(np.array([0.5]))[0] == pytest.approx(watched.median(), rel=0.03)
