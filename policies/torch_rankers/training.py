"""The trainer that the torch rankers share: batches of whole users, early stopping on users held out.

Users, not views, are split: a ranker has to serve people it was not trained on. Everything random comes from
one seeded generator and everything runs on one thread, so a seed gives the same weights to the bit.
"""

import copy
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, final

import torch
from jaxtyping import Int64
from torch import Tensor, nn
from tqdm import tqdm

from policies.torch_rankers.portable_kernels import use_portable_kernels

_log = logging.getLogger(__name__)

UserIds: TypeAlias = Int64[Tensor, " chosen"]
"""Places of users in the log."""


@final
@dataclass(frozen=True)
class TrainingSchedule:
    """Training settings of a ranker.

    Attributes:
        epochs: Passes over the training users, at most.
        users_per_step: Users in a batch.
        learning_rate: Of Adam (Kingma and Ba, ICLR 2015), at the first step; falls to 0 along a half cosine.
        longest_gradient: Steeper gradients are cut to this norm (Pascanu et al., ICML 2013); without it one batch in a
            few hundred throws a ranker far off, and how well it serves is left to chance.
        patience: Epochs without improvement before stopping.
        held_out: Share of users kept for validation, at least one if there are two.
        max_held_out: Users kept at most.
        progress: Show a bar.
    """

    epochs: int = 8
    users_per_step: int = 128
    learning_rate: float = 0.006
    longest_gradient: float = 0.3
    patience: int = 2
    held_out: float = 0.1
    max_held_out: int = 1000
    progress: bool = False


@final
@dataclass(frozen=True)
class LossCurve:
    """Losses by epoch.

    Attributes:
        training: Mean over the epoch's batches.
        validation: Of the held-out users, after the epoch.
    """

    training: tuple[float, ...]
    validation: tuple[float, ...]

    @property
    def best(self) -> int:
        """Epoch with the best validation loss."""
        return self.validation.index(min(self.validation))


@contextmanager
def one_thread() -> Generator[None]:
    """Run torch on one thread, so that sums come out in one order, the same on every processor."""
    use_portable_kernels()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def split_users(
    n: int, schedule: TrainingSchedule, generator: torch.Generator
) -> tuple[Int64[Tensor, " chosen"], Int64[Tensor, " held_out"]]:
    """Training and held-out users; a lone user is both."""
    order = torch.randperm(n, generator=generator)
    n_held_out = min(max(1, round(n * schedule.held_out)), schedule.max_held_out)
    return (order, order) if n == 1 else (order[n_held_out:], order[:n_held_out])


def train(
    model: nn.Module,
    loss_of: Callable[[UserIds], Tensor],
    penalty: Callable[[], Tensor],
    n_users: int,
    schedule: TrainingSchedule,
    generator: torch.Generator,
) -> LossCurve:
    """Minimise loss plus penalty; leaves in `model` the weights of the epoch with the least loss on held-out users.

    Args:
        model: Its parameters are learned in place.
        loss_of: Mean loss of the views of some users.
        penalty: Added to the training loss at every step, such as a prior.
        n_users: Users are numbered from 0.
        schedule: How long and how fast.
        generator: Splits the users and orders the batches.
    """
    with one_thread():
        learn, held_out = split_users(n_users, schedule, generator)
        steps = -(-len(learn) // schedule.users_per_step)
        optimiser = torch.optim.Adam(model.parameters(), lr=schedule.learning_rate, fused=True)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps * schedule.epochs)
        curve, best = LossCurve((), ()), copy.deepcopy(model.state_dict())
        for _ in tqdm(range(schedule.epochs), "training", disable=not schedule.progress):
            model.train()
            order = learn[torch.randperm(len(learn), generator=generator)]
            losses = [
                _step(partial(_total, loss_of, penalty, users), model, schedule, optimiser, cosine)
                for users in order.split(schedule.users_per_step)
            ]
            model.eval()
            curve = _extend(curve, losses, _validate(loss_of, held_out, schedule))
            if curve.best == len(curve.validation) - 1:
                best = copy.deepcopy(model.state_dict())
            if len(curve.validation) - 1 - curve.best >= schedule.patience:
                break
        model.load_state_dict(best)
    _log.info("kept epoch %d of %d: validation loss %.5f", curve.best + 1, len(curve.validation), min(curve.validation))
    return curve


def _total(loss_of: Callable[[UserIds], Tensor], penalty: Callable[[], Tensor], users: UserIds) -> Tensor:
    return loss_of(users) + penalty()


def _step(
    total: Callable[[], Tensor],
    model: nn.Module,
    schedule: TrainingSchedule,
    optimiser: torch.optim.Optimizer,
    cosine: torch.optim.lr_scheduler.LRScheduler,
) -> float:
    """One step down the gradient; returns the loss before it."""
    optimiser.zero_grad()
    loss = total()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), schedule.longest_gradient)
    optimiser.step()
    cosine.step()
    return loss.item()


def _validate(loss_of: Callable[[UserIds], Tensor], users: UserIds, schedule: TrainingSchedule) -> float:
    """Loss on held-out users, batch by batch."""
    with torch.no_grad():
        parts = users.split(schedule.users_per_step)
        return sum(loss_of(part).item() * len(part) for part in parts) / len(users)


def _extend(curve: LossCurve, losses: list[float], validation: float) -> LossCurve:
    """The curve with one more epoch."""
    return LossCurve((*curve.training, sum(losses) / len(losses)), (*curve.validation, validation))
