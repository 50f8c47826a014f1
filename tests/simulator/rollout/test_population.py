"""Blocks of users and their latents."""

import numpy as np
import pytest

from simulator.rollout.catalogue import Size, draw_platform
from simulator.rollout.population import block_size, make_blocks
from user_models.testing import toy_world

WORLD = toy_world()


def test_a_user_is_the_same_in_any_crowd():
    _, few = draw_platform(WORLD, Size(10, 50, 0.1), seed=4)
    _, many = draw_platform(WORLD, Size(500, 50, 0.1), seed=4)
    for some, all_ in zip(few.latents, many.latents, strict=True):
        assert np.array_equal(some, all_[:10])
    assert np.array_equal(few.profile_code, many.profile_code[:10])


@pytest.mark.parametrize(("n", "size"), [(1, 4), (4, 4), (5, 4), (12, 4)])
def test_blocks_hold_every_user_once_in_order(n, size):
    platform, people = draw_platform(WORLD, Size(n, 50, 0.1), seed=4)
    blocks = make_blocks(people, 3, platform.rules, size)
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
    platform, people = draw_platform(WORLD, Size(5, 50, 0.1), seed=4)
    block = make_blocks(people, 3, platform.rules)[0]
    copy = block.copy()
    copy.state.mood[:] = 9
    copy.past.n_seen[:] = 9
    assert not (block.state.mood == 9).any()
    assert not block.past.n_seen.any()
