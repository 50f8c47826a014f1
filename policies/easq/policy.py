"""EASQ, and the rankers it is compared with: EMER, which hears no answers, and EMER_S, with answers in its one loss.

Axes: `users` requests served together, `n` candidates.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol, TypeVar, final, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32

from policies.base import Feedback, Log, Noise, Observation, Slates, top_k
from policies.checks import check_tables
from policies.easq.learning import EasqRecipe, RankerState, learn_log, learn_round
from policies.easq.storage import name_state, read_state
from policies.storage import Stored, read_policy, rebuild, write_policy
from policies.torch_rankers.training import one_thread
from policies.two_tower.serving import encode

_ROWS: Final = 128
"""Requests scored together."""


@final
class Learner:
    """A recipe and what was learned by it."""

    def __init__(self, kind: str, recipe: EasqRecipe) -> None:
        """Begin unfitted."""
        self.kind, self.recipe = kind, recipe
        self.state: RankerState | None = None

    def fitted_or_raise(self) -> RankerState:
        """What was learned, or a clear refusal."""
        if self.state is None:
            raise ValueError(f"{self.kind} is not fitted yet; call fit or load before it ranks, learns or is saved")
        return self.state


@runtime_checkable
class Learning(Protocol):
    """A policy with a learner: a dataclass whose fields are its options."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    learner: Learner


P = TypeVar("P")


def _rank(policy: Learning, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG001 - the contract's signature
    """See `policies.base.Policy.rank`."""
    return top_k(obs, _scores(policy, obs), k)


def _scores(policy: Learning, obs: Observation) -> Float32[np.ndarray, "users n"]:
    """See `policies.testing.conformance.Scoring.scores`; the behaviour head alone."""
    state = policy.learner.fitted_or_raise()
    known = state.known
    check_tables(obs, len(known.group), len(known.towers.feature_mean))
    h = policy.learner.recipe.history
    vectors = torch.from_numpy(encode(known.towers, obs.users.features, obs.user_id, obs.history, h))
    candidates = torch.from_numpy(obs.candidates.astype(np.int64))
    out = np.empty(candidates.shape, np.float32)
    with one_thread(), torch.inference_mode():
        for begin in range(0, len(out), _ROWS):
            rows = slice(begin, begin + _ROWS)
            inputs = known.inputs(vectors[rows], candidates[rows])
            out[rows] = state.network.served(candidates[rows], inputs).numpy()
    return out


def _fit(policy: Learning, log: Log, seed: int) -> None:
    """See `policies.base.TrainablePolicy.fit`."""
    policy.learner.state = learn_log(log, policy.learner.recipe, seed)


def _update(policy: Learning, feedback: Feedback) -> None:
    """See `policies.base.LearningPolicy.update`."""
    learn_round(policy.learner.fitted_or_raise(), feedback, policy.learner.recipe)


def _save(policy: Learning, folder: Path) -> None:
    """See `policies.base.TrainablePolicy.save`."""
    settings = {option.name: getattr(policy, option.name) for option in fields(policy) if option.init}
    write_policy(folder, Stored(policy.learner.kind, settings, name_state(policy.learner.fitted_or_raise())))


def _load(cls: type[P], folder: Path) -> P:
    """See `policies.base.TrainablePolicy.load`."""
    stored = read_policy(folder, _learner(cls()).kind)
    policy = rebuild(cls, folder, stored)
    learner = _learner(policy)
    learner.state = read_state(folder, stored.arrays, learner.recipe)
    return policy


def _learner(policy: object) -> Learner:
    """The learner of a policy."""
    if not isinstance(policy, Learning):
        raise TypeError(f"{type(policy).__name__} given, want a policy with a learner")
    return policy.learner


def _shared(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a recipe has too."""
    return {part.name: options[part.name] for part in fields(EasqRecipe) if part.name in options}


@final
@dataclass(eq=False)
class EasqPolicy:
    """Rank by EASQ: behaviour, aligned with questionnaires round by round.

    See `policies.easq.model` and `policies.easq.losses`. No correction for who answers, as in the paper.

    Attributes:
        lora: Keep the low-rank side path.
        moe: Keep the mixtures of experts; without them each head is one network.
        dpo: Keep the preference loss, by which answers reach the served score.
        satisfaction_weight: Lambda 1; at least 0.
        preference_weight: Lambda 2; at least 0.
        beta: Of the preference loss; more than 0.
        prior_weight: Of EMER's prior loss; at least 0.
        epochs: Passes over the log's requests, at most; at least 1.
        max_requests: Of the log, learned from at most; at least 1.
        capacity: Answers remembered; at least 1.
        learning_rate: Before the test; more than 0.
        online_rate: During it; more than 0.
    """

    lora: bool = True
    moe: bool = True
    dpo: bool = True
    satisfaction_weight: float = 0.5
    preference_weight: float = 0.1
    beta: float = 0.5
    prior_weight: float = 0.1
    epochs: int = 3
    max_requests: int = 60_000
    capacity: int = 30_000
    learning_rate: float = 1e-3
    online_rate: float = 1e-4
    learner: Learner = field(init=False, repr=False)

    def __post_init__(self) -> None:
        recipe = EasqRecipe(**_shared(vars(self)), rank=8 if self.lora else 0, experts=(4, 2) if self.moe else (0, 0))
        self.learner = Learner("easq", recipe if self.dpo else replace(recipe, preference_weight=0.0))

    rank = _rank
    scores = _scores
    fit = _fit
    update = _update
    save = _save
    load = classmethod(_load)


@final
@dataclass(eq=False)
class EmerPolicy:
    """Rank by EMER: pairs of behaviour within a request, learned on round by round; no questionnaires.

    After https://arxiv.org/abs/2508.05093, as far as `policies.easq.model` needs it: EASQ without all that hears
    answers.

    Attributes:
        prior_weight: Of the prior loss; at least 0.
        epochs: Passes over the log's requests, at most; at least 1.
        max_requests: Of the log, learned from at most; at least 1.
        learning_rate: Before the test; more than 0.
        online_rate: During it; more than 0.
    """

    prior_weight: float = 0.1
    epochs: int = 3
    max_requests: int = 60_000
    learning_rate: float = 1e-3
    online_rate: float = 1e-4
    learner: Learner = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.learner = Learner("emer", EasqRecipe(**_shared(vars(self)), answers="none", rank=0))

    rank = _rank
    scores = _scores
    fit = _fit
    update = _update
    save = _save
    load = classmethod(_load)


@final
@dataclass(eq=False)
class EmerSPolicy:
    """Rank by EMER_S: EMER with pairs of answers in its one loss, which EASQ is compared with.

    Attributes:
        satisfaction_weight: Of the pairs of answers; at least 0.
        prior_weight: Of the prior loss; at least 0.
        epochs: Passes over the log's requests, at most; at least 1.
        max_requests: Of the log, learned from at most; at least 1.
        capacity: Answers remembered; at least 1.
        learning_rate: Before the test; more than 0.
        online_rate: During it; more than 0.
    """

    satisfaction_weight: float = 0.5
    prior_weight: float = 0.1
    epochs: int = 3
    max_requests: int = 60_000
    capacity: int = 30_000
    learning_rate: float = 1e-3
    online_rate: float = 1e-4
    learner: Learner = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.learner = Learner("emer_s", EasqRecipe(**_shared(vars(self)), answers="main", rank=0))

    rank = _rank
    scores = _scores
    fit = _fit
    update = _update
    save = _save
    load = classmethod(_load)
