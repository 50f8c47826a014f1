"""Ranker by the true value: an upper bound, not a contender."""

from collections.abc import Callable
from typing import TypeAlias, final

import numpy as np
from jaxtyping import Float32, Int

from policies.base import Noise, Observation, Slates, top_k

Value: TypeAlias = Callable[
    [Int[np.ndarray, " users"], Int[np.ndarray, "users n"]],
    Float32[np.ndarray, "users n"],
]
"""The true worth of each candidate for each user."""


@final
class OraclePolicy:
    """Ranker by a function of latent values.

    It has no name in the registry: whoever builds it hands it the truth, visibly.
    """

    def __init__(self, value: Value) -> None:
        """Keep the truth.

        Args:
            value: True worth, row by row: row `i` may depend on user `i` and the candidates of row `i` alone.
        """
        self._value = value

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG002 - the contract's signature
        """Return the `k` candidates of each request with the highest true value."""
        return top_k(obs, self._value(obs.user_id, obs.candidates), k)
