r"""LinUCB: the best that could well be true.

Li, Chu, Langford and Schapire, "A contextual-bandit approach to personalized news article recommendation", WWW 2010,
https://doi.org/10.1145/1772690.1772758. With one regression shared by all videos (see `policies.bandits.linear`) the
score of a candidate with features $x$ is $x^\top \hat\theta + \alpha \sqrt{x^\top A^{-1} x}$.

Axes: `users` requests, `n` candidates, `d` features.
"""

from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Float32, Float64

from policies.bandits.linear import Knowledge, arrays_of, expected, learn, read_knowledge
from policies.base import Feedback, Log, Noise, Observation, Slates, top_k
from policies.storage import Stored, read_policy, rebuild, write_policy

_KIND: Final = "linucb"
_ROWS: Final = 256


@final
class LinUcbPolicy:
    """Rank by the upper end of what linear regression expects of clicks (LinUCB); learns after every round."""

    def __init__(self, alpha: float = 1.0, ridge: float = 1.0) -> None:
        """Begin unfitted.

        Args:
            alpha: Standard errors that are added; at least 0.
            ridge: Precision of the prior of every parameter; more than 0.

        Raises:
            ValueError: A number out of range.
        """
        if not (alpha >= 0 and ridge > 0):
            raise ValueError(f"alpha={alpha}, ridge={ridge} given, want at least 0 and more than 0")
        self._alpha, self._ridge = alpha, ridge
        self._known: Knowledge | None = None
        self._lower: Float64[np.ndarray, "d d"] = np.zeros((0, 0))
        self._theta: Float64[np.ndarray, " d"] = np.zeros(0)

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG002 - it explores without chance
        """Return the `k` best candidates of each request."""
        return top_k(obs, self.scores(obs), k)

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate by its upper confidence bound."""
        fitted = self._fitted_or_raise()
        fitted.check(obs)
        return expected(fitted, self._theta[None], obs) + np.float32(self._alpha) * self._width(fitted, obs)

    def fit(self, log: Log, seed: int) -> None:
        """Fit the regression to a log."""
        self._take(learn(log, self._ridge, seed))

    def update(self, feedback: Feedback) -> None:
        """Update the regression with a round's feedback."""
        self._take(self._fitted_or_raise().learned(feedback))

    def save(self, folder: Path) -> None:
        """Write the policy to `folder`."""
        settings = {"alpha": self._alpha, "ridge": self._ridge}
        write_policy(folder, Stored(_KIND, settings, arrays_of(self._fitted_or_raise())))

    @classmethod
    def load(cls, folder: Path) -> "LinUcbPolicy":
        """Read a policy from `folder`."""
        stored = read_policy(folder, _KIND)
        policy = rebuild(cls, folder, stored)
        policy._take(read_knowledge(folder, stored.arrays))
        return policy

    def _take(self, known: Knowledge) -> None:
        """Set the fitted regression and prepare it for serving."""
        self._known, self._lower, self._theta = known, known.lower, known.estimate

    def _width(self, known: Knowledge, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Compute the standard errors of the expected rewards, some requests at a time."""
        users, n = obs.candidates.shape
        out = np.empty((users, n), np.float32)
        for begin in range(0, users, _ROWS):
            rows = slice(begin, begin + _ROWS)
            offered = obs.candidates[rows]
            x = known.pairs(np.repeat(obs.user_id[rows], n), offered.ravel())
            out[rows] = np.linalg.norm(x @ self._lower.T, axis=1).reshape(offered.shape)
        return out

    def _fitted_or_raise(self) -> Knowledge:
        """Return the fitted regression, or raise."""
        if self._known is None:
            raise ValueError("linucb is not fitted yet; call fit or load before it ranks, learns or is saved")
        return self._known
