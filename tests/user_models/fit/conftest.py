"""A small world that is known, its log as rows, and features that tell nothing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from user_models.data.kuairand import official_names
from user_models.dynamics.watch_thresholds import N_THRESHOLDS, threshold_seconds
from user_models.fit.rows.batches import NODES_S
from user_models.fit.rows.log_rows import LogRows
from user_models.testing import toy_world
from user_models.world.tables import ACTIONS
from user_models.world.world import World

N_USERS, N_VIDEOS, N_ROWS = 300, 200, 24_000


@dataclass(frozen=True)
class Known:
    """A world, who is in it, and what they did."""

    world: World
    user_appeal: np.ndarray
    video_appeal: np.ndarray
    log_duration: np.ndarray
    rows: LogRows


def feed_rows(rng: np.random.Generator, n: int, duration_s: np.ndarray, passed: np.ndarray, **changed) -> LogRows:
    """Rows of the main feed, of users and videos 0 unless told otherwise."""
    zeros = np.zeros(n, np.int64)
    thresholds_s = threshold_seconds(duration_s.astype(np.float32))
    edges = np.concatenate([np.zeros((n, 1)), thresholds_s], axis=1)
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
        "exists": np.diff(thresholds_s, axis=1, prepend=-1) > 0,
        "acted": np.zeros((n, len(ACTIONS)), np.float32),
        "click": passed > 8,
        "long_view": passed > 11,
        "time_ms": np.arange(n),
        "random": np.zeros(n, bool),
    }
    return LogRows(**{**plain, **changed})


@pytest.fixture(scope="session")
def known() -> Known:
    """Views drawn from the model of the fit with numpy, independently of torch and numba."""
    rng = np.random.default_rng(7)
    world = toy_world()
    nodes = np.log(NODES_S).astype(np.float32)
    world = world.with_tables(
        node_log_duration=nodes,
        stage=np.tile(np.linspace(2.5, 1.5, N_THRESHOLDS).astype(np.float32), (len(nodes), 1)),
        slope=np.full((len(nodes), 6), 0.8, np.float32),
    )
    user_appeal, video_appeal = rng.normal(0, 0.7, N_USERS), rng.normal(0, 0.5, N_VIDEOS)
    user, video = rng.integers(0, N_USERS, N_ROWS), rng.integers(0, N_VIDEOS, N_ROWS)
    log_duration = rng.uniform(np.log(20), np.log(200), N_VIDEOS)
    duration_s = np.exp(log_duration)[video].astype(np.float32)
    stop_odds = world.stop_odds(duration_s)
    survival = np.cumprod(
        1 / (1 + stop_odds * np.exp(-0.8 * (user_appeal[user] + video_appeal[video]))[:, None]), axis=1
    )
    passed = (survival > rng.random((N_ROWS, 1))).sum(axis=1)
    liked = rng.random(N_ROWS) < np.where(passed > 8, 0.2, 0.05)
    acted = np.zeros((N_ROWS, len(ACTIONS)), np.float32)
    acted[:, 0] = liked
    rows = feed_rows(rng, N_ROWS, duration_s, passed, user=user, video=video, acted=acted)
    return Known(world, user_appeal, video_appeal, log_duration, rows)


def _log_row(table, rng: np.random.Generator, at: int, n_users: int, n_videos: int) -> dict[str, object]:
    """One made-up view; clicks and long views follow from the watch time."""
    video = int(rng.integers(n_videos))
    duration_ms, play_ms = 1000 * (6 + 3 * video), int(rng.exponential(12_000))
    plain = dict.fromkeys(table.header, 0)
    date = table.first_date + at % 4
    return plain | {
        "user_id": at % n_users,
        "video_id": video,
        "date": date,
        "hourmin": 100 * int(rng.integers(24)),
        "time_ms": int(pd.Timestamp(str(date)).timestamp()) * 1000 + 60_000 * at,
        "is_click": int(play_ms > 7000 or play_ms >= duration_ms),
        "long_view": int(play_ms >= min(18_000, duration_ms)),
        "is_like": int(rng.random() < 0.1),
        "play_time_ms": play_ms,
        "duration_ms": duration_ms,
        "tab": int(rng.choice([0, 1, 1, 1, 2])),
    }


def _user_row(table, at: int) -> dict[str, object]:
    """One made-up user."""
    told = {
        "user_active_degree": ("full_active", "high_active")[at % 2],
        "follow_user_num_range": "(10,50]",
        "fans_user_num_range": "[10,100)",
        "friend_user_num_range": "0",
        "register_days_range": "730+",
    }
    counts = {"user_id": at, "follow_user_num": at, "fans_user_num": at, "friend_user_num": at, "register_days": at}
    return dict.fromkeys(table.header, "0") | told | counts


def _video_row(table, at: int) -> dict[str, object]:
    """One made-up video."""
    told = {"video_type": "NORMAL", "upload_dt": "2022-04-10", "upload_type": "LongImport", "tag": f"{at % 3}"}
    numbers = {"video_id": at, "video_duration": f"{1000.0 * (6 + 3 * at)}", "server_width": "720.0"}
    return dict.fromkeys(table.header, "1") | told | numbers | {"server_height": "1280.0"}


def _statistics_row(table, rng: np.random.Generator, at: int) -> dict[str, object]:
    """Made-up counts of a video."""
    counts = {name: float(rng.integers(1, 900)) for name in table.header}
    return counts | {"video_id": at, "counts": 10, "play_cnt": 1000.0, "show_cnt": 2000.0, "play_progress": 0.2}


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A KuaiRand-Pure folder of 90 users, 60 videos and 1,500 made-up views over four days."""
    rng = np.random.default_rng(3)
    data = tmp_path_factory.mktemp("small") / "data"
    data.mkdir()
    n_users, n_videos = 90, 60
    for kind, tables in official_names("pure").items():
        for name, table in tables.items():
            rows = {
                "standard": lambda t: [_log_row(t, rng, at, n_users, n_videos) for at in range(750)],
                "users": lambda t: [_user_row(t, at) for at in range(n_users)],
                "videos": lambda t: [_video_row(t, at) for at in range(n_videos)],
                "video_statistics": lambda t: [_statistics_row(t, rng, at) for at in range(n_videos)],
            }
            if kind in rows:
                pd.DataFrame(rows[kind](table))[list(table.header)].to_csv(data / name, index=False)
    return data.parent
