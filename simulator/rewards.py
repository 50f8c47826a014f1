"""What an agent is paid for one slate: named functions of what a platform logs, or any function given.

Axes: `rows` views of one slate that were shown, in order.
"""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import numpy as np
from jaxtyping import Bool, Float32

from policies.base import Event, Feedback

_POSITIVE: Final = (Event.LIKE, Event.FOLLOW, Event.COMMENT, Event.FORWARD)
HATE_PRICE: Final = 47.0
"""Positive acts that one hate outweighs: P2N on KuaiRand-Pure's standard log, (26,546 likes + 1,543 follows +
3,657 comments + 1,382 forwards) / 710 hates."""


@final
@dataclass(frozen=True)
class Truth:
    """What no platform sees of the views of a slate.

    Attributes:
        satisfaction: In units in which the catalogue's spread is about 1.
        appeal: Logit pull of each view, before watching.
        satisfied: Whether the view truly satisfied.
    """

    satisfaction: Float32[np.ndarray, " rows"]
    appeal: Float32[np.ndarray, " rows"]
    satisfied: Bool[np.ndarray, " rows"]


Reward: TypeAlias = Callable[[Feedback], float]
"""What a slate is worth, from its log alone; the log may be of a slate of which only the first videos were seen."""
SlateReward: TypeAlias = Callable[[Feedback, Truth], float]
"""What the environment pays; reads the truth only where it is revealed."""


def watch_s(feedback: Feedback) -> float:
    """Seconds watched."""
    return float(feedback.watch_s.sum(dtype=np.float64))


def long_view(feedback: Feedback) -> float:
    """Views of 18 s or more, or to the end."""
    return float(feedback.has(Event.LONG_VIEW).sum())


def satisfied(feedback: Feedback) -> float:
    """Answers "satisfied" less answers "dissatisfied"; 0 where nobody was asked."""
    return float((feedback.answer == 3).sum()) - float((feedback.answer == 1).sum())


def p2n(feedback: Feedback) -> float:
    """Likes, follows, comments and forwards, less `HATE_PRICE` per hate.

    A ratio P / N does not add up over slates, but P - r N does, and the policy that makes it largest at r = the best
    ratio also makes the ratio largest (Dinkelbach, Management Science 1967,
    https://doi.org/10.1287/mnsc.13.7.492); r is held at what the real log shows.
    """
    positive = sum(float(feedback.has(event).sum()) for event in _POSITIVE)
    return positive - HATE_PRICE * float(feedback.has(Event.HATE).sum())


def truly_satisfied(truth: Truth) -> float:
    """Views that truly satisfied less views that did not."""
    return float(truth.satisfied.sum()) - float((~truth.satisfied).sum())


REWARDS: Final[dict[str, Reward]] = {
    "watch_s": watch_s,
    "long_view": long_view,
    "satisfied": satisfied,
    "p2n": p2n,
}
"""Rewards by the name they are asked for."""
TRUE_REWARDS: Final[dict[str, Callable[[Truth], float]]] = {"satisfied": truly_satisfied}
"""What some of those names pay where truth is revealed."""


def pick_reward(reward: str | Reward, reveal_truth: bool) -> SlateReward:
    """The function behind a reward's name, or around a function of the log.

    Raises:
        ValueError: No reward of that name.
    """
    if not isinstance(reward, str):
        return lambda feedback, _: float(reward(feedback))
    if reveal_truth and reward in TRUE_REWARDS:
        true_reward = TRUE_REWARDS[reward]
        return lambda _, truth: true_reward(truth)
    if reward in REWARDS:
        named = REWARDS[reward]
        return lambda feedback, _: named(feedback)
    near = difflib.get_close_matches(reward, REWARDS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"want one of {', '.join(REWARDS)}, or a function of a Feedback"
    raise ValueError(f"reward: {reward!r} given; {hint}")
