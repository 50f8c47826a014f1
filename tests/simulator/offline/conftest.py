"""Made-up logs for the tests of the offline protocol."""

from collections.abc import Callable

import numpy as np
import pytest

from policies.base import Event, Feedback, Log, UserTable, VideoTable
from simulator.offline.dataset import Dataset

Make = Callable[..., Dataset]


@pytest.fixture(scope="session")
def clicked() -> Make:
    """Makes a dataset of views given as (user, video, clicked), each a request of its own, in order."""

    def make(views: list[tuple[int, int, bool]], satisfaction=None) -> Dataset:
        user, video, click = (np.array(column) for column in zip(*views, strict=True))
        order = np.argsort(user, kind="stable")
        user, video, click = user[order], video[order], click[order]
        n = len(user)
        place = np.arange(n) - np.searchsorted(user, user)
        feedback = Feedback(
            user_id=user.astype(np.int32),
            video_id=video.astype(np.int32),
            day=(place // 3 - 100).astype(np.int16),
            hour=np.full(n, 9, np.int8),
            request=(place % 3).astype(np.int16),
            position=np.zeros(n, np.int8),
            watch_s=np.where(click, 20, 1).astype(np.float32),
            events=np.where(click, int(Event.CLICK | Event.LONG_VIEW), int(Event.SKIP)).astype(np.uint16),
            answer=np.zeros(n, np.int8),
        )
        people, videos = int(user.max()) + 1, int(video.max()) + 1
        tables = (
            UserTable(np.arange(people, dtype=np.float32)[:, None], ("number",)),
            VideoTable(
                np.full(videos, 30, np.float32),
                (np.arange(videos) % 5).astype(np.int32),
                np.arange(videos, dtype=np.float32)[:, None],
                ("number",),
            ),
        )
        return Dataset("made up", Log(feedback, *tables), satisfaction)

    return make


@pytest.fixture(scope="session")
def planted(clicked: Make) -> Dataset:
    """A hundred fans click seven of thirty hits (videos 0 to 29) and skip three others; 26 collectors click those."""
    rng = np.random.default_rng(5)
    views: list[tuple[int, int, bool]] = []
    for user in range(100):
        views += [(user, int(video), False) for video in rng.permutation(np.arange(30, 160))[:3]]
        views += [(user, int(video), True) for video in rng.permutation(30)[:7]]
    for collector in range(26):
        views += [(100 + collector, 30 + (5 * collector + at) % 130, True) for at in range(30)]
    return clicked(views)
