"""Rewards of slates: named functions of what a platform logs, or any given function.

Axes: `rows` views of one slate that were shown, in order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from policies.base import Event, Feedback
from simulator.names import nearest

_POSITIVE: Final = (Event.LIKE, Event.FOLLOW, Event.COMMENT, Event.FORWARD)
HATE_PRICE: Final = 47.0
"""Number of positive acts that weigh as much as one hate: P2N on KuaiRand-Pure's standard log,
(26,546 likes + 1,543 follows + 3,657 comments + 1,382 forwards) / 710 hates."""


@final
@dataclass(frozen=True)
class Truth:
    """Latent values of a slate's views.

    Attributes:
        satisfaction: Satisfaction of each view; its standard deviation over the catalogue is about 1.
        appeal: Appeal of each video before watching, on the logit scale.
        satisfied: Whether the view truly satisfied.
    """

    satisfaction: Float32[np.ndarray, " rows"]
    appeal: Float32[np.ndarray, " rows"]
    satisfied: Bool[np.ndarray, " rows"]


Reward: TypeAlias = Callable[[Feedback], float]
"""Reward of a slate from its log alone; the log may hold only the first videos of the slate."""
Worth: TypeAlias = Float64[np.ndarray, " rows"]


def watch_s(feedback: Feedback) -> Worth:
    """Seconds watched."""
    return feedback.watch_s.astype(np.float64)


def long_view(feedback: Feedback) -> Worth:
    """Views of 18 s or more, or to the end."""
    return feedback.has(Event.LONG_VIEW).astype(np.float64)


def satisfied(feedback: Feedback) -> Worth:
    """Return the number of "satisfied" less that of "dissatisfied" answers; 0 without questionnaires."""
    return (feedback.answer == 3).astype(np.float64) - (feedback.answer == 1)


def p2n(feedback: Feedback) -> Worth:
    """Likes, follows, comments and forwards, less `HATE_PRICE` per hate.

    A ratio P / N does not add up over slates, but P - r N does, and the policy that makes it largest at r = the best
    ratio also makes the ratio largest (Dinkelbach, Management Science 1967,
    https://doi.org/10.1287/mnsc.13.7.492); r is held at what the real log shows.
    """
    positive = np.stack([feedback.has(event) for event in _POSITIVE]).sum(axis=0)
    return positive - HATE_PRICE * feedback.has(Event.HATE)


def truly_satisfied(truth: Truth) -> Worth:
    """Views that truly satisfied less views that did not."""
    return np.where(truth.satisfied, 1.0, -1.0)


REWARDS: Final[dict[str, Callable[[Feedback], Worth]]] = {
    "watch_s": watch_s,
    "long_view": long_view,
    "satisfied": satisfied,
    "p2n": p2n,
}
"""Reward of each view, by name; a slate's reward is the sum over its views."""
TRUE_REWARDS: Final[dict[str, Callable[[Truth], Worth]]] = {"satisfied": truly_satisfied}
"""Rewards that replace those of the same name if truth is revealed."""


@final
@dataclass(frozen=True)
class RewardFunction:
    """Reward of a slate; reads the truth only if it is revealed.

    Attributes:
        per_view: Reward of each view from the log; None if the reward is not a sum over views.
        per_true_view: Reward of each view from the truth; None if it does not use the truth.
        per_slate: Reward of a slate, used if both others are None.
    """

    per_view: Callable[[Feedback], Worth] | None = None
    per_true_view: Callable[[Truth], Worth] | None = None
    per_slate: Reward = len

    def of_slate(self, feedback: Feedback, truth: Truth) -> float:
        """Compute the reward of one slate."""
        return float(self.of_slates(feedback, truth, np.zeros(len(feedback), np.int64), 1)[0])

    def of_slates(
        self, feedback: Feedback, truth: Truth, env: Int64[np.ndarray, " rows"], n_envs: int
    ) -> Float64[np.ndarray, " envs"]:
        """Return one reward per environment; `env` gives the environment of each view, in ascending order."""
        if self.per_view is not None:
            return np.bincount(env, self.per_view(feedback), n_envs).astype(np.float64)
        if self.per_true_view is not None:
            return np.bincount(env, self.per_true_view(truth), n_envs).astype(np.float64)
        bounds = np.searchsorted(env, np.arange(n_envs + 1)).tolist()
        return np.array(
            [float(self.per_slate(feedback.take(slice(*first_and_end)))) for first_and_end in pairwise(bounds)]
        )


def pick_reward(reward: str | Reward, reveal_truth: bool) -> RewardFunction:
    """Look up a reward by name, or wrap a function of the log.

    Raises:
        ValueError: The name is unknown, or the value is not a function.
    """
    if not isinstance(reward, str):
        if not callable(reward):
            raise ValueError(f"reward: {reward!r} given; want one of {', '.join(REWARDS)}, or a function of a Feedback")
        return RewardFunction(per_slate=reward)
    if reveal_truth and reward in TRUE_REWARDS:
        return RewardFunction(per_true_view=TRUE_REWARDS[reward])
    if reward in REWARDS:
        return RewardFunction(per_view=REWARDS[reward])
    hint = nearest(reward, REWARDS, f"want one of {', '.join(REWARDS)}, or a function of a Feedback")
    raise ValueError(f"reward: {reward!r} given; {hint}")
