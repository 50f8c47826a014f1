"""Training of EASQ and EMER: on a log before the test, and on each round during it.

A round's views are read with the histories they had: of every user the latest views are kept from round to round. All
that learning needs (weights, optimiser, answers, views) is part of the policy's folder, so that a run that is resumed
goes on to the same bytes. Draws depend on the seed and the number of rounds learned.

Axes: `rows` views, `b` requests.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, final

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor, nn

from policies.base import Event, Feedback, Log
from policies.checks import check_log
from policies.easq.answer_buffer import AnswerBuffer, draw_pairs, read_answers
from policies.easq.inputs import N_RATES, FrozenInputs, SlateVectors, freeze_inputs, read_slates
from policies.easq.losses import pair_loss, preference_loss, prior_loss, request_loss
from policies.easq.model import EasqNetwork, EasqShape
from policies.histories import find_requests
from policies.torch_rankers.training import TrainingSchedule, one_thread, train
from policies.two_tower.fit import Recipe, fit_towers

Use: TypeAlias = Literal["side", "main", "none"]
"""What answers teach: side path and preferences (EASQ), the main loss (EMER_S), or nothing (EMER)."""
DECIDED: Final = Event.SATISFIED | Event.DISSATISFIED
_PRIOR: Final = 10.0
"""Precision of the normal prior of each video's own columns."""
_STEEPEST: Final = 5.0


@final
@dataclass(frozen=True)
class EasqRecipe:
    """Training settings of a ranker; see `policies.easq.policy.EasqPolicy` for the options.

    Attributes:
        answers: What they teach.
        satisfaction_weight: Lambda 1.
        preference_weight: Lambda 2; 0 leaves the preference loss out.
        full_density: Answers per request from which lambda 2 counts in full; with fewer it falls in proportion.
        beta: Of the preference loss.
        prior_weight: Of EMER's prior loss.
        width: Of the backbone.
        rank: Of the side path; 0 leaves it out.
        experts: With gates, of both heads; 0 leaves the mixture out.
        history: Views that are read of each user.
        epochs: Before the test.
        max_requests: Learned from before the test, at most.
        requests_per_step: In a batch.
        pairs_per_step: Of answers, at most.
        extra: Videos per request that were not shown, for the prior loss.
        capacity: Answers that are remembered.
        learning_rate: Before the test.
        online_rate: During it.
    """

    answers: Use = "side"
    satisfaction_weight: float = 0.5
    preference_weight: float = 0.1
    full_density: float = 0.1
    beta: float = 0.5
    prior_weight: float = 0.1
    width: int = 32
    rank: int = 8
    experts: tuple[int, int] = (4, 2)
    history: int = 50
    epochs: int = 3
    max_requests: int = 240_000
    requests_per_step: int = 128
    pairs_per_step: int = 256
    extra: int = 6
    capacity: int = 400_000
    learning_rate: float = 1e-3
    online_rate: float = 1e-4

    def weighed(self, n_answers: int, n_requests: int) -> "EasqRecipe":
        """Return the recipe with lambda 2 as the density of answers allows.

        >>> EasqRecipe(preference_weight=0.1, full_density=0.1).weighed(n_answers=20, n_requests=400).preference_weight
        0.05
        """
        if self.full_density == 0:
            return self
        share = min(1.0, n_answers / max(n_requests, 1) / self.full_density)
        return replace(self, preference_weight=self.preference_weight * share)


@final
@dataclass
class RankerState:
    """All that a fitted ranker holds.

    Attributes:
        known: Frozen.
        network: Its weights.
        optimiser: Of the rounds.
        answers: Remembered.
        tail: The latest views of every user.
        seed: Of fitting.
        rounds: Learned so far.
    """

    known: FrozenInputs
    network: EasqNetwork
    optimiser: torch.optim.Adam
    answers: AnswerBuffer
    tail: Feedback
    seed: int
    rounds: int


def make_network(known: FrozenInputs, recipe: EasqRecipe, generator: torch.Generator) -> EasqNetwork:
    """A network of the recipe's sizes."""
    main, satisfaction = recipe.experts
    shape = EasqShape(len(known.group), known.n_inputs, recipe.width, recipe.rank, main, satisfaction)
    return EasqNetwork(shape, generator)


def make_optimiser(network: nn.Module, recipe: EasqRecipe) -> torch.optim.Adam:
    """That of the rounds; begins without momentum [R]."""
    return torch.optim.Adam(network.parameters(), lr=recipe.online_rate)


