"""Minibatch Adam with early stopping, the same for every formulation.

Axes: `rows` views.
"""

import copy
from dataclasses import dataclass
from typing import final

import torch
from network import WatchNet
from views import Views


@final
@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    Attributes:
        epochs: Passes over the rows.
        batch: Views per step.
        rate: Peak learning rate, in a one-cycle schedule (Smith and Topin 2019, https://arxiv.org/abs/1708.07120).
        shrink: Gaussian prior precision of user and video embeddings, which meet few rows each.
        aside: Share of rows set aside for early stopping.
    """

    epochs: int = 10
    batch: int = 2048
    rate: float = 0.04
    shrink: float = 150.0
    aside: float = 0.06


@final
@dataclass(frozen=True)
class Learned:
    """What learning ended with.

    Attributes:
        epochs: Passes until the parameters kept; the cycle runs to its end, since losses fall most as rates do.
        aside_loss: The formulation's own loss per view set aside; that of the parameters kept.
    """

    epochs: int
    aside_loss: float


def learn(net: WatchNet, views: Views, schedule: Schedule, generator: torch.Generator) -> Learned:
    """Fit the network in place; the parameters of the best loss on the rows set aside are kept."""
    order = torch.randperm(len(views), generator=generator)
    n_aside = max(1, int(schedule.aside * len(views)))
    aside, learned = views.take(order[:n_aside]), order[n_aside:]
    optimiser = torch.optim.Adam(net.parameters(), lr=schedule.rate, betas=(0.9, 0.99))
    steps = schedule.epochs * -(-len(learned) // schedule.batch)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, schedule.rate, total_steps=max(2, steps))
    best, best_state, losses = float("inf"), copy.deepcopy(net.state_dict()), list[float]()
    for _ in range(schedule.epochs):
        _pass(net, views, learned, schedule, optimiser, pace, generator)
        losses.append(_mean_loss(net, aside))
        if losses[-1] < best:
            best, best_state = losses[-1], copy.deepcopy(net.state_dict())
    net.load_state_dict(best_state)
    return Learned(1 + losses.index(best), best)


@torch.no_grad()
def _mean_loss(net: WatchNet, views: Views) -> float:
    """Loss per view."""
    return float(net.loss(views).mean())


def _pass(
    net: WatchNet,
    views: Views,
    learned: torch.Tensor,
    schedule: Schedule,
    optimiser: torch.optim.Optimizer,
    pace: torch.optim.lr_scheduler.LRScheduler,
    generator: torch.Generator,
) -> None:
    """One pass over the rows in a new order."""
    shuffled = learned[torch.randperm(len(learned), generator=generator)]
    for chosen in shuffled.split(schedule.batch):
        optimiser.zero_grad()
        items = net.encoder.users.square().sum() + net.encoder.videos.square().sum()
        (net.loss(views.take(chosen)).mean() + schedule.shrink * items / (2 * len(learned))).backward()
        optimiser.step()
        pace.step()
