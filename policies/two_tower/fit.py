"""From a log to towers ready to serve."""

import logging
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
import torch

from policies.base import Log
from policies.checks import check_log
from policies.kernel import Towers
from policies.torch_rankers.training import TrainingSchedule, train
from policies.two_tower.batches import ViewSource
from policies.two_tower.model import TwoTower, loss

_log = logging.getLogger(__name__)

_STEPS_PER_EPOCH: Final = 160
_VIEWS_PER_STEP: Final = (500, 9_000)
"""Least and most; between them an epoch has `_STEPS_PER_EPOCH` steps, so that small logs are learned from as well."""


@final
@dataclass(frozen=True)
class Recipe:
    """Training settings of the towers.

    Attributes:
        history: Views of a user's past that are read, newest first.
        epochs: Passes over the log, at most.
        max_views: Views learned from, at most; further users, chosen by the seed, are left out whole.
    """

    history: int = 50
    epochs: int = 8
    max_views: int = 1_500_000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name}={value} given, want at least 1")


def fit_towers(log: Log, recipe: Recipe, seed: int) -> Towers:
    """Learn both towers.

    Raises:
        ValueError: The log has no views, or features that are not finite.
    """
    check_log(log)
    generator = torch.Generator().manual_seed(seed)
    sampled_log = keep_users(log, recipe.max_views, generator)
    source = ViewSource(sampled_log, recipe.history)
    n_views = len(sampled_log.feedback)
    least, most = _VIEWS_PER_STEP
    views_per_step = min(max(n_views / _STEPS_PER_EPOCH, least), most)
    per_step = max(1, round(views_per_step * source.n_users / n_views))
    model = TwoTower(sampled_log, generator)
    schedule = TrainingSchedule(epochs=recipe.epochs, users_per_step=per_step, patience=recipe.epochs)
    train(
        model,
        lambda users: loss(model, source.take(users)),
        lambda: model.prior() / n_views,
        source.n_users,
        schedule,
        generator,
    )
    has_views = np.bincount(sampled_log.feedback.video_id, minlength=len(log.videos.duration_s)) > 0
    return model.export(has_views)


def keep_users(log: Log, max_views: int, generator: torch.Generator) -> Log:
    """Choose at most about `max_views` views, all of each chosen user; logs the number left out."""
    feedback = log.feedback
    if len(feedback) <= max_views:
        return log
    users, n_views = np.unique(feedback.user_id, return_counts=True)
    order = torch.randperm(len(users), generator=generator).numpy()
    n_kept = max(1, int(np.searchsorted(np.cumsum(n_views[order]), max_views, side="right")))
    rows = np.isin(feedback.user_id, users[order[:n_kept]])
    _log.info("learning from %d of %d views: %d of %d users", rows.sum(), len(rows), n_kept, len(users))
    return replace(log, feedback=feedback.take(rows))
