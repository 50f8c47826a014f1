"""Loss of the fit: the negative evidence bound, plus penalties on large coefficients and rough pass logits.

Axes: `rows` of a batch; `thresholds` of watch time; `actions`; `stages` thresholds passed, 0 to all.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from user_models.dynamics.watch_thresholds import N_THRESHOLDS
from user_models.fit.rows.batches import Batch
from user_models.fit.watch_model.effects import EffectTable
from user_models.fit.watch_model.model import WatchModel


def watch_log_likelihood(log_odds: Float[Tensor, "rows thresholds"], batch: Batch) -> Float[Tensor, " rows"]:
    """Log-probability that the view ends where it did: a discrete-time hazard; thresholds without length are free."""
    threshold = torch.arange(N_THRESHOLDS)
    passed = batch.exists & (threshold < batch.passed[:, None])
    ended = batch.exists & (threshold == batch.passed[:, None])
    return (torch.where(passed, logsigmoid(log_odds), 0.0) + torch.where(ended, logsigmoid(-log_odds), 0.0)).sum(1)


def action_log_likelihood(
    log_odds: Float[Tensor, "rows actions"], stage: Float[Tensor, "actions stages"], batch: Batch
) -> Float[Tensor, " rows"]:
    """Log-probability of the actions taken and not taken, given the stage reached."""
    reached = log_odds + stage.T[batch.passed]
    return -binary_cross_entropy_with_logits(reached, batch.acted, reduction="none").sum(1)


def negative_log_likelihood(model: WatchModel, batch: Batch, generator: torch.Generator | None) -> Float[Tensor, ""]:
    """Mean over the views; with a generator one posterior draw per view, else at the posterior mean."""
    passing, act = model.log_odds(batch, generator)
    likelihood = watch_log_likelihood(passing, batch) + action_log_likelihood(act, model.action_stage, batch)
    return -likelihood.mean()


def loss(model: WatchModel, batch: Batch, n_rows: int, generator: torch.Generator) -> Float[Tensor, ""]:
    """Negative evidence bound per view of `n_rows`, plus penalties, from one batch."""
    divergence = model.users.divergence() + model.videos.divergence()
    return negative_log_likelihood(model, batch, generator) + (divergence + penalty(model)) / n_rows


def penalty(model: WatchModel) -> Float[Tensor, ""]:
    """Gaussian priors of coefficients (ridge), and of the steps between neighbouring nodes and stages."""
    pages = model.page_rung.square().sum() + 3 * model.page_length.square().sum()
    actions = 0.5 * model.action_stage.diff(dim=1).square().sum() + model.action_stage[:, 0].square().sum()
    context = 5 * (model.page_appeal.square().sum() + model.page_action.square().sum())
    links = model.action_watcher.square().sum() + 5 * model.momentum.square().sum()
    links = links + model.chosen_segment.square().sum() + model.chosen_appeal.square().sum()
    links = links + model.chosen_action.square().sum()
    smooth = 2 * model.stage.diff(dim=0).square().sum()
    return _ridge(model.users, 10, 30) + _ridge(model.videos, 6, 3) + pages + actions + context + links + smooth


def _ridge(effects: EffectTable, strength: float, taste: float) -> Float[Tensor, ""]:
    """Gaussian priors of the coefficients of public features."""
    main = effects.by_code.square().sum() + effects.by_number.square().sum()
    return strength * main + taste * (effects.taste_by_code.square().sum() + effects.taste_by_number.square().sum())
