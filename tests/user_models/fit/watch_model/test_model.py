"""The torch model: its likelihood is the kernel's, and it finds what is known again."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from user_models.dynamics import kernel
from user_models.dynamics.watch_thresholds import N_THRESHOLDS, SEGMENT, threshold_seconds
from user_models.fit.generators.latents import world_terms
from user_models.fit.rows.batches import as_batch
from user_models.fit.rows.features import Features
from user_models.fit.rows.log_rows import LogRows
from user_models.fit.watch_model.model import Priors, WatchModel
from user_models.fit.watch_model.objective import watch_log_likelihood
from user_models.fit.watch_model.training import WatchModelSchedule, train, validation_loss


def plain_features(n: int) -> Features:
    return Features(np.zeros((n, 1), np.int64), 1, np.zeros((n, 0), np.float32))


def plain_model(known, seed: int) -> WatchModel:
    ones = np.full(6, 0.3, np.float32)
    rate = np.clip(known.rows.acted.mean(axis=0), 1e-4, None).astype(np.float32)
    users, videos = plain_features(len(known.user_appeal)), plain_features(len(known.video_appeal))
    return WatchModel(users, videos, Priors(ones, ones, rate), 2, torch.Generator().manual_seed(seed))


def fitted(known, seed: int = 0) -> WatchModel:
    model = plain_model(known, seed)
    schedule = WatchModelSchedule(epochs=10, batch=1024, rate=0.03)
    train(model, as_batch(known.rows), schedule, torch.Generator().manual_seed(seed))
    return model


def shuffled(rows: LogRows) -> LogRows:
    """The same views, users and videos dealt out at random: all that is left to learn are the pass logits."""
    rng = np.random.default_rng(0)
    return replace(rows, user=rng.permutation(rows.user), video=rng.permutation(rows.video))


@pytest.fixture(scope="module")
def found(known) -> WatchModel:
    return fitted(known)


def test_chance_of_every_watch_is_the_kernels(known):
    """Chances from the likelihood, summed, are where the kernel's count changes from one stage to the next."""
    world, duration_s = known.world, np.array([6.5, 15.0, 90.0], np.float32)
    appeal = 0.4
    stop_odds = world.stop_odds(duration_s)
    log_odds = -np.log(np.maximum(stop_odds, 1e-30)) + world.tables.slope[0][SEGMENT] * appeal
    exists = np.diff(threshold_seconds(duration_s), axis=1, prepend=-1) > 0
    batch = as_batch(known.rows.take(np.arange(3)))
    chances = []
    for stage in range(N_THRESHOLDS + 1):
        views = type(batch)(**{**vars(batch), "passed": torch.full((3,), stage), "exists": torch.from_numpy(exists)})
        stops = np.concatenate([exists, np.ones((3, 1), bool)], axis=1)[:, stage]
        chance = watch_log_likelihood(torch.from_numpy(log_odds.astype(np.float32)), views).exp().numpy()
        chances.append(np.where(stops, chance, 0))
    survival = 1 - np.cumsum(chances, axis=0)[:-1].T
    np.testing.assert_allclose(survival[:, -1], np.array(chances)[-1], atol=1e-5)
    for row in range(3):
        for threshold in np.flatnonzero(exists[row]):
            at = survival[row, threshold]
            assert kernel.count_passed(stop_odds[row], world.tables.slope[0], appeal, at * 0.999) > threshold
            assert kernel.count_passed(stop_odds[row], world.tables.slope[0], appeal, at * 1.001) <= threshold


def test_users_and_videos_are_found_again(known, found):
    terms = world_terms(found, as_batch(known.rows), known.log_duration)
    assert np.corrcoef(terms.users.appeal, known.user_appeal)[0, 1] > 0.9
    assert np.corrcoef(terms.videos.appeal, known.video_appeal)[0, 1] > 0.9


def test_spread_of_users_is_found_again(known, found):
    """Appeal times slope is what the rows identify; posterior variance is added back."""
    terms = world_terms(found, as_batch(known.rows), known.log_duration)
    spread = np.sqrt(terms.users.appeal.var() + terms.users.appeal_variance)
    real = 0.8 * known.user_appeal.std()
    assert spread == pytest.approx(real, rel=0.2)


def test_rate_of_every_stage_is_found_again(known, found):
    terms = world_terms(found, as_batch(known.rows), known.log_duration)
    middle = np.searchsorted(known.world.tables.node_log_duration, np.log(60))
    off = terms.stage[middle, :12] - known.world.tables.stage[middle, :12]
    level = 0.8 * (known.user_appeal.mean() + known.video_appeal.mean())
    np.testing.assert_allclose(off - level, 0, atol=0.25)


def test_a_model_beats_guessing_on_later_days(known):
    early = known.rows.date < 20220424
    model = plain_model(known, 1)
    before, after = known.rows.take(early), known.rows.take(~early)
    train(
        model, as_batch(before), WatchModelSchedule(epochs=6, batch=1024, rate=0.03), torch.Generator().manual_seed(0)
    )
    guess = plain_model(known, 1)
    train(
        guess,
        as_batch(shuffled(before)),
        WatchModelSchedule(epochs=6, batch=1024, rate=0.03),
        torch.Generator().manual_seed(0),
    )
    assert validation_loss(model, as_batch(after)) < validation_loss(guess, as_batch(after)) - 0.05


def test_the_same_seed_gives_the_same_model(known):
    schedule = WatchModelSchedule(epochs=1, batch=4096)
    models = [plain_model(known, 3) for _ in range(2)]
    losses = [
        train(model, as_batch(known.rows), schedule, torch.Generator().manual_seed(5)).validation_loss
        for model in models
    ]
    assert losses[0] == losses[1]
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_learning_stops_when_it_gets_no_better(known):
    schedule = WatchModelSchedule(epochs=30, batch=256, rate=0.5, item_rate=0.5, patience=2)
    rows = as_batch(known.rows.take(np.arange(600)))
    trained = train(plain_model(known, 0), rows, schedule, torch.Generator().manual_seed(0))
    assert trained.epochs < 30
