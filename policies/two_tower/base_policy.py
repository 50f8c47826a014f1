"""The production-like control: a multi-task ranker of clicks and watch time."""

from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Float32

from policies.base import Log, Noise, Observation, Slates, top_k
from policies.kernel import Towers
from policies.storage import Stored, read_policy, rebuild, write_policy
from policies.two_tower.fit import Recipe, fit_towers
from policies.two_tower.serving import name_towers, plain_fusion, read_towers, score

_KIND: Final = "base"


@final
class BasePolicy:
    """Rank by predicted clicks and watch time, from a user's features and latest views.

    The score is `click_weight * log P(click) + watch_weight * E log(1 + watch_s)`, both predicted by the towers of
    `policies.two_tower.model`; a log-linear fusion of tasks as production rankers use.
    """

    def __init__(
        self,
        click_weight: float = 1.0,
        watch_weight: float = 0.5,
        history: int = 50,
        epochs: int = 8,
        max_views: int = 1_500_000,
    ) -> None:
        """Begin unfitted.

        Args:
            click_weight: Weight of the log-chance of a click.
            watch_weight: Weight of the expected log watch time.
            history: Latest views that are read of each user, at least 1.
            epochs: Passes over the log, at most; at least 1.
            max_views: Views learned from, at most; at least 1.

        Raises:
            ValueError: A number out of range.
        """
        self._weights = (click_weight, watch_weight)
        self._recipe = Recipe(history=history, epochs=epochs, max_views=max_views)
        self._towers: Towers | None = None

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG002 - the contract's signature
        """Return the `k` best candidates of each request."""
        return top_k(obs, self.scores(obs), k)

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate of each request with the towers."""
        return score(self._fitted(), plain_fusion(*self._weights), obs, self._recipe.history)

    def fit(self, log: Log, seed: int) -> None:
        """Fit the towers to a log."""
        self._towers = fit_towers(log, self._recipe, seed)

    def save(self, folder: Path) -> None:
        """Write the policy to `folder`."""
        click_weight, watch_weight = self._weights
        recipe = self._recipe
        settings = {
            "click_weight": click_weight,
            "watch_weight": watch_weight,
            "history": recipe.history,
            "epochs": recipe.epochs,
            "max_views": recipe.max_views,
        }
        write_policy(folder, Stored(_KIND, settings, name_towers(self._fitted())))

    @classmethod
    def load(cls, folder: Path) -> "BasePolicy":
        """Read a policy from `folder`."""
        stored = read_policy(folder, _KIND)
        policy = rebuild(cls, folder, stored)
        policy._towers = read_towers(folder, stored.arrays)
        return policy

    def _fitted(self) -> Towers:
        """The towers, or a clear refusal."""
        if self._towers is None:
            raise ValueError("base is not fitted yet; call fit or load before it ranks or is saved")
        return self._towers
