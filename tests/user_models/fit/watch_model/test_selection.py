"""A ranker that shows what appeals: with random rows beside its own, the fit finds the level of unselected views."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from user_models.dynamics.watch_thresholds import LONG_VIEW_THRESHOLD
from user_models.fit.generators.latents import world_terms
from user_models.fit.rows.batches import as_batch
from user_models.fit.rows.features import Features
from user_models.fit.rows.log_rows import LogRows
from user_models.fit.watch_model.model import Priors, WatchModel
from user_models.fit.watch_model.training import WatchModelSchedule, train

SLOPE, LIFT, CANDIDATES = 0.8, 1.0, 5


def both_logs(known) -> LogRows:
    """The first half shown at random; the second chosen by a ranker, by the video's appeal and by the moment's."""
    rng = np.random.default_rng(11)
    rows, n = known.rows, len(known.rows)
    random = np.arange(n) < n // 2
    candidates = rng.integers(0, len(known.video_appeal), (n, CANDIDATES))
    best = candidates[np.arange(n), known.video_appeal[candidates].argmax(axis=1)]
    video = np.where(random, candidates[:, 0], best)
    length = known.log_duration[video].astype(np.float32)
    appeal = known.user_appeal[rows.user] + known.video_appeal[video] + LIFT * ~random
    stop_odds = known.world.stop_odds(np.exp(length))
    survival = np.cumprod(1 / (1 + stop_odds * np.exp(-SLOPE * appeal)[:, None]), axis=1)
    passed = (survival > rng.random((n, 1))).sum(axis=1)
    return replace(rows, video=video, log_duration=length, passed=passed, random=random)


def level_off(known, rows: LogRows) -> float:
    """How far the fitted pass logits lie above the true ones, up to a long view."""
    n_users, n_videos = len(known.user_appeal), len(known.video_appeal)
    plain = [Features(np.zeros((n, 1), np.int64), 1, np.zeros((n, 0), np.float32)) for n in (n_users, n_videos)]
    spread = np.full(6, 0.3, np.float32)
    rate = np.clip(rows.acted.mean(axis=0), 1e-4, None).astype(np.float32)
    model = WatchModel(*plain, Priors(spread, spread, rate), 2, torch.Generator().manual_seed(0))
    batch = as_batch(rows)
    train(model, batch, WatchModelSchedule(epochs=10, batch=1024, rate=0.03), torch.Generator().manual_seed(0))
    terms = world_terms(model, batch, known.log_duration)
    middle = np.searchsorted(known.world.tables.node_log_duration, np.log(60))
    off = terms.stage[middle, : LONG_VIEW_THRESHOLD + 1] - known.world.tables.stage[middle, : LONG_VIEW_THRESHOLD + 1]
    return float(np.mean(off) - SLOPE * (known.user_appeal.mean() + known.video_appeal.mean()))


def test_random_rows_give_the_unselected_level(known):
    assert level_off(known, both_logs(known)) == pytest.approx(0, abs=0.2)


def test_a_rankers_rows_alone_give_the_selected_level(known):
    rows = both_logs(known)
    assert level_off(known, rows.take(~rows.random)) > 0.6 * SLOPE * LIFT
