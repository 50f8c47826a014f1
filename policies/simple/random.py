"""Uniformly random slates: every user gets every video with the same chance."""

from typing import final

import numpy as np
from jaxtyping import Float64, Int

from policies.base import Noise, Observation, Slates, check_k
from policies.kernel import draw


@final
class RandomPolicy:
    """Any `k` candidates, each as likely as any other."""

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:
        """Draw `k` candidates of each request at random."""
        check_k(obs, k)
        slates = np.empty((len(obs.candidates), k), np.int32)
        draw(obs.candidates, noise.uniform("random", k), slates)
        return slates

    @staticmethod
    def propensity(n: int, position: Int[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
        """Return the chance of each shown video, given the videos above it.

        >>> RandomPolicy.propensity(4, np.array([0, 1, 3])).tolist()
        [0.25, 0.3333333333333333, 1.0]
        """
        return 1 / (n - position.astype(np.float64))
