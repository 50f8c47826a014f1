"""EASQ, and the rankers it is compared with: EMER, which hears no answers, and EMER_S, with answers in its one loss.

Axes: `users` requests served together, `n` candidates.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from jaxtyping import Float32
from typing_extensions import override

from policies.base import Feedback, Log, Observation
from policies.checks import check_tables
from policies.easq.learning import EasqRecipe, RankerState, learn_log, learn_round
from policies.easq.storage import name_state, read_state
from policies.torch_rankers.ranker import TorchPolicy
from policies.torch_rankers.training import one_thread
from policies.two_tower.serving import encode

_ROWS: Final = 128
"""Requests scored together."""


@final
@dataclass(frozen=True)
class EasqSpec:
    """Specification of one ranker of this family; a `policies.torch_rankers.ranker.Spec`.

    Attributes:
        kind: The policy's name.
        recipe: How it is learned.
    """

    kind: str
    recipe: EasqRecipe

    def fit(self, log: Log, seed: int) -> RankerState:
        """Learn from a log before the test."""
        return learn_log(log, self.recipe, seed)

    def scores(self, fitted: RankerState, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate of every request, by the behaviour head alone.

        Raises:
            ValueError: The catalogue or the user features are not those of the log that was learned from.
        """
        frozen = fitted.known
        check_tables(obs, len(frozen.group), len(frozen.towers.feature_mean))
        h = self.recipe.history
        vectors = torch.from_numpy(encode(frozen.towers, obs.users.features, obs.user_id, obs.history, h))
        candidates = torch.from_numpy(obs.candidates.astype(np.int64))
        out = np.empty(candidates.shape, np.float32)
        with one_thread(), torch.inference_mode():
            for begin in range(0, len(out), _ROWS):
                rows = slice(begin, begin + _ROWS)
                inputs = frozen.inputs(vectors[rows], candidates[rows])
                out[rows] = fitted.network.served(candidates[rows], inputs).numpy()
        return out

    def arrays(self, fitted: RankerState) -> dict[str, np.ndarray]:
        """Return the whole state by the names that it is stored under."""
        return name_state(fitted)

    def restore(self, folder: Path, arrays: Mapping[str, np.ndarray]) -> RankerState:
        """Rebuild the state.

        Raises:
            PolicyFolderError: An array is missing, damaged or does not fit the others.
        """
        return read_state(folder, arrays, self.recipe)


class EasqFamilyPolicy(TorchPolicy):
    """A ranker of this family as a policy, which learns on during the test."""

    @override
    @abstractmethod
    def spec(self) -> EasqSpec: ...

    def update(self, feedback: Feedback) -> None:
        """Train on a round's feedback."""
        learn_round(self.core.fitted_or_raise(), feedback, self.spec().recipe)


def _shared(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that a recipe has too."""
    return {part.name: options[part.name] for part in fields(EasqRecipe) if part.name in options}


@final
@dataclass(eq=False)
class EasqPolicy(EasqFamilyPolicy):
    """Rank by EASQ: behaviour, aligned with questionnaires round by round.

    See `policies.easq.model` and `policies.easq.losses`. No correction for who answers, as in the paper.

    Attributes:
        lora: Keep the low-rank side path.
        moe: Keep the mixtures of experts; without them each head is one network.
        dpo: Keep the preference loss, by which answers reach the served score.
        satisfaction_weight: Lambda 1; at least 0.
        preference_weight: Lambda 2; at least 0.
        full_density: Answers per request from which lambda 2 counts in full; with fewer it falls in proportion [R].
            Without that a few hundred answers are learned by heart and cost watch time. At least 0.
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
    full_density: float = 0.1
    beta: float = 0.5
    prior_weight: float = 0.1
    epochs: int = 3
    max_requests: int = 240_000
    capacity: int = 400_000
    learning_rate: float = 1e-3
    online_rate: float = 1e-4

    @override
    def spec(self) -> EasqSpec:
        recipe = EasqRecipe(**_shared(vars(self)), rank=8 if self.lora else 0, experts=(4, 2) if self.moe else (0, 0))
        return EasqSpec("easq", recipe if self.dpo else replace(recipe, preference_weight=0.0))


@final
@dataclass(eq=False)
class EmerPolicy(EasqFamilyPolicy):
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
    max_requests: int = 240_000
    learning_rate: float = 1e-3
    online_rate: float = 1e-4

    @override
    def spec(self) -> EasqSpec:
        return EasqSpec("emer", EasqRecipe(**_shared(vars(self)), answers="none", rank=0))


@final
@dataclass(eq=False)
class EmerSPolicy(EasqFamilyPolicy):
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
    max_requests: int = 240_000
    capacity: int = 400_000
    learning_rate: float = 1e-3
    online_rate: float = 1e-4

    @override
    def spec(self) -> EasqSpec:
        return EasqSpec("emer_s", EasqRecipe(**_shared(vars(self)), answers="main", rank=0))
