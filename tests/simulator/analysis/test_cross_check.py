"""The two libraries agree to eight digits and more, and disagree where one is given something else."""

from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulator.analysis import cross_check
from simulator.analysis.cross_check import SecondReader, read_with_statsmodels
from simulator.metrics import METRICS, Ratio
from simulator.reports.report import Report
from simulator.statistics.comparison import CUPED_NORMAL, PLAIN_NORMAL, ArmSample, compare, difference_of
from simulator.statistics.moments import aggregates, bucket_spread

Z = stats.norm.isf(0.025)


@pytest.fixture
def buckets(resplits: ModuleType):
    """Both buckets by metric, of unequal sizes; one in twelve of those who like never hates."""
    people = resplits.population(3_000, 3)
    parts = {"a": slice(0, 1_100), "b": slice(1_100, None)}

    def bucket(metric: str, arm: str) -> ArmSample:
        test, before = (
            Ratio(r.numerator[parts[arm]], r.denominator[parts[arm]])
            for r in (people.test[metric], people.before[metric])
        )
        return ArmSample(arm, test, before)

    return bucket


@pytest.mark.parametrize("cuped", [False, True])
@pytest.mark.parametrize("metric", ["AUT", "AVT", "P2N"])
def test_both_libraries_say_the_same(buckets, metric: str, cuped: bool):
    a, b = buckets(metric, "a"), buckets(metric, "b")
    read = read_with_statsmodels(a, b, cuped=cuped)
    said = compare(a, b).cuped if cuped else compare(a, b).plain
    assert read.effect == pytest.approx(said.effect, rel=1e-8)
    ours = difference_of(
        CUPED_NORMAL if cuped else PLAIN_NORMAL, *(aggregates(bucket_spread(k.test, k.before)) for k in (a, b))
    )
    assert read.error == pytest.approx((ours.effect_high - ours.effect) / Z, rel=1e-8)


def test_a_report_holds_the_agreement(sample_report: Report):
    opinion = sample_report.second_opinion
    assert opinion.engine.startswith("statsmodels ")
    assert opinion.rows == 26
    assert opinion.effect_difference < 1e-8
    assert opinion.error_difference < 1e-8


def users_of(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"arm": np.array(["a", "b"])[np.arange(n) % 2], "days": 7, "pre_days": 7})
    return frame.assign(watch_s=rng.lognormal(0, 1, n), pre_watch_s=rng.lognormal(0, 1, n))


def spreads_of(users: pd.DataFrame, factor: float = 1.0):
    """As a report has them; `factor` makes them those of other users."""
    aut = METRICS["AUT"]
    mine = {arm: users.loc[users["arm"] == arm] for arm in "ab"}
    return {
        (arm, "AUT"): bucket_spread(
            Ratio(aut.ratio(f).numerator * (factor if arm == "b" else 1), aut.ratio(f).denominator),
            aut.ratio(f, "pre_"),
        )
        for arm, f in mine.items()
    }


def read(users: pd.DataFrame, factor: float = 1.0):
    reader = SecondReader(["a", "b"], (METRICS["AUT"],))
    for start in range(0, len(users), 150):
        reader.add(users.iloc[start : start + 150])
    return reader.ask(spreads_of(users, factor))


def test_other_numbers_are_found_out():
    users = users_of(500)
    assert read(users).effect_difference < 1e-8
    assert read(users, 1.001).effect_difference > 1e-3
    assert read(users, 1.001).error_difference > 1e-5


def test_too_many_users_are_said_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cross_check, "MOST_USERS", 400)
    assert read(users_of(500)).reason == "500 users, rows are kept up to 400"


def test_nothing_to_compare_is_said_so():
    users = users_of(500).assign(watch_s=0.0)
    assert read(users).reason == "nothing to compare: no metric has an interval"
