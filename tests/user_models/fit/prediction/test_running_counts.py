"""What is known before a view: sums by hand, nothing from later, nothing from the same request."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from user_models.fit.prediction.inputs import PriorViews, known_before, nothing_seen, seen
from user_models.fit.prediction.running_counts import (
    N_SUMS,
    RunningCounts,
    add_up,
    empty_ledger,
    kept,
    places_before,
    sums_before,
    view_sums,
)
from user_models.fit.prediction.views import LoggedViews


def views_of(known, n: int) -> LoggedViews:
    """The first views of the known world, each video its own author's."""
    rows = known.rows.take(np.arange(n))
    return LoggedViews(rows, rows.user + 1000, rows.video + 50, rows.video)


def authors(views: LoggedViews) -> "pd.Series[int]":
    return pd.Series(views.author_id, index=views.video_id).groupby(level=0).first()


def told(past: PriorViews, views: LoggedViews) -> np.ndarray:
    nothing = np.zeros(len(views), bool)
    return known_before(past, views, nothing, nothing, authors(views))


def test_sums_before_are_those_by_hand():
    key = np.array([1, 1, 2, 1, 1])
    time_ms = np.array([30, 10, 5, 20, 20])
    added = np.zeros((5, N_SUMS), np.float32)
    added[:, 0] = [1, 10, 100, 1000, 10_000]
    start = np.full((5, N_SUMS), 0.5, np.float32)
    assert sums_before(key, time_ms, added, start)[:, 0].tolist() == [11_010.5, 0.5, 0.5, 10.5, 10.5]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1, max_size=30))
def test_sums_before_are_those_of_a_loop(views):
    key, time_ms = np.array([k for k, _ in views]), np.array([t for _, t in views])
    added = np.zeros((len(key), N_SUMS), np.float32)
    added[:, 3] = np.arange(len(key))
    found = sums_before(key, time_ms, added, np.zeros_like(added))[:, 3]
    by_hand = [added[(key == k) & (time_ms < t), 3].sum() for k, t in views]
    np.testing.assert_allclose(found, by_hand)


def test_the_view_before_is_of_an_earlier_request():
    key, time_ms = np.array([7, 7, 7, 8]), np.array([10, 20, 20, 30])
    assert places_before(key, time_ms, 1).tolist() == [-1, 0, 0, -1]
    assert places_before(key, time_ms, 2).tolist() == [-1, -1, -1, -1]


def test_what_is_known_does_not_change_with_later_views(known):
    views = views_of(known, 3_000)
    changed = views.rows.time_ms >= 2_000
    other = replace(
        views.rows,
        watch_s=np.where(changed, 99.0, views.rows.watch_s).astype(np.float32),
        click=views.rows.click ^ changed,
        long_view=views.rows.long_view ^ changed,
        acted=np.where(changed[:, None], 1 - views.rows.acted, views.rows.acted).astype(np.float32),
    )
    one, two = told(nothing_seen(), views), told(nothing_seen(), replace(views, rows=other))
    first_changed = views.rows.time_ms <= 2_000
    np.testing.assert_array_equal(one[first_changed], two[first_changed])
    assert (one[~first_changed] != two[~first_changed]).any()


def test_a_kept_past_says_what_the_views_themselves_say(known):
    """Views in a ledger and views at hand are known alike, whichever of the two a row is in."""
    views = views_of(known, 2_000)
    early = views.rows.time_ms < 1_500
    past = seen(nothing_seen(), views.take(early))
    later = known_before(past, views, early, early, authors(views))[~early]
    np.testing.assert_allclose(later, told(nothing_seen(), views)[~early], atol=2e-3)


def test_an_unknown_user_moves_toward_what_they_do(known):
    """The shrunken long-view rate lies between the typical one and the user's own, nearer with more views."""
    views = views_of(known, 400)
    rows = replace(
        views.rows,
        user=np.zeros(400, np.int64),
        long_view=np.ones(400, bool),
        time_ms=np.arange(400),
    )
    numbers = told(nothing_seen(), replace(views, rows=rows, user_id=np.full(400, 5)))
    moving = numbers[:, (np.diff(numbers, axis=0) >= 0).all(axis=0) & (np.ptp(numbers, axis=0) > 2)]
    assert moving.shape[1] >= 1
    assert (moving[0] < moving[-1]).all()


def test_a_ledger_finds_its_own_and_knows_nothing_of_others():
    sums = np.arange(2 * N_SUMS, dtype=np.float32).reshape(2, N_SUMS)
    ledger = add_up(empty_ledger(), np.array([9, 4]), sums)
    np.testing.assert_array_equal(ledger.of(np.array([4, 5, 9])), [sums[1], 0 * sums[0], sums[0]])
    assert ledger.carries(np.array([4, 5, 9])).tolist() == [True, False, True]
    assert not empty_ledger().of(np.array([1])).any()


def test_adding_in_two_parts_is_adding_at_once(known):
    views = views_of(known, 500)
    added = view_sums(views.rows)
    once = add_up(empty_ledger(), views.user_id, added)
    twice = add_up(add_up(empty_ledger(), views.user_id[:200], added[:200]), views.user_id[200:], added[200:])
    np.testing.assert_array_equal(once.ids, twice.ids)
    np.testing.assert_allclose(once.sums, twice.sums, rtol=1e-5)


def test_what_is_kept_fits_into_half_precision():
    ledger = RunningCounts(np.array([1]), np.full((1, N_SUMS), 1e9, np.float32))
    sums = kept(ledger).sums
    assert np.isfinite(sums.astype(np.float16)).all()
    np.testing.assert_array_equal(sums, sums.astype(np.float16))


@pytest.mark.parametrize("n", [1, 40])
def test_every_view_adds_one(known, n):
    assert view_sums(views_of(known, n).rows)[:, [0, 6, 12, 18]].sum() == n
