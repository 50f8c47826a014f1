"""What is on offer on a day, and what a platform knows of users and videos."""

from itertools import pairwise

import numpy as np

from simulator.rollout.catalogue import CatalogueSchedule, Size, draw_platform
from user_models.testing import toy_world

WORLD = toy_world()


def test_a_video_is_the_same_in_any_catalogue():
    few, _ = draw_platform(WORLD, Size(2, 50, 0.1), seed=4)
    many, _ = draw_platform(WORLD, Size(2, 500, 0.1), seed=4)
    for some, all_ in zip(few.videos, many.videos, strict=True):
        assert np.array_equal(some, all_[: len(some)])


def test_another_seed_draws_another_crowd():
    (one, a), (other, b) = (draw_platform(WORLD, Size(10, 50, 0.1), seed=seed) for seed in (1, 2))
    assert not np.array_equal(a.latents.taste, b.latents.taste)
    assert not np.array_equal(one.videos.topic, other.videos.topic)


def test_public_faces_hold_nothing_latent():
    platform, people = draw_platform(WORLD, Size(200, 50, 0.1), seed=4)
    assert platform.video_table.names == ("log_duration",)
    assert np.array_equal(platform.user_table.features.sum(1), np.ones(200))
    assert np.array_equal(platform.user_table.features.argmax(1), people.profile_code[:, 0])


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
