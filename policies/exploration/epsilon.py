r"""Epsilon-greedy slates: each place goes to the best candidate left, or with a small chance to any of those left.

$P(a_j \mid a_1 \dots a_{j-1}) = (1 - \epsilon) [a_j \text{ is the best left}] + \epsilon / (n - j + 1)$, j from 1
(Sutton and Barto, Reinforcement Learning, 2018, section 2.2, place by place).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float32, Float64
from typing_extensions import override

from policies.base import Noise, Slates
from policies.exploration.explorer import Explorer
from policies.exploration.kernel import draw_epsilon, epsilon_choices, epsilon_log_chances, epsilon_places
from policies.storage import read_policy, rebuild


@final
class EpsilonPolicy(Explorer):
    """Rank by another ranker's scores, with a random candidate at each place by a small chance, which is known."""

    kind = "epsilon"

    def __init__(self, ranker: str = "base", epsilon: float = 0.1, options: Mapping[str, Any] | None = None) -> None:
        """Build the ranker.

        Args:
            ranker: Policy whose scores are read, by name.
            epsilon: Chance, per place, of a candidate at random; above 0 and up to 1.
            options: Of the ranker.

        Raises:
            ValueError: A chance out of range, no such policy, or one without scores.
        """
        if not 0 < epsilon <= 1:
            raise ValueError(f"epsilon={epsilon} given, want a chance above 0 and up to 1")
        super().__init__(ranker, options)
        self._epsilon = float(epsilon)

    @classmethod
    def load(cls, folder: Path) -> "EpsilonPolicy":
        """Read a policy from `folder`."""
        policy = rebuild(cls, folder, read_policy(folder, cls.kind))
        policy._load_ranker(folder)
        return policy

    @override
    def _settings(self) -> dict[str, Any]:
        return {"epsilon": self._epsilon}

    @override
    def _fill(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], noise: Noise, slates: Slates
    ) -> None:
        k = slates.shape[1]
        which = noise.uniform("epsilon which", k)
        draw_epsilon(candidates, scores, self._epsilon, noise.uniform("epsilon whether", k), which, slates)

    @override
    def _log_chances(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], slates: Slates
    ) -> Float64[np.ndarray, "users k"]:
        chances = np.empty(slates.shape)
        epsilon_log_chances(candidates, scores, self._epsilon, slates, chances)
        return chances

    @override
    def _choices(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], slates: Slates
    ) -> Float64[np.ndarray, "users k n"]:
        chances = np.empty((*slates.shape, candidates.shape[1]))
        epsilon_choices(candidates, scores, self._epsilon, slates, chances)
        return chances

    @override
    def _places(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], slates: Slates
    ) -> Float64[np.ndarray, "users k"]:
        chances = np.empty(slates.shape)
        epsilon_places(candidates, scores, self._epsilon, slates, chances)
        return chances
