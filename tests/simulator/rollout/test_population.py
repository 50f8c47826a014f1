"""Blocks of users, their latents, and the rings of their last views."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.rollout.population import (
    HISTORY,
    CatalogueSchedule,
    HistoryBuffer,
    Size,
    block_size,
    empty_response,
    make_blocks,
    make_stage,
)
from user_models.testing import toy_world

WORLD = toy_world()


def test_a_user_is_the_same_in_any_crowd():
    _, few = make_stage(WORLD, Size(10, 50, 0.1), seed=4)
    _, many = make_stage(WORLD, Size(500, 50, 0.1), seed=4)
    for some, all_ in zip(few.latents, many.latents, strict=True):
        assert np.array_equal(some, all_[:10])
    assert np.array_equal(few.profile_code, many.profile_code[:10])


def test_a_video_is_the_same_in_any_catalogue():
    few, _ = make_stage(WORLD, Size(2, 50, 0.1), seed=4)
    many, _ = make_stage(WORLD, Size(2, 500, 0.1), seed=4)
    for some, all_ in zip(few.videos, many.videos, strict=True):
        assert np.array_equal(some, all_[: len(some)])


def test_another_seed_draws_another_crowd():
    (one, a), (other, b) = (make_stage(WORLD, Size(10, 50, 0.1), seed=seed) for seed in (1, 2))
    assert not np.array_equal(a.latents.taste, b.latents.taste)
    assert not np.array_equal(one.videos.topic, other.videos.topic)


@pytest.mark.parametrize(("n", "size"), [(1, 4), (4, 4), (5, 4), (12, 4)])
def test_blocks_hold_every_user_once_in_order(n, size):
    stage, people = make_stage(WORLD, Size(n, 50, 0.1), seed=4)
    blocks = make_blocks(people, 3, stage.rules, size)
    assert np.concatenate([block.user_id for block in blocks]).tolist() == list(range(n))
    assert {len(block.user_id) for block in blocks[:-1]} <= {size}
    assert np.array_equal(np.concatenate([block.users.taste for block in blocks]), people.latents.taste)


@pytest.mark.parametrize("n", [1, 2_049, 16_385, 20_000, 98_304, 98_305, 1_000_000, 10**8])
def test_blocks_are_even_enough_for_eight_cores_and_small_enough_for_a_cache(n):
    size = block_size(n)
    n_blocks = -(-n // size)
    assert 2_048 <= size <= 16_384
    assert n_blocks * size - n < n_blocks + 2_048
    assert n <= 16_384 or n_blocks % 8 == 0


def test_a_copy_of_a_block_takes_a_course_of_its_own():
    stage, people = make_stage(WORLD, Size(5, 50, 0.1), seed=4)
    block = make_blocks(people, 3, stage.rules)[0]
    copy = block.copy()
    copy.state.mood[:] = 9
    copy.past.n_seen[:] = 9
    assert not (block.state.mood == 9).any()
    assert not block.past.n_seen.any()


def test_public_faces_hold_nothing_latent():
    stage, people = make_stage(WORLD, Size(200, 50, 0.1), seed=4)
    assert stage.video_table.names == ("log_duration",)
    assert np.array_equal(stage.user_table.features.sum(1), np.ones(200))
    assert np.array_equal(stage.user_table.features.argmax(1), people.profile_code[:, 0])


def response_of(viewed, watch_s, events):
    response = empty_response(*viewed.shape)
    response.viewed[:], response.watch_s[:], response.events[:] = viewed, watch_s, events
    return response


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(1, 7), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_history_ring_equals_brute_force(n_users, k, n_requests, seed):
    rng = np.random.default_rng(seed)
    past, plain = HistoryBuffer.empty(n_users), [[] for _ in range(n_users)]
    for request in range(n_requests):
        rows = np.flatnonzero(rng.random(n_users) < 0.7).astype(np.int64)
        slates = rng.integers(0, 1000, (len(rows), k)).astype(np.int32)
        response = response_of(
            np.arange(k) < rng.integers(1, k + 1, (len(rows), 1)),
            rng.random(slates.shape).astype(np.float32),
            rng.integers(0, 4096, slates.shape).astype(np.uint16),
        )
        past.add(rows, slates, response, np.full(len(rows), request, np.int32))
        for i, user in enumerate(rows):
            for j in np.flatnonzero(response.viewed[i]):
                view = slates[i, j], response.watch_s[i, j], response.events[i, j], request
                plain[user].append(view)
    now = n_requests + 3
    history = past.read(np.arange(n_users, dtype=np.int64), np.full(n_users, now, np.int32))
    for user, views in enumerate(plain):
        last = views[-HISTORY:]
        mask = history.mask[user]
        assert mask.tolist() == [False] * (HISTORY - len(last)) + [True] * len(last)
        seen = (history.video_id, history.watch_s, history.events, now - history.hours_ago)
        assert list(zip(*(values[user][mask].tolist() for values in seen), strict=True)) == last
        assert not history.video_id[user][~mask].any()
    assert past.n_seen.tolist() == [len(views) for views in plain]


def test_as_many_videos_are_on_offer_on_every_day_as_new_ones_replace_old_ones():
    offers = CatalogueSchedule.plan(n=100, share_per_day=0.025, first_day=-8, n_days=15, seed=3)
    days = [set(offers.on(day).tolist()) for day in range(-8, 7)]
    assert days[0] == set(range(100))
    assert all(len(day) == 100 for day in days)
    assert len(days[-1] - days[0]) == 35
    for before, after in pairwise(days):
        assert len(after - before) in (2, 3)
        assert min(after - before) > max(before)


def test_without_arrivals_the_offer_stays_and_nothing_ages():
    offers = CatalogueSchedule.plan(n=50, share_per_day=0.0, first_day=0, n_days=15, seed=3)
    assert offers.on(0).tolist() == offers.on(14).tolist()
    assert not offers.freshness(3).any()


def test_freshness_is_centred_over_what_is_on_offer_and_falls_with_age():
    offers = CatalogueSchedule.plan(n=2_000, share_per_day=0.02, first_day=0, n_days=40, seed=3)
    for day in (0, 20, 39):
        assert abs(offers.freshness(day)[offers.on(day)].mean()) < 0.02
    newest = offers.on(20)[-1]
    ages = [offers.freshness(day)[newest] for day in range(20, 40)]
    assert (np.diff(ages) < 0).all()
