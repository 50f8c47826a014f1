"""Uniformly random slates: the policy under which every video meets every user alike."""

from typing import final

from policies.base import Noise, Observation, Slates, top_k


@final
class RandomPolicy:
    """Any `k` candidates, each as likely as any other."""

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:
        """See `policies.base.Policy.rank`."""
        return top_k(obs, noise.uniform("random", obs.candidates.shape[1]), k)
