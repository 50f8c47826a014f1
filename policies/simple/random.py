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

    def rank_with_propensity(
        self, obs: Observation, k: int, noise: Noise
    ) -> tuple[Slates, Float64[np.ndarray, "users k"]]:
        """See `policies.base.ExploringPolicy`."""
        slates = self.rank(obs, k, noise)
        chances = np.log(self.propensity(obs.candidates.shape[1], np.arange(k)))
        return slates, np.tile(chances, (len(slates), 1))

    def choice_propensity(self, obs: Observation, slates: Slates) -> Float64[np.ndarray, "users k n"]:
        """See `policies.base.ExploringPolicy`."""
        taken = (obs.candidates[:, None, :] == slates[:, :, None]).cumsum(axis=1) > 0
        above = np.concatenate([np.zeros_like(taken[:, :1]), taken[:, :-1]], axis=1)
        chances = self.propensity(obs.candidates.shape[1], np.arange(slates.shape[1]))
        return np.where(above, 0.0, chances[:, None])

    def place_propensity(self, obs: Observation, slates: Slates) -> Float64[np.ndarray, "users k"]:
        """See `policies.base.ExploringPolicy`."""
        return np.full(slates.shape, 1 / obs.candidates.shape[1])

    @staticmethod
    def propensity(n: int, position: Int[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
        """Return the chance of each shown video, given the videos above it.

        >>> RandomPolicy.propensity(4, np.array([0, 1, 3])).tolist()
        [0.25, 0.3333333333333333, 1.0]
        """
        return 1 / (n - position.astype(np.float64))
