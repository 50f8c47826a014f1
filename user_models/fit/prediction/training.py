"""Training of the predictor's networks: AdamW with a one-cycle rate, for a fixed number of epochs.

Axes: `rows` views; `outputs` log-odds; `numbers` inputs.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from tqdm import tqdm

from user_models.fit.prediction.network import Network, ViewInputs
from user_models.fit.watch_model.objective import watch_log_likelihood

Loss = Callable[[Float[Tensor, "rows outputs"], ViewInputs], Float[Tensor, ""]]


@final
@dataclass(frozen=True)
class TrainingSettings:
    """Training settings of one network.

    Attributes:
        epochs: Passes over the rows.
        batch: Views per step.
        rate: Peak learning rate, in a one-cycle schedule (Smith and Topin 2019, arXiv 1708.07120).
        decay: Weight decay (Loshchilov and Hutter, ICLR 2019).
        dropout: Share of the hidden units left out.
    """

    epochs: int
    batch: int
    rate: float
    decay: float
    dropout: float


WATCHING: Final = TrainingSettings(epochs=7, batch=1024, rate=0.003, decay=0.1, dropout=0.1)
ACTING: Final = TrainingSettings(epochs=5, batch=1024, rate=0.002, decay=0.3, dropout=0.2)


def watch_loss(log_odds: Float[Tensor, "rows outputs"], known: ViewInputs) -> Float[Tensor, ""]:
    """Mean negative log-likelihood of where the views ended, in nats per view."""
    return -watch_log_likelihood(log_odds, known.batch).mean()


def action_loss(log_odds: Float[Tensor, "rows outputs"], known: ViewInputs) -> Float[Tensor, ""]:
    """Mean negative log-likelihood of the actions, in nats per view."""
    return binary_cross_entropy_with_logits(log_odds, known.batch.acted, reduction="none").sum(dim=1).mean()


def learn(
    network: Network, known: ViewInputs, course: TrainingSettings, loss: Loss, generator: torch.Generator, title: str
) -> None:
    """Fit a network in place; the same generator state gives the same weights."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=course.rate, weight_decay=course.decay, betas=(0.9, 0.99))
    steps = course.epochs * -(-len(known) // course.batch)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, course.rate, total_steps=max(2, steps))
    for _ in tqdm(range(course.epochs), desc=title, unit="epoch", file=sys.stderr, leave=False):
        for chosen in torch.randperm(len(known), generator=generator).split(course.batch):
            optimiser.zero_grad()
            part = known.take(chosen)
            loss(network(part, generator), part).backward()
            optimiser.step()
            pace.step()
