"""The parts of a validation against known answers: spreads, thinning, concentration, samples, tallies, classifiers."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from policies.base import Event
from simulator.errors import NotMeasuredError
from simulator.validation.grouped_counts import BINS_S, BUCKETS, DURATION_CLASSES, tally, watch_counts
from simulator.validation.sections import _next_day, _watch_time
from simulator.validation.two_sample import auc, both_sides, two_sample
from simulator.validation.user_spread import EventCounts, concentration, logit_spread, thin
from simulator.validation.views import ReservoirSample, ValidationViews


def views(n, rng, **given):
    plain = {
        "user": rng.integers(0, 50, n),
        "video": rng.integers(0, 60, n),
        "hour": rng.integers(0, 24, n).astype(np.int16),
        "duration_s": rng.uniform(5, 300, n).astype(np.float32),
        "watch_s": rng.exponential(10, n).astype(np.float32),
        "events": np.where(rng.random(n) < 0.4, np.uint16(Event.CLICK), np.uint16(0)),
        "tag": rng.integers(0, 3, n).astype(np.int32),
        "profile": rng.integers(0, 2, (n, 1)).astype(np.int16),
    }
    return ValidationViews(**{**plain, **given})


@pytest.mark.parametrize("spread", [0.5, 1.2])
def test_the_spread_of_rates_is_found_again(spread):
    """3 sigma: the standard error of a normal's standard deviation, inflated by the binomial noise of 20 views."""
    rng, n = np.random.default_rng(1), 6000
    rate = expit(rng.normal(-0.5, spread, n))
    counts = EventCounts.of(rng.binomial(20, rate), np.full(n, 20))
    noise = (spread**2 + 1 / (20 * 0.24)) / (spread * (2 * n) ** 0.5)
    assert abs(logit_spread(counts) - spread) < 3 * noise


def test_users_who_do_not_differ_have_almost_no_spread():
    rng = np.random.default_rng(2)
    assert logit_spread(EventCounts.of(rng.binomial(30, 0.3, 4000), np.full(4000, 30))) < 0.15


def test_a_spread_without_events_is_not_a_number():
    assert np.isnan(logit_spread(EventCounts.of(np.zeros(5), np.ones(5))))


def test_thinned_users_have_the_others_views_and_their_own_rates():
    rng = np.random.default_rng(3)
    views_of = rng.integers(40, 400, 3000)
    counts = EventCounts.of(rng.binomial(views_of, 0.4), views_of)
    wanted = rng.integers(1, 30, 800)
    thinned = thin(counts, wanted, rng)
    assert np.mean(thinned.views) == pytest.approx(wanted.mean(), rel=0.02)
    assert set(np.unique(thinned.views)) <= set(wanted.tolist())
    share, n = thinned.events.sum() / thinned.views.sum(), thinned.views.sum()
    assert abs(share - counts.events.sum() / counts.views.sum()) < 3 * (0.24 / n) ** 0.5
    assert (np.argsort(counts.views, kind="stable")[:1] == np.argmin(counts.views)).all()


def test_nobody_gets_more_views_than_they_had():
    thinned = thin(EventCounts.of(np.array([1, 2]), np.array([2, 3])), np.array([50, 60]), np.random.default_rng(0))
    assert thinned.views.tolist() == [2, 3]
    assert thinned.events.tolist() == [1, 2]


def test_concentration_of_known_hates():
    shares = concentration(np.array([0.0, 11.0] + [1.0] * 9))
    assert shares[1] == pytest.approx(11 / 20)
    assert shares[[0, -1]].tolist() == [0, 1]
    assert concentration(np.zeros(4)).tolist() == [0] * 11


@settings(max_examples=25)
@given(st.lists(st.integers(0, 60), min_size=1, max_size=5), st.integers(1, 80))
def test_a_sample_is_as_large_as_it_may_be(sizes, size):
    rng = np.random.default_rng(4)
    sample = ReservoirSample.of(views(0, rng), size, rng)
    for n in sizes:
        sample = sample.merge(ReservoirSample.of(views(n, rng), size, rng), size)
    assert len(sample.views) == min(size, sum(sizes))
    assert len(sample.key) == len(sample.views)


def test_every_view_has_the_same_chance_to_be_sampled():
    """Two parts of 100 and 300: of 40 sampled, a quarter comes from the first, to 3 sigma over 100 tries."""
    rng, first = np.random.default_rng(5), []
    for _ in range(100):
        parts = [views(n, rng, user=np.full(n, at)) for at, n in enumerate((100, 300))]
        one, two = (ReservoirSample.of(part, 40, rng) for part in parts)
        first.append((one.merge(two, 40).views.user == 0).mean())
    assert abs(np.mean(first) - 0.25) < 3 * (0.25 * 0.75 / 40 / 100) ** 0.5


