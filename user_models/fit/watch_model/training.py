"""Seeded minibatch Adam with a progress bar, validation loss and early stopping.

Axes: `rows` views.
"""

import copy
import sys
from dataclasses import dataclass
from typing import Final, final

import torch
from tqdm import tqdm

from user_models.fit.rows.batches import Batch
from user_models.fit.watch_model.model import WatchModel
from user_models.fit.watch_model.objective import loss, negative_log_likelihood


@final
@dataclass(frozen=True)
class WatchModelSchedule:
    """Training settings of the watch model.

    Attributes:
        epochs: At most this many passes over the rows.
        batch: Views per step.
        rate: Peak learning rate of coefficients, in a one-cycle schedule (Smith and Topin 2019, arXiv 1708.07120).
        item_rate: Peak learning rate of the deviations of single users and videos, which meet few rows each.
        validation: Share of rows set aside for the validation loss.
        patience: Epochs without a better validation loss until learning stops.
    """

    epochs: int = 14
    batch: int = 3072
    rate: float = 0.015
    item_rate: float = 0.05
    validation: float = 0.04
    patience: int = 3


@final
@dataclass(frozen=True)
class Trained:
    """Result of training.

    Attributes:
        epochs: Passes over the rows.
        validation_loss: Per view set aside, in nats; that of the parameters kept.
    """

    epochs: int
    validation_loss: float


_SPREAD_RATE: Final = 0.03


def train(
    model: WatchModel, rows: Batch, schedule: WatchModelSchedule, generator: torch.Generator, title: str = "fit"
) -> Trained:
    """Fit the model in place and restore the parameters of the best validation loss.

    Args:
        model: Changed in place.
        rows: All views; some are set aside.
        schedule: How long and how fast.
        generator: Splits, shuffles and draws; the same state gives the same parameters.
        title: Named on the progress bar, which goes to the standard error stream.
    """
    order = torch.randperm(len(rows), generator=generator)
    n_aside = max(1, int(schedule.validation * len(rows)))
    aside, learned = rows.take(order[:n_aside]), order[n_aside:]
    optimiser = _optimiser(model, schedule)
    steps = max(2, schedule.epochs * -(-len(learned) // schedule.batch))
    peaks = [group["lr"] for group in optimiser.param_groups]
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, peaks, total_steps=steps)
    best, best_state, losses = float("inf"), copy.deepcopy(model.state_dict()), list[float]()
    with tqdm(total=schedule.epochs, desc=title, unit="epoch", file=sys.stderr, leave=False) as bar:
        while len(losses) < schedule.epochs and not _settled(losses, schedule.patience):
            _pass(model, rows, learned, schedule.batch, optimiser, pace, generator)
            losses.append(validation_loss(model, aside))
            if losses[-1] < best:
                best, best_state = losses[-1], copy.deepcopy(model.state_dict())
            bar.set_postfix(validation_loss=f"{losses[-1]:.4f}")
            bar.update()
    model.load_state_dict(best_state)
    return Trained(len(losses), best)


def _settled(losses: list[float], patience: int) -> bool:
    """Return whether none of the last `patience` losses is below all before them."""
    return len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


@torch.no_grad()
def validation_loss(model: WatchModel, rows: Batch) -> float:
    """Mean negative log-likelihood per view at the posterior means."""
    return float(negative_log_likelihood(model, rows, None))


def _pass(
    model: WatchModel,
    rows: Batch,
    learned: torch.Tensor,
    size: int,
    optimiser: torch.optim.Optimizer,
    pace: torch.optim.lr_scheduler.LRScheduler,
    generator: torch.Generator,
) -> None:
    """One pass over the rows in a new order."""
    shuffled = learned[torch.randperm(len(learned), generator=generator)]
    for chosen in shuffled.split(size):
        optimiser.zero_grad()
        step = loss(model, rows.take(chosen), len(learned), generator)
        step.backward()
        optimiser.step()
        pace.step()


def _optimiser(model: WatchModel, schedule: WatchModelSchedule) -> torch.optim.Adam:
    """Adam with a rate of its own for deviations and for prior spreads."""
    items = [t for e in (model.users, model.videos) for t in (e.centre, e.log_spread)]
    spreads = [model.users.log_prior, model.videos.log_prior]
    apart = {id(tensor) for tensor in (*items, *spreads)}
    rest = [tensor for tensor in model.parameters() if id(tensor) not in apart]
    groups = [
        {"params": rest, "lr": schedule.rate},
        {"params": items, "lr": schedule.item_rate},
        {"params": spreads, "lr": _SPREAD_RATE},
    ]
    return torch.optim.Adam(groups, betas=(0.9, 0.99))
