"""Users and videos drawn from a world."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from user_models.toy import toy_world

WORLD = toy_world()


@given(ids=st.lists(st.integers(0, 2**40), min_size=1, max_size=8, unique=True), seed=st.integers(0, 2**31))
def test_a_user_is_the_same_whoever_else_is_drawn(ids, seed):
    together = WORLD.draw_users(np.array(ids), seed)
    for place, user in enumerate(ids):
        alone = WORLD.draw_users(np.array([user]), seed)
        assert (alone.profile_code[0] == together.profile_code[place]).all()
        for one, many in zip(alone.latents, together.latents, strict=True):
            np.testing.assert_array_equal(one[0], many[place])


def test_a_video_is_the_same_whatever_the_size_of_the_catalogue():
    few, many = WORLD.draw_videos(10, seed=3), WORLD.draw_videos(500, seed=3)
    np.testing.assert_array_equal(few.tag, many.tag[:10])
    for one, other in zip(few.latents, many.latents, strict=True):
        np.testing.assert_array_equal(one, other[:10])


def test_another_seed_gives_other_users():
    one, other = (WORLD.draw_users(np.arange(100), seed).latents.appeal for seed in (0, 1))
    assert not np.isclose(one, other).any()


def test_kinds_come_in_their_shares():
    tags = WORLD.draw_videos(20_000, seed=0).tag
    share = np.bincount(tags) / len(tags)
    np.testing.assert_allclose(share, WORLD.tables.tag_share, atol=3 * np.sqrt(0.25 / len(tags)))


def test_barriers_at_a_node_are_the_odds_against_its_logits():
    nodes = np.exp(WORLD.tables.node_log_duration)
    barriers = WORLD.barriers(nodes[-1:])
    np.testing.assert_allclose(barriers[0], np.exp(-WORLD.tables.stage[-1]), rtol=1e-5)


def test_a_scalar_set_by_hand_says_so():
    changed = WORLD.with_values({"watch.taste": 0.7})
    assert changed.value("watch.taste") == pytest.approx(0.7)
    assert changed.parameters["watch.taste"].source == "set by hand"
    assert WORLD.value("watch.taste") != changed.value("watch.taste")


def test_an_unknown_scalar_is_refused_by_name():
    with pytest.raises(KeyError, match=r"watch\.tast"):
        WORLD.with_values({"watch.tast": 0.7})
