"""Users and videos drawn from a world."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from user_models.testing import toy_world
from user_models.world.tables import N_LENGTHS

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


def test_lengths_come_in_the_shares_of_their_kind():
    """A world whose second kind has two lengths only; 4 sigma."""
    share = WORLD.tables.length_share.copy()
    share[1] = 0
    share[1, [10, 40]] = 0.25, 0.75
    videos = WORLD.with_tables(length_share=share).draw_videos(20_000, seed=0)
    nodes = WORLD.tables.node_log_duration
    log_s = np.log(videos.latents.duration_s[videos.tag == 1].astype(np.float64))
    place = np.floor((log_s - nodes[0]) / (nodes[-1] - nodes[0]) * N_LENGTHS + 1e-4)
    assert set(place) <= {10, 40}
    assert (place == 40).mean() == pytest.approx(0.75, abs=4 * np.sqrt(0.19 / len(place)))


def test_longer_videos_keep_what_goes_with_length():
    """The latent of length is the normal score: the longest of a kind are those with the largest."""
    root = WORLD.tables.video_root.copy()
    root[1, 0] = 0.5 * root[0, 0]  # appeal rises with length
    videos = WORLD.with_tables(video_root=root).draw_videos(5_000, seed=0)
    mine = videos.tag == 0
    assert np.corrcoef(np.log(videos.latents.duration_s[mine]), videos.latents.appeal[mine])[0, 1] > 0.5


def test_barriers_at_a_node_are_the_odds_against_its_logits():
    nodes = np.exp(WORLD.tables.node_log_duration)
    stop_odds = WORLD.stop_odds(nodes[-1:])
    np.testing.assert_allclose(stop_odds[0], np.exp(-WORLD.tables.stage[-1]), rtol=1e-5)


def test_a_scalar_set_by_hand_says_so():
    changed = WORLD.with_values({"watch.taste": 0.7})
    assert changed.value("watch.taste") == pytest.approx(0.7)
    assert changed.parameters["watch.taste"].source == "set by hand"
    assert WORLD.value("watch.taste") != changed.value("watch.taste")


def test_an_unknown_scalar_is_refused_by_name():
    with pytest.raises(KeyError, match=r"watch\.tast"):
        WORLD.with_values({"watch.tast": 0.7})


def test_appeal_is_spread_as_the_profile_has_it():
    scaled = WORLD.with_tables(appeal_scale=np.array([1.0, 1.5], np.float32))
    one, other = (world.draw_users(np.arange(200), 3) for world in (WORLD, scaled))
    second = one.profile_code[:, 0] == 1
    mean = WORLD.tables.user_mean[1, 0]
    np.testing.assert_array_equal(other.latents.appeal[~second], one.latents.appeal[~second])
    wider = 1.5 * (one.latents.appeal[second] - mean)
    np.testing.assert_allclose(other.latents.appeal[second] - mean, wider, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(other.latents.taste, one.latents.taste)


def test_kin_share_what_appeal_and_taste_tell_of_actions():
    """Users' own effects less their kin's mean have no correlation with either, and its spread; 4 sigma."""
    root = WORLD.tables.user_root.copy()
    root[1, 0], root[-1, 0], root[-1, 1] = 0.6, 0.5, 0.4
    world, ids = WORLD.with_tables(user_root=root), np.arange(20_000)
    users, kin = world.draw_users(ids, 2).latents, world.profile_means(ids, 2)
    rest = users.action - kin.action
    for known in (users.appeal, users.taste[:, -1]):
        assert np.abs([np.corrcoef(known, column)[0, 1] for column in rest.T]).max() < 4 / np.sqrt(len(ids))
    np.testing.assert_allclose(rest.std(axis=0), kin.action_spread, rtol=4 / np.sqrt(2 * len(ids)))
    assert kin.action_spread[0] < 0.97 * users.action[:, 0].std()
