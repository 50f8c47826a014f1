"""How the evaluated policy would fill logged slates: its chances, or its one choice where it leaves nothing to chance.

Axes: `users` requests, `k` places, `n` candidates.
"""

from dataclasses import dataclass
from typing import NoReturn, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from policies.base import ExploringPolicy, LearningPolicy, Observation, Policy, Slates
from simulator.errors import OfflineError


@final
@dataclass(frozen=True)
class Choices:
    """Chances of a policy on logged slates.

    Attributes:
        of_candidates: Of each candidate at each place, given that the videos above are those logged.
        at_place: Of the logged video at its place, whatever is above it.
    """

    of_candidates: Float64[np.ndarray, "users k n"]
    at_place: Float64[np.ndarray, "users k"]

    def places(self, obs: Observation, slates: Slates) -> Int64[np.ndarray, "users k"]:
        """Where among the candidates the logged videos are."""
        return (obs.candidates[:, None, :] == slates[:, :, None]).argmax(axis=2)


@final
class _NoNoise:
    """Noise for policies that are said to need none."""

    def __init__(self, name: str) -> None:
        """Of a policy, by its name in messages."""
        self._name = name

    def uniform(self, purpose: str, n: int) -> Float32[np.ndarray, "users n"]:  # noqa: ARG002 - the contract's signature
        """Refuse to draw."""
        _refuse(self._name)


def _refuse(name: str) -> NoReturn:
    """Say that a policy's chances are not known."""
    raise OfflineError(
        f"policy {name!r} draws its slates and tells no chances; want softmax, epsilon, random, or a policy that draws "
        "nothing"
    )


def choices_of(policy: Policy, name: str, obs: Observation, slates: Slates) -> Choices:
    """Chances of a policy on logged slates.

    A policy without chances must not draw: it shows the first of its own slate that is not above already.

    Raises:
        OfflineError: It draws, but tells no chances.
    """
    if isinstance(policy, ExploringPolicy):
        return Choices(policy.choice_propensity(obs, slates), policy.place_propensity(obs, slates))
    own = np.asarray(policy.rank(obs, slates.shape[1], _NoNoise(name)))
    best = own[np.arange(len(own))[:, None], _first_left(own, slates)]
    of_candidates = (obs.candidates[:, None, :] == best[:, :, None]).astype(np.float64)
    return Choices(of_candidates, (own == slates).astype(np.float64))


def _first_left(own: Slates, slates: Slates) -> np.ndarray:
    """At each place, the first of a policy's own slate that is not among the logged videos above."""
    equal: Bool[np.ndarray, "users k own"] = slates[:, :, None] == own[:, None, :]
    taken = np.cumsum(equal, axis=1) > 0
    above = np.concatenate([np.zeros_like(taken[:, :1]), taken[:, :-1]], axis=1)
    return np.asarray(above.argmin(axis=2))


def check_fixed(policy: Policy, name: str) -> None:
    """Refuse a policy that changes during the test: its chances of earlier slates are gone.

    Raises:
        OfflineError: It learns.
    """
    if isinstance(policy, LearningPolicy):
        raise OfflineError(f"policy {name!r} learns during the test; want one that stays as it was trained")
