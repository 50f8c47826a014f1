"""Uniformly random slates: the policy under which every video meets every user alike."""

from typing import final

import numpy as np

from policies.base import Noise, Observation, Slates, check_k
from policies.kernel import draw


@final
class RandomPolicy:
    """Any `k` candidates, each as likely as any other."""

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:
        """See `policies.base.Policy.rank`."""
        check_k(obs, k)
        slates = np.empty((len(obs.candidates), k), np.int32)
        draw(obs.candidates, noise.uniform("random", k), slates)
        return slates