def learn_log(log: Log, recipe: EasqRecipe, seed: int) -> RankerState:
    """Towers first, then the ranker on their rates.

    Raises:
        ValueError: The log has no views, or features that are not finite.
    """
    check_log(log)
    generator = torch.Generator().manual_seed(seed)
    feedback, h = log.feedback, recipe.history
    frozen = freeze_inputs(log, fit_towers(log, Recipe(history=h), seed), h, generator)
    network = make_network(frozen, recipe, generator)
    every = np.ones(len(feedback), bool)
    answers = read_answers(frozen, feedback, every, recipe.capacity, h)
    state = RankerState(frozen, network, make_optimiser(network, recipe), answers, latest(feedback, h), seed, 0)
    n = len(find_requests(feedback, h))
    chosen = torch.randperm(n, generator=generator)[: recipe.max_requests].sort().values.numpy()
    slates = read_slates(frozen, feedback, chosen, h)
    schedule = TrainingSchedule(
        epochs=recipe.epochs,
        users_per_step=recipe.requests_per_step,
        learning_rate=recipe.learning_rate,
        longest_gradient=_STEEPEST,
    )

    weighed = recipe.weighed(int(feedback.has(DECIDED).sum()), n)

    def loss_of(rows: Tensor) -> Tensor:
        return total_loss(state, slates.take(rows), weighed, generator)

    train(network, loss_of, lambda: prior(network) / len(slates), len(slates), schedule, generator)
    return state


def learn_round(state: RankerState, feedback: Feedback, recipe: EasqRecipe) -> None:
    """One pass over a round's requests, answers among them; changes the state in place."""
    if len(feedback) == 0:
        return
    generator = torch.Generator().manual_seed((state.seed * 1_000_003 + state.rounds + 1) % 2**63)
    joined, new = join(state.tail, feedback)
    opened = new[find_requests(joined, recipe.history).start]
    slates = read_slates(state.known, joined, np.flatnonzero(opened), recipe.history)
    newer = read_answers(state.known, joined, new, recipe.capacity, recipe.history)
    weighed = recipe.weighed(int((joined.has(DECIDED) & new).sum()), len(slates))
    state.answers = state.answers.extended(newer, recipe.capacity)
    state.network.train()
    with one_thread():
        for rows in torch.randperm(len(slates), generator=generator).split(recipe.requests_per_step):
            state.optimiser.zero_grad()
            total_loss(state, slates.take(rows), weighed, generator).backward()
            nn.utils.clip_grad_norm_(state.network.parameters(), _STEEPEST)
            state.optimiser.step()
    state.network.eval()
    state.tail = latest(joined, recipe.history)
    state.rounds += 1


def total_loss(
    state: RankerState, slates: SlateVectors, recipe: EasqRecipe, generator: torch.Generator
) -> Float32[Tensor, ""]:
    """L = L_main + lambda 1 L_satis + lambda 2 L_DPO, and EMER's prior loss."""
    loss = behaviour_loss(state, slates, recipe, generator)
    if recipe.answers == "none":
        return loss
    better, worse = draw_pairs(state.answers, state.known.group, recipe.pairs_per_step, generator)
    (y_better, s_better), (y_worse, s_worse) = (_heads(state, state.answers.take(rows)) for rows in (better, worse))
    if recipe.answers == "main":
        return loss + recipe.satisfaction_weight * pair_loss(y_better, y_worse)
    loss = loss + recipe.satisfaction_weight * pair_loss(s_better, s_worse)
    if recipe.preference_weight:
        preferences = preference_loss((y_better, y_worse), (s_better, s_worse), recipe.beta)
        loss = loss + recipe.preference_weight * preferences
    return loss


def behaviour_loss(
    state: RankerState, slates: SlateVectors, recipe: EasqRecipe, generator: torch.Generator
) -> Float32[Tensor, ""]:
    """Compute L_main over the shown videos, and the prior loss over them and some videos not shown."""
    shape = (len(slates), recipe.extra)
    others = torch.randint(len(state.known.group), shape, generator=generator)
    video_id = torch.cat([slates.video_id, others], dim=1)
    inputs = state.known.inputs(slates.vectors, video_id)
    y, _ = state.network(video_id, inputs)
    n_shown = slates.video_id.shape[1]
    loss = request_loss(y[:, :n_shown], slates.order, slates.mask)
    mask = torch.cat([slates.mask, torch.ones(shape, dtype=torch.bool)], dim=1)
    return loss + recipe.prior_weight * prior_loss(y, inputs[..., :N_RATES], mask)


def prior(network: EasqNetwork) -> Float32[Tensor, ""]:
    """Minus the log-density of every video's own columns, up to a constant."""
    tables = [network.w0.by_id] + ([] if network.a is None else [network.a.by_id])
    return 0.5 * _PRIOR * torch.stack([table.square().sum() for table in tables]).sum()


def latest(feedback: Feedback, h: int) -> Feedback:
    """The last `h` views of every user of a log."""
    end = np.searchsorted(feedback.user_id, feedback.user_id, side="right")
    return feedback.take(end - np.arange(len(feedback)) <= h)


def join(tail: Feedback, feedback: Feedback) -> tuple[Feedback, Bool[np.ndarray, " rows"]]:
    """Join stored views and a round's as one log in canonical order; the mask marks the round's rows."""
    both = Feedback.concatenate([tail, feedback])
    order = np.argsort(both.user_id, kind="stable")
    return both.take(order), order >= len(tail)


def _heads(state: RankerState, answers: AnswerBuffer) -> tuple[Float32[Tensor, " pairs"], Float32[Tensor, " pairs"]]:
    """Both scores of answered views."""
    video_id = answers.video_id[:, None]
    y, s = state.network(video_id, state.known.inputs(answers.vectors, video_id))
    return y[:, 0], s[:, 0]
