r"""Thompson sampling: rank by parameters drawn from the posterior, for every request.

Agrawal and Goyal, "Thompson sampling for contextual bandits with linear payoffs", ICML 2013,
https://arxiv.org/abs/1209.3352: rank by $x^\top \tilde\theta$ with $\tilde\theta \sim N(\hat\theta, v^2 A^{-1})$, from
the regression of `policies.bandits.linear`. One draw serves a whole slate; it comes from the noise that is handed in,
so a request's slate depends on that request alone.

Axes: `users` requests, `d` features.
"""

from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Float64
from scipy.special import ndtri

from policies.bandits.linear import Knowledge, arrays_of, expected, learn, read_knowledge
from policies.base import Feedback, Log, Noise, Observation, Slates, top_k
from policies.storage import Stored, read_policy, rebuild, write_policy

_KIND: Final = "thompson"
_HALF_STEP: Final = 2.0**-25
"""Half the distance of two draws: keeps 0 off the end of the normal's quantiles."""


@final
class ThompsonPolicy:
    """Rank by linear regression with parameters drawn from what is known (Thompson sampling); learns by the round."""

    def __init__(self, spread: float = 1.0, ridge: float = 1.0) -> None:
        """Begin unfitted.

        Args:
            spread: v, standard errors per normal draw; 0 never explores.
            ridge: Precision of the prior of every parameter; more than 0.

        Raises:
            ValueError: A number out of range.
        """
        if not (spread >= 0 and ridge > 0):
            raise ValueError(f"spread={spread}, ridge={ridge} given, want at least 0 and more than 0")
        self._spread, self._ridge = spread, ridge
        self._known: Knowledge | None = None
        self._lower: Float64[np.ndarray, "d d"] = np.zeros((0, 0))
        self._theta: Float64[np.ndarray, " d"] = np.zeros(0)

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:
        """Return the `k` best candidates of each request under parameters drawn from the posterior."""
        fitted = self._fitted_or_raise()
        fitted.check(obs)
        return top_k(obs, expected(fitted, self.draw(noise), obs), k)

    def draw(self, noise: Noise) -> Float64[np.ndarray, "users d"]:
        """Parameters of each request."""
        normal = ndtri(noise.uniform("thompson", len(self._theta)).astype(np.float64) + _HALF_STEP)
        return self._theta + self._spread * np.einsum("uj,ji->ui", normal, self._lower)

    def fit(self, log: Log, seed: int) -> None:
        """Fit the regression to a log."""
        self._take(learn(log, self._ridge, seed))

    def update(self, feedback: Feedback) -> None:
        """Update the regression with a round's feedback."""
        self._take(self._fitted_or_raise().learned(feedback))

    def save(self, folder: Path) -> None:
        """Write the policy to `folder`."""
        settings = {"spread": self._spread, "ridge": self._ridge}
        write_policy(folder, Stored(_KIND, settings, arrays_of(self._fitted_or_raise())))

    @classmethod
    def load(cls, folder: Path) -> "ThompsonPolicy":
        """Read a policy from `folder`."""
        stored = read_policy(folder, _KIND)
        policy = rebuild(cls, folder, stored)
        policy._take(read_knowledge(folder, stored.arrays))
        return policy

    def _take(self, known: Knowledge) -> None:
        """Set the fitted regression and prepare it for serving."""
        self._known, self._lower, self._theta = known, known.lower, known.estimate

    def _fitted_or_raise(self) -> Knowledge:
        """Return the fitted regression, or raise."""
        if self._known is None:
            raise ValueError("thompson is not fitted yet; call fit or load before it ranks, learns or is saved")
        return self._known
