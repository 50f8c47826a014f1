"""Made-up logs in which the next click depends on the sequence: what sequence rankers are tried on.

Topics form a ring. A user clicks a video, mostly, when its topic comes next on the ring after that of the last click;
or, with a step of 0, when it is that of the last click, so that the set of clicks tells, and not their order.
Every request is of one view, so that histories hold all that came before.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32

from policies.base import Event, Feedback, Log, UserTable, VideoTable


@final
@dataclass(frozen=True)
class Ring:
    """How a log of chains comes about.

    Attributes:
        n_users: Users.
        n_videos: Videos; video `v` is of topic `v % n_topics`, and its features say nothing.
        n_topics: Length of the ring.
        n_views: Views per user.
        fit_share: Share of views that would be the next on the ring; others are any video.
        step: How far on the next topic is.
    """

    n_users: int = 500
    n_videos: int = 64
    n_topics: int = 8
    n_views: int = 50
    fit_share: float = 0.4
    step: int = 1


def draw_chains(ring: Ring, rng: np.random.Generator) -> Log:
    """Every user follows the ring; lower ids are shown more often."""
    shape = (ring.n_users, ring.n_views)
    video_id, clicked = np.empty(shape, np.int32), np.empty(shape, bool)
    topic = rng.integers(0, ring.n_topics, ring.n_users)
    for j in range(ring.n_views):
        video_id[:, j] = _shown(ring, topic, rng)
        clicked[:, j] = _clicked(ring, topic, video_id[:, j], rng)
        topic = np.where(clicked[:, j], video_id[:, j] % ring.n_topics, topic)
    return Log(_feedback(video_id, clicked), _users(ring), _videos(ring))


def follows(ring: Ring, log: Log, user_id: Int[np.ndarray, " users"], videos: Int[np.ndarray, "users n"]) -> np.ndarray:
    """True where a video is the next on the ring after the user's last click."""
    clicks = log.feedback.take(log.feedback.has(Event.CLICK))
    last = np.searchsorted(clicks.user_id, user_id, side="right") - 1
    return videos % ring.n_topics == (clicks.video_id[last, None] + ring.step) % ring.n_topics


def _shown(ring: Ring, topic: Int[np.ndarray, " users"], rng: np.random.Generator) -> Int[np.ndarray, " users"]:
    """A video of the next topic, or any."""
    each = ring.n_videos // ring.n_topics
    rank = (each * rng.random(len(topic)) ** 2).astype(np.int64)
    fits = rng.random(len(topic)) < ring.fit_share
    chosen = np.where(fits, (topic + ring.step) % ring.n_topics, rng.integers(0, ring.n_topics, len(topic)))
    return rank * ring.n_topics + chosen


def _clicked(
    ring: Ring, topic: Int[np.ndarray, " users"], video_id: Int[np.ndarray, " users"], rng: np.random.Generator
) -> Bool[np.ndarray, " users"]:
    """Mostly the next on the ring."""
    chance: Float64[np.ndarray, " users"] = np.where(
        video_id % ring.n_topics == (topic + ring.step) % ring.n_topics, 0.95, 0.03
    )
    return rng.random(len(topic)) < chance


def _feedback(video_id: Int32[np.ndarray, "users views"], clicked: Bool[np.ndarray, "users views"]) -> Feedback:
    """One request per view, ten a day."""
    n_users, n_views = video_id.shape
    step = np.tile(np.arange(n_views), n_users)
    rows = n_users * n_views
    hit = clicked.ravel()
    return Feedback(
        user_id=np.repeat(np.arange(n_users, dtype=np.int32), n_views),
        video_id=video_id.ravel(),
        day=(step // 10 - n_views // 10).astype(np.int16),
        hour=(8 + step % 10).astype(np.int8),
        request=(step % 10).astype(np.int16),
        position=np.zeros(rows, np.int8),
        watch_s=np.where(hit, 12, 1).astype(np.float32),
        events=np.where(hit, np.uint16(Event.CLICK), np.uint16(Event.SKIP)),
        answer=np.zeros(rows, np.int8),
    )


def _users(ring: Ring) -> UserTable:
    """Users who are all alike."""
    return UserTable(np.zeros((ring.n_users, 1), np.float32), ("nothing",))


def _videos(ring: Ring) -> VideoTable:
    """Videos without a topic to read."""
    n = ring.n_videos
    return VideoTable(np.full(n, 30, np.float32), np.zeros(n, np.int32), np.zeros((n, 1), np.float32), ("nothing",))
