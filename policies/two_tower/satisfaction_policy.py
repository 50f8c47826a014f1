"""The base ranker with satisfaction in its score, learned from questionnaires."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Float32

from policies.base import Log, Noise, Observation, Slates, top_k
from policies.kernel import Towers
from policies.storage import Stored, read_policy, rebuild, want_shapes, write_policy
from policies.two_tower.fit import Recipe, fit_towers
from policies.two_tower.satisfaction_head import Head, Shrinkage, fit_head
from policies.two_tower.serving import name_towers, read_towers, score

_KIND: Final = "satisfaction"


@final
@dataclass(frozen=True)
class _Fitted:
    """Fitted towers and satisfaction head."""

    towers: Towers
    head: Head


@final
class SatisfactionPolicy:
    """Rank by predicted clicks, watch time and satisfaction, the last weighted against who answers.

    The score is that of `policies.two_tower.base_policy.BasePolicy` plus `satisfaction_weight * log P(satisfied)`, with
    the head of `policies.two_tower.satisfaction_head`: in SAQRec's terms click times satisfaction to the power `w`. The
    towers are the base ranker's, to the bit, for equal options, log and seed.
    """

    def __init__(
        self,
        satisfaction_weight: float = 1.0,
        clip: float = 0.2,
        ridge: float = 10.0,
        video_ridge: float = 1.0,
        click_weight: float = 1.0,
        watch_weight: float = 0.5,
        history: int = 50,
        epochs: int = 8,
        max_views: int = 1_500_000,
    ) -> None:
        """Begin unfitted.

        Args:
            satisfaction_weight: Weight of the log-chance of being satisfied; 0 gives the base ranker.
            clip: Propensities below this share of their mean are raised to it; more than 0.
            ridge: Precision of the prior of the head's slopes; more than 0.
            video_ridge: Precision of the prior of every video's own effect; more than 0.
            click_weight: Weight of the log-chance of a click.
            watch_weight: Weight of the expected log watch time.
            history: Latest views that are read of each user, at least 1.
            epochs: Passes over the log, at most; at least 1.
            max_views: Views the towers learn from, at most; at least 1. The head learns from all answers.

        Raises:
            ValueError: A number out of range.
        """
        self._weights = (click_weight, watch_weight, satisfaction_weight)
        self._shrinkage = Shrinkage(clip=clip, ridge=ridge, video_ridge=video_ridge)
        self._recipe = Recipe(history=history, epochs=epochs, max_views=max_views)
        self._fitted: _Fitted | None = None

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG002 - the contract's signature
        """Return the `k` best candidates of each request."""
        return top_k(obs, self.scores(obs), k)

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate of each request with towers and satisfaction head."""
        fitted = self._fitted_or_raise()
        return score(fitted.towers, fitted.head.fuse(*self._weights), obs, self._recipe.history)

    def fit(self, log: Log, seed: int) -> None:
        """Fit towers and satisfaction head to a log."""
        towers = fit_towers(log, self._recipe, seed)
        self._fitted = _Fitted(towers, fit_head(log, towers, self._recipe.history, self._shrinkage, seed))

    def save(self, folder: Path) -> None:
        """Write the policy to `folder`."""
        fitted = self._fitted_or_raise()
        head = {"head": np.array([fitted.head.click, fitted.head.watch]), "pleased_video": fitted.head.video}
        write_policy(folder, Stored(_KIND, self._settings(), name_towers(fitted.towers) | head))

    @classmethod
    def load(cls, folder: Path) -> "SatisfactionPolicy":
        """Read a policy from `folder`."""
        stored = read_policy(folder, _KIND)
        policy = rebuild(cls, folder, stored)
        arrays = stored.arrays
        towers = read_towers(folder, arrays)
        want_shapes(folder, arrays, {"head": (2,), "pleased_video": (len(towers.items),)})
        head = Head(float(arrays["head"][0]), float(arrays["head"][1]), arrays["pleased_video"])
        policy._fitted = _Fitted(towers, head)
        return policy

    def _settings(self) -> dict[str, float]:
        """The constructor's arguments, for the folder."""
        click_weight, watch_weight, satisfaction_weight = self._weights
        weights = {
            "click_weight": click_weight,
            "watch_weight": watch_weight,
            "satisfaction_weight": satisfaction_weight,
        }
        recipe = {name: getattr(self._recipe, name) for name in ("history", "epochs", "max_views")}
        return weights | recipe | vars(self._shrinkage)

    def _fitted_or_raise(self) -> _Fitted:
        """Return the fitted models, or raise."""
        if self._fitted is None:
            raise ValueError("satisfaction is not fitted yet; call fit or load before it ranks or is saved")
        return self._fitted
