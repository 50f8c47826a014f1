"""A small world that is known, its log as rows, and features that tell nothing."""

from dataclasses import dataclass

import numpy as np
import pytest

from user_models.fit.batches import NODES_S
from user_models.fit.features import Features
from user_models.fit.rows import Rows
from user_models.ladder import N_RUNGS, rungs
from user_models.toy import toy_world
from user_models.world import ACTIONS, World

N_USERS, N_VIDEOS, N_ROWS = 300, 200, 24_000


@dataclass(frozen=True)
class Known:
    """A world, who is in it, and what they did."""

    world: World
    user_appeal: np.ndarray
    video_appeal: np.ndarray
    rows: Rows


def plain_features(n: int) -> Features:
    return Features(np.zeros((n, 1), np.int64), 1, np.zeros((n, 0), np.float32))


def feed_rows(rng: np.random.Generator, n: int, duration_s: np.ndarray, passed: np.ndarray, **changed) -> Rows:
    """Rows of the main feed, of users and videos 0 unless told otherwise."""
    zeros = np.zeros(n, np.int64)
    rungs_s = rungs(duration_s.astype(np.float32))
    edges = np.concatenate([np.zeros((n, 1)), rungs_s], axis=1)
    plain = {
        "user": zeros,
        "video": zeros,
        "date": np.sort(20220420 + rng.integers(0, 5, n)),
        "tab": zeros,
        "page": zeros + 1,
        "hour": rng.integers(0, 24, n),
        "before": np.zeros(n, np.float32),
        "log_duration": np.log(duration_s).astype(np.float32),
        "watch_s": np.take_along_axis(edges, passed[:, None], 1)[:, 0].astype(np.float32),
        "passed": passed.astype(np.int64),
        "stands": np.diff(rungs_s, axis=1, prepend=-1) > 0,
        "acted": np.zeros((n, len(ACTIONS)), np.float32),
        "click": passed > 8,
        "long_view": passed > 11,
    }
    return Rows(**{**plain, **changed})


@pytest.fixture(scope="session")
def known() -> Known:
    """Views drawn from the model of the fit with numpy, independently of torch and numba."""
    rng = np.random.default_rng(7)
    world = toy_world()
    nodes = np.log(NODES_S).astype(np.float32)
    world = world.with_tables(
        node_log_duration=nodes,
        stage=np.tile(np.linspace(2.5, 1.5, N_RUNGS).astype(np.float32), (len(nodes), 1)),
        slope=np.full(6, 0.8, np.float32),
    )
    user_appeal, video_appeal = rng.normal(0, 0.7, N_USERS), rng.normal(0, 0.5, N_VIDEOS)
    user, video = rng.integers(0, N_USERS, N_ROWS), rng.integers(0, N_VIDEOS, N_ROWS)
    duration_s = np.exp(rng.uniform(np.log(20), np.log(200), N_VIDEOS))[video].astype(np.float32)
    barrier = world.barriers(duration_s)
    survival = np.cumprod(1 / (1 + barrier * np.exp(-0.8 * (user_appeal[user] + video_appeal[video]))[:, None]), axis=1)
    passed = (survival > rng.random((N_ROWS, 1))).sum(axis=1)
    liked = rng.random(N_ROWS) < np.where(passed > 8, 0.2, 0.05)
    acted = np.zeros((N_ROWS, len(ACTIONS)), np.float32)
    acted[:, 0] = liked
    rows = feed_rows(rng, N_ROWS, duration_s, passed, user=user, video=video, acted=acted)
    return Known(world, user_appeal, video_appeal, rows)
