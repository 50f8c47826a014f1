"""Many splits at once say what one split at a time says, digit by digit, and cover what is true."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from simulator.analysis.analyse import analyse
from simulator.errors import RunFolderError
from simulator.metrics import METRICS, PRE, scorecard_metrics
from simulator.reports.audit import RESPLITS
from simulator.runs.user_day_reader import TOTALS
from simulator.spec.experiment import load_spec
from simulator.statistics.groups import GROUPS
from simulator.statistics.paired import true_effect
from simulator.statistics.resplits import Block, Readings, SplitDesign
from simulator.studies.audit.error_rates import audit_row
from simulator.studies.audit.methods import Z, apply_stopping_rule
from simulator.studies.audit.readings import SplitReader, resplit
from simulator.studies.potential_outcomes import AllPotentialOutcomes, PotentialOutcomes, read_outcomes

FIELDS = ("relative_effect", "ci_low", "ci_high", "p_value")
R = 3.29


@pytest.fixture(scope="module")
def spec(run_folder):
    return load_spec(str(run_folder / "spec.toml"))


@pytest.fixture(scope="module")
def lives(run_folder, spec):
    return read_outcomes(run_folder, spec)


@pytest.fixture(scope="module")
def buckets(lives):
    return np.random.default_rng(3).integers(0, 2, (4, len(lives.bucket)))


@pytest.fixture(scope="module")
def read(lives, buckets):
    """Evidence of those splits by metric and method."""
    return {(e.metric.key, e.method): e for e in SplitReader(lives).read(buckets)}


def split_frame(lives, bucket, treatment):
    """One row per user as the split shows it, treatment's users taken from that arm's world."""
    control = lives.truth["base"].users.assign(arm="base")
    other = lives.truth[treatment].users.assign(arm="treatment")
    return pd.concat([control[bucket == 0], other[bucket == 1]])


@pytest.mark.parametrize("world", ["base", "treatment"])
def test_every_split_says_what_the_readout_says(lives, buckets, read, world):
    for at, bucket in enumerate(buckets):
        metrics = scorecard_metrics(3)
        for row in analyse(split_frame(lives, bucket, world), metrics, "base", ["treatment"]):
            plain = read[row.metric, "plain"]
            found = plain.a_a if world == "base" else plain.a_b
            want = [getattr(row.plain, name) for name in FIELDS]
            assert [getattr(found, name)[at] for name in FIELDS] == pytest.approx(want, rel=1e-10, abs=1e-10)
            for method, estimate in (("adjusted", row), ("cuped", row.cuped)):
                found = read[row.metric, method].a_a if world == "base" else read[row.metric, method].a_b
                if row.method == "adjusted":
                    want = [getattr(estimate, name) for name in FIELDS]
                    assert [getattr(found, name)[at] for name in FIELDS] == pytest.approx(want, rel=1e-8, abs=1e-8)


def test_the_target_is_the_true_effect_on_these_users(lives, read):
    want = true_effect(*(METRICS["P2N"].ratio(lives.truth[arm].users) for arm in lives.arms))
    assert read["P2N", "plain"].truth.tolist() == [want.relative_effect] * 4
    assert read["P2N", "plain"].truth_se.tolist() == [want.standard_error] * 4


def test_the_wrong_test_of_views_is_that_of_views_one_by_one(lives, buckets, read):
    users, bucket = lives.truth["base"].users, buckets[0]
    hits, views = users["clicks"].to_numpy(), users["views"].to_numpy()
    ones = [np.repeat([1.0, 0.0], [hits[bucket == b].sum(), (views - hits)[bucket == b].sum()]) for b in (0, 1)]
    want = stats.ttest_ind(*ones, equal_var=False).pvalue
    assert read["click_rate", "per_view_t"].a_a.p_value[0] == pytest.approx(want, rel=1e-9)


def test_the_wrong_test_of_days_is_that_of_days_one_by_one(lives, buckets, read):
    looks = np.stack([look["watch_s"] for look in lives.truth["base"].looks], axis=1)
    daily = np.diff(looks, axis=1, prepend=0.0)
    want = stats.ttest_ind(*(daily[buckets[0] == b].ravel() for b in (0, 1)), equal_var=False).pvalue
    assert read["AUT", "per_user_day_t"].a_a.p_value[0] == pytest.approx(want, rel=1e-9)


def test_a_peeker_stops_at_the_first_significant_day(lives, read):
    """Whoever finds something must have found it on some day; whoever does not, on none."""
    rng = np.random.default_rng(0)
    bucket = rng.integers(0, 2, (200, len(lives.bucket)))
    found = {e.method: e for e in SplitReader(lives).read(bucket) if e.metric.key == "AUT"}
    ends, peeks = found["plain"].a_a.p_value, found["daily_peeking"].a_a.p_value
    assert (peeks[ends < 0.05] < 0.05).all()
    np.testing.assert_allclose(peeks[peeks >= 0.05], ends[peeks >= 0.05], rtol=1e-9)
    assert (peeks < 0.05).sum() > (ends < 0.05).sum()


def test_looks_that_are_paid_for_reject_no_more_than_one_look():
    """Users who never change from day to day but for noise: 1,500 A/A tests of six daily looks."""
    lives = made_up_lives(n=600, days=6)
    found = {e.method: e for e in resplit(lives, 1500, np.random.default_rng(2)) if e.metric.key == "AUT"}
    rates = {name: (e.a_a.p_value < 0.05).mean() for name, e in found.items()}
    bound = 0.05 + R * np.sqrt(0.05 * 0.95 / 1500)
    assert rates["daily_peeking"] > bound
    assert 0.02 < rates["group_sequential"] < bound
    assert rates["always_valid"] < rates["group_sequential"]


@pytest.mark.parametrize("bound", [1.5, 2.5, np.inf])
def test_a_reading_at_another_bound_is_significant_where_it_lies_beyond(bound):
    z = np.array([1.0, 2.0, 3.0])
    day = Readings(*np.expm1(0.1 * np.array([z, z - Z, z + Z])), p_value=2 * stats.norm.sf(z))
    wide = apply_stopping_rule([day], np.array([bound]))
    assert ((wide.p_value < 0.05) == (z > bound)).all()
    assert wide.ci_low == pytest.approx(np.expm1(0.1 * (z - bound)))
    assert wide.ci_high == pytest.approx(np.expm1(0.1 * (z + bound)))


def test_moments_keep_their_digits_far_from_zero():
    """Totals hold 16 digits of 500 values of 1e7: their spread of 1 is known to 1e-7."""
    columns = np.random.default_rng(1).normal(size=(500, 2)) + np.array([1e6, -1e7])
    members = np.zeros((1, 500))
    members[0, ::3] = 1
    group = np.arange(500) % GROUPS
    for grouped in (False, True):
        moments = SplitDesign.of({"x": Block(columns, grouped)}, group).moments(members)["x"]
        found = moments.samples()
        assert found.scatter[0] / (found.n[0] - 1) == pytest.approx(np.cov(columns[::3].T), rel=1e-7)
        assert found.mean[0] == pytest.approx(columns[::3].mean(axis=0), rel=1e-14)


def made_up_lives(n=2000, days=2, seed=5):
    """Heavy-tailed users whom the treatment moves by different amounts, more the more they watch."""
    rng = np.random.default_rng(seed)
    level = rng.lognormal(3, 0.8, n)
    gain = 1 + np.clip(rng.normal(0.08, 0.3, n), -0.9, 2.0)

    def life(factor):
        looks, total = [], np.zeros(n)
        noise = np.random.default_rng(seed + 1)
        for day in range(days):
            total = total + level * noise.lognormal(0, 0.5, n) * factor
            fields = dict.fromkeys(TOTALS, total) | {"days": np.full(n, day + 1), "views": np.full(n, 9 * (day + 1))}
            looks.append(pd.DataFrame({"user_id": np.arange(n), **fields}))
        before = pd.DataFrame(dict.fromkeys(TOTALS, level * noise.lognormal(0, 0.5, n))).add_prefix(PRE)
        return PotentialOutcomes(
            pd.concat([looks[-1], before.assign(pre_views=9.0, pre_days=1.0)], axis=1), tuple(looks)
        )

    lives = {"control": life(1.0), "treatment": life(gain)}
    return AllPotentialOutcomes(("control", "treatment"), np.array([0.5, 0.5]), rng.integers(0, 2, n), lives, lives)


@pytest.fixture(scope="module")
def planted():
    """Rows of 1,000 splits of made-up potential outcomes with an effect that differs between users."""
    found = resplit(made_up_lives(), 1000, np.random.default_rng(11))
    return {(e.metric.key, e.method): audit_row(e, "control", RESPLITS) for e in found}


@pytest.mark.parametrize("method", ["plain", "cuped", "adjusted"])
@pytest.mark.parametrize("metric", ["AUT", "AVT"])
def test_intervals_cover_the_effect_on_these_very_users(planted, metric, method):
    """Conservative is right: Neyman's variance leaves out how effects differ between users."""
    row = planted[metric, method]
    assert row.true_relative_effect == pytest.approx(0.08, abs=0.04)
    assert row.coverage >= 0.95 - R * np.sqrt(0.95 * 0.05 / row.replications)


