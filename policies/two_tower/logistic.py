r"""Weighted ridge logistic regression with one shrunken offset per video.

Minimises $\sum_i w_i\,\mathrm{BCE}(y_i, \sigma(\theta_0 + \theta \cdot x_i + \delta_{v_i})) + \frac{r}{2} \|\theta\|^2
+ \frac{r_v}{2} \|\delta\|^2$: the mode of a model with normal priors of variance $1/r$ and $1/r_v$, so that a
handful of rows moves little. The intercept has the prior of a tenth of a row.

Axes: `rows`, `f` columns, `videos`.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import minimize

_INTERCEPT_RIDGE: Final = 0.1


@final
@dataclass(frozen=True)
class RegressionRows:
    """Rows of a weighted logistic regression.

    Attributes:
        x: Columns, standardised.
        video_id: Whose offset each row has.
        y: 1 or 0.
        weight: At least 0; the sum says how many rows they are worth.
    """

    x: Float64[np.ndarray, "rows f"]
    video_id: Int64[np.ndarray, " rows"]
    y: Float64[np.ndarray, " rows"]
    weight: Float64[np.ndarray, " rows"]


@final
@dataclass(frozen=True)
class Logistic:
    """A fitted regression."""

    intercept: float
    slope: Float64[np.ndarray, " f"]
    offset: Float64[np.ndarray, " videos"]

    def logit(
        self, x: Float64[np.ndarray, "rows f"], video_id: Int64[np.ndarray, " rows"]
    ) -> Float64[np.ndarray, " rows"]:
        """Log-odds of y = 1."""
        return self.intercept + x @ self.slope + self.offset[video_id]


def sigmoid(x: Float64[np.ndarray, "*b"]) -> Float64[np.ndarray, "*b"]:
    """Logistic function, without overflow."""
    return np.exp(-np.logaddexp(0, -x))


def fit_logistic(rows: RegressionRows, n_videos: int, ridge: float, video_ridge: float) -> Logistic:
    """Fit by L-BFGS from zero.

    Args:
        rows: May be none, or all of one outcome: the priors keep the answer finite.
        n_videos: Offsets.
        ridge: Precision of the slopes' prior, more than 0.
        video_ridge: Precision of the offsets' prior, more than 0.
    """
    f = rows.x.shape[1]
    precision = np.concatenate([[_INTERCEPT_RIDGE], np.full(f, ridge), np.full(n_videos, video_ridge)])

    def objective(theta: Float64[np.ndarray, " all"]) -> tuple[float, Float64[np.ndarray, " all"]]:
        logit = _unpack(theta, f).logit(rows.x, rows.video_id)
        loss = (rows.weight * (np.logaddexp(0, logit) - rows.y * logit)).sum()
        slip = rows.weight * (sigmoid(logit) - rows.y)
        by_video = np.bincount(rows.video_id, weights=slip, minlength=n_videos)
        gradient = np.concatenate([[slip.sum()], slip @ rows.x, by_video])
        return float(loss + 0.5 * (precision * theta**2).sum()), gradient + precision * theta

    start = np.zeros(1 + f + n_videos)
    optimum = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    return _unpack(optimum.x, f)


def _unpack(theta: Float64[np.ndarray, " all"], f: int) -> Logistic:
    """Intercept, slopes and offsets out of one vector."""
    return Logistic(float(theta[0]), theta[1 : 1 + f], theta[1 + f :])