def test_a_tally_of_three_views_by_hand():
    rng = np.random.default_rng(0)
    three = views(
        3,
        rng,
        hour=np.array([0, 23, 23], np.int16),
        duration_s=np.array([14.9, 15.0, 500.0], np.float32),
        watch_s=np.array([0.0, 1.0, 9999.0], np.float32),
        events=np.array([0, Event.CLICK, Event.CLICK | Event.LONG_VIEW], np.uint16),
        profile=np.array([[0], [1], [-1]], np.int16),
    )
    counted = tally(three, 2)
    assert counted.by_duration[:, 0].tolist() == [1, 1, 0, 0, 1]
    assert counted.by_activity.tolist() == [[1, 0, 0, 0], [1, 1, 0, 0]]
    assert counted.by_hour[23].tolist() == [2, 2, 1, 0]
    assert counted.watch.sum() == 2  # a video of 500 s is in no bucket
    twice = counted + counted
    assert twice.by_hour[0].tolist() == [2, 0, 0, 0]
    assert len(DURATION_CLASSES) == len(counted.by_duration)


def test_bucket_edges_belong_to_the_shorter_bucket():
    rng = np.random.default_rng(0)
    durations = np.array([7.0, 7.1, 18.0, 300.0], np.float32)
    counts = watch_counts(views(4, rng, duration_s=durations)).sum(axis=1)
    assert dict(zip(BUCKETS, counts.tolist(), strict=True)) == {
        "0-7 s": 1, "7-15 s": 1, "15-18 s": 1, "18-30 s": 0, "30-60 s": 0, "60-120 s": 0, "120-300 s": 1,
    }  # fmt: skip


def test_distance_of_two_distributions_by_hand():
    n = len(BINS_S) - 1
    ours, theirs = np.zeros(n), np.zeros(n)
    ours[:2], theirs[1:3] = 1, 2
    assert _watch_time("any", ours, theirs).ks == pytest.approx(0.5)
    assert _watch_time("any", ours, np.zeros(n)).ks is None


def test_returns_after_one_day_by_hand():
    """One user comes on days 0, 1 and 3 (gaps 1 and 2); another on day 2 alone, which is no return."""
    active = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], bool)
    assert _next_day(active) == 0.5


def test_views_of_one_kind_cannot_be_told_apart():
    """Under the null, AUC has standard deviation sqrt((m + n + 1) / 12 m n), with a third of the rows on each side."""
    rng, n = np.random.default_rng(6), 1500
    found = two_sample(views(n, rng), views(n, rng), ("degree",), True, 0, 1)
    tested = n // 3
    assert abs(found.auc - 0.5) < 4 * ((2 * tested + 1) / 12 / tested / tested) ** 0.5
    assert found.rows_per_side == n


def test_views_that_last_longer_are_told_apart_by_how_long_they_last():
    rng, n = np.random.default_rng(7), 2000
    found = two_sample(views(n, rng), views(n, rng, watch_s=rng.exponential(40, n).astype(np.float32)), (), False, 0, 1)
    assert found.auc > 0.7
    assert max(found.importances, key=found.importances.__getitem__) == "watch_s"
    assert "tag" not in found.importances


def test_a_length_that_only_names_its_video_tells_nothing():
    """Every video has one length, and the two sides have different videos with lengths from one distribution."""
    rng, n = np.random.default_rng(11), 3000
    sides = []
    for _ in range(2):
        video = rng.integers(0, 60, n)
        sides.append(views(n, rng, video=video, duration_s=rng.uniform(5, 300, 60).astype(np.float32)[video]))
    found = two_sample(*sides, (), False, 0, 1)
    assert found.auc < 0.65  # with folds by user alone it is near 1


def test_both_sides_are_equally_many_and_share_neither_users_nor_videos():
    rng = np.random.default_rng(8)
    table = both_sides(views(900, rng), views(400, rng), ("degree",), True, rng)
    assert table.simulated.sum() == 400
    assert len(table.simulated) == 800
    for ids in (table.user, table.video):
        assert not set(ids[table.simulated]) & set(ids[~table.simulated])


def test_too_few_rows_are_not_judged():
    rng = np.random.default_rng(9)
    with pytest.raises(NotMeasuredError, match="5 rows on the smaller side"):
        two_sample(views(900, rng), views(5, rng), (), False, 0, 1)


def test_without_lightgbm_the_reason_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    rng = np.random.default_rng(10)
    with pytest.raises(NotMeasuredError, match="lightgbm is not installed"):
        two_sample(views(300, rng), views(300, rng), (), False, 0, 1)


def test_area_under_the_curve_by_hand():
    assert auc(np.array([True, False, True, False]), np.array([3.0, 1.0, 2.0, 2.0])) == pytest.approx(3.5 / 4)