@pytest.mark.parametrize("method", ["plain", "cuped", "adjusted"])
def test_a_a_tests_of_splits_reject_one_in_twenty_and_evenly(planted, method):
    row = planted["AUT", method]
    assert row.false_positive_rate == pytest.approx(0.05, abs=R * np.sqrt(0.05 * 0.95 / 1000))
    assert row.uniform_p_value > 0.001


def test_cuped_finds_more_and_exaggerates_less(planted):
    plain, cuped = planted["AUT", "plain"], planted["AUT", "cuped"]
    assert cuped.power > plain.power
    assert 1 < cuped.exaggeration < plain.exaggeration


def test_the_same_generator_gives_the_same_splits(lives):
    one, two = (resplit(lives, 5, np.random.default_rng(8)) for _ in range(2))
    assert all(np.array_equal(a.a_b.p_value, b.a_b.p_value, equal_nan=True) for a, b in zip(one, two, strict=True))


def test_what_learning_arms_show_is_the_mixed_world(sample_run, tmp_path):
    plan = sample_run.SamplePlan(users=60, mixed=True)
    folder = sample_run.write_sample_run(tmp_path, plan)
    lives = read_outcomes(folder, load_spec(str(folder / "spec.toml")))
    assert lives.shown["base"] is lives.shown["treatment"]
    assert lives.shown["base"] is not lives.truth["base"]


def test_a_run_without_truth_cannot_be_split_anew(sample_run, tmp_path):
    folder = sample_run.write_sample_run(tmp_path, sample_run.SamplePlan(users=60, truth=False, mixed=True))
    with pytest.raises(RunFolderError, match="truth = true"):
        read_outcomes(folder, load_spec(str(folder / "spec.toml")))


def test_a_user_without_events_counts_in_aut(lives):
    """Intention to treat: whoever is assigned and never comes lowers the mean."""
    users = split_frame(lives, lives.bucket, "treatment")[["user_id", "arm", "watch_s", "days"]]
    absent = pd.DataFrame({"user_id": [10**6], "arm": ["base"], "watch_s": [0.0], "days": [3]})
    (row,), (more,) = (
        analyse(frame, [METRICS["AUT"]], "base", ["treatment"]) for frame in (users, pd.concat([users, absent]))
    )
    n = int((users["arm"] == "base").sum())
    assert more.control == pytest.approx(row.control * n / (n + 1), rel=1e-12)
