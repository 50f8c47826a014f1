"""The expected watch time is the average of many views."""

import numpy as np
import pytest

from user_models.dynamics.expected_watch import expected_watch_s
from user_models.dynamics.kernel import count_passed, seconds
from user_models.testing import toy_world


@pytest.fixture(scope="module")
def videos():
    return toy_world().draw_videos(200, seed=2).latents


@pytest.mark.parametrize("appeal", [-2.0, 0.0, 1.5])
def test_the_expected_watch_time_is_the_mean_of_many_views(videos, appeal):
    rng, n = np.random.default_rng(3), 4000
    ids = np.arange(3)
    expected = expected_watch_s(videos, ids, np.full(3, appeal, np.float32))
    for video in ids:
        watched = np.array(
            [
                seconds(
                    videos.thresholds_s[video],
                    count_passed(videos.stop_odds[video], videos.slope[video], appeal, rng.random()),
                    rng.random(),
                )
                for _ in range(n)
            ]
        )
        assert expected[video] == pytest.approx(watched.mean(), abs=3.9 * watched.std() / n**0.5)


def test_more_appeal_is_watched_longer(videos):
    ids = np.zeros(5, np.int64)
    assert (np.diff(expected_watch_s(videos, ids, np.linspace(-3, 3, 5, dtype=np.float32))) > 0).all()
