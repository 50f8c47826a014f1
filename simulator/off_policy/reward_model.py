r"""Linear reward models, fitted on the log and read at the evaluated policy's choices.

The model of a place is $\hat Q_j(x, a) = \phi(x, a)^\top \beta_j$, by ridge regression. It is linear, so that its mean
over a policy's choices is $\bar\phi^\top \beta_j$ with the mean features $\bar\phi$. Users are split in two halves, and
each half is read with the model of the other (cross-fitting: Chernozhukov et al., Econometrics Journal 2018,
https://arxiv.org/abs/1608.00060).

Axes: `slates`, `k` places, `d` features.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int

_RIDGE: Final = 1.0


@final
@dataclass(frozen=True)
class Predictions:
    """What a model expects.

    Attributes:
        logged: Of the video shown; 0 where it was not seen.
        expected: Of the evaluated policy's choice there; 0 where the place was not seen.
    """

    logged: Float64[np.ndarray, "slates k"]
    expected: Float64[np.ndarray, "slates k"]


def predict(
    reward: Float64[np.ndarray, "slates k"],
    seen: Bool[np.ndarray, "slates k"],
    shown: Float32[np.ndarray, "slates k d"],
    chosen: Float32[np.ndarray, "slates k d"],
    user_id: Int[np.ndarray, " slates"],
    *,
    later: bool,
) -> Predictions:
    """Fit a model per place, from the last to the first, and read it.

    Args:
        reward: Of each place.
        seen: Whether the user came so far.
        shown: Features of the videos shown.
        chosen: Mean features of the evaluated policy's choice at each place, given the videos above it.
        user_id: Whose slate it is; halves are even and odd ids in order of the ids that occur.
        later: Whether the model is of this place and all later ones, as the cascade doubly robust estimator wants it:
            the target is the reward and what the evaluated policy is expected to earn at the next place.
    """
    half = np.unique(user_id, return_inverse=True)[1] % 2
    logged, expected = np.zeros(reward.shape), np.zeros(reward.shape)
    for fold in (0, 1):
        fitted, read = half != fold, half == fold
        ahead = np.zeros(len(reward))
        for j in reversed(range(reward.shape[1])):
            rows = fitted & seen[:, j]
            beta = _ridge(shown[rows, j], reward[rows, j] + ahead[rows])
            mean = np.where(seen[:, j], chosen[:, j].astype(np.float64) @ beta, 0.0)
            logged[read, j] = np.where(seen[read, j], shown[read, j].astype(np.float64) @ beta, 0.0)
            expected[read, j] = mean[read]
            ahead = mean if later else ahead
    return Predictions(logged, expected)


def _ridge(x: Float32[np.ndarray, "rows d"], y: Float64[np.ndarray, " rows"]) -> Float64[np.ndarray, " d"]:
    """Coefficients; zeros without rows."""
    wide = x.astype(np.float64)
    return np.linalg.solve(wide.T @ wide + _RIDGE * np.eye(x.shape[1]), wide.T @ y)
