"""Estimators of the satisfied share among asked views; the study is `simulator.validation.answer_bias`.

Axes: `rows` views that brought a questionnaire, by user and time; `x` covariates that a platform sees, of which the
first `seen` are of the view alone; `estimators` as in `ESTIMATORS`.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import statsmodels.api as sm
from jaxtyping import Bool, Float64, Int64
from scipy.special import expit

from simulator.rollout.answer_model import features
from simulator.validation.answer_log import Asked

ESTIMATORS: Final = ("naive", "ips_views", "ips", "dr", "ips_oracle")
_FLOOR: Final = 0.001
_RARE: Final = 50
"""A covariate that is set less often than this among the answers is left out."""


@final
@dataclass(frozen=True)
class Covariates:
    """Observable columns of each asked view: watch time and acts, then the user's earlier answers."""

    x: Float64[np.ndarray, "rows x"]
    n_seen: int

    def take(self, rows: Bool[np.ndarray, " rows"]) -> "Covariates":
        """Select views."""
        return Covariates(self.x[rows], self.n_seen)


@final
@dataclass(frozen=True)
class Models:
    """Coefficients of answering given the view, of answering given all covariates, and of `satisfied` given all."""

    answering_views: Float64[np.ndarray, " seen"]
    answering: Float64[np.ndarray, " x"]
    saying: Float64[np.ndarray, " x"]


@final
@dataclass(frozen=True)
class Shares:
    """True share, and the estimate of each of `ESTIMATORS`, on the same views."""

    true: float
    estimates: Float64[np.ndarray, " estimators"]

    @property
    def biases(self) -> Float64[np.ndarray, " estimators"]:
        """Estimates less the truth."""
        return self.estimates - self.true


def covariates(asked: Asked) -> Covariates:
    """Build watch time and acts as in `simulator.rollout.answer_model`, without rare ones, then earlier answers."""
    views = features(asked.watch_s, asked.duration_s, asked.events)
    views = views[:, (views[asked.answered] != 0).sum(axis=0) >= _RARE]
    answered_before = count_earlier(asked.user, asked.answered)
    refused_before = count_earlier(asked.user, ~asked.answered)
    satisfied_before = count_earlier(asked.user, asked.satisfied)
    history = [
        np.log((answered_before + 1) / (refused_before + 1)),
        (satisfied_before + 1) / (answered_before + 2),
        np.log1p(answered_before + refused_before),
    ]
    return Covariates(np.column_stack([views, *history]), views.shape[1])


def estimate(asked: Asked, inputs: Covariates, models: Models) -> Shares:
    """Estimate the satisfied share by each estimator.

    Weighted: sum(R Y / e) / sum(R / e) (Hajek 1971). Doubly robust: mean(m + R (Y - m) / e), with R answered, Y said
    `satisfied`, e the propensity and m the outcome model (Robins, Rotnitzky and Zhao, JASA 1994,
    https://doi.org/10.1080/01621459.1994.10476818). Both in a questionnaire on recommendations: Traverse et al.,
    RecSys 2020.
    """
    satisfied, answered = asked.satisfied.astype(np.float64), asked.answered
    by_views = answered / _propensity(inputs.x[:, : inputs.n_seen], models.answering_views)
    by_all = answered / _propensity(inputs.x, models.answering)
    expected = expit(inputs.x @ models.saying)
    shares = [
        satisfied[answered].mean(),
        np.average(satisfied, weights=by_views),
        np.average(satisfied, weights=by_all),
        (expected + by_all * (satisfied - expected)).mean(),
        np.average(satisfied, weights=answered / asked.propensity),
    ]
    return Shares(float(asked.would_say.mean()), np.array(shares))


def fit_models(asked: Asked, inputs: Covariates) -> Models:
    """Fit logistic regressions: of answering on the asked views, of `satisfied` on the answered ones."""
    return Models(
        answering_views=_logistic(asked.answered, inputs.x[:, : inputs.n_seen]),
        answering=_logistic(asked.answered, inputs.x),
        saying=_logistic(asked.satisfied[asked.answered], inputs.x[asked.answered]),
    )


def jackknife(asked: Asked, inputs: Covariates, models: Models, groups: int) -> Float64[np.ndarray, " estimators"]:
    """Standard errors of the biases by the jackknife over groups of users.

    Without a group, each model is fitted again by one Newton step from the full fit (Shao and Tu, The Jackknife and
    Bootstrap, Springer 1995, sections 2.3 and 5.1).
    """
    left_out = asked.user % groups
    biases: list[Float64[np.ndarray, " estimators"]] = []
    for group in range(groups):
        is_kept = left_out != group
        kept_views, kept_inputs = asked.take(is_kept), inputs.take(is_kept)
        biases.append(estimate(kept_views, kept_inputs, _one_step_fit(kept_views, kept_inputs, models)).biases)
    return np.sqrt((groups - 1) * np.var(biases, axis=0))


def count_earlier(
    user: Int64[np.ndarray, " rows"], occurred: Bool[np.ndarray, " rows"]
) -> Float64[np.ndarray, " rows"]:
    """Count the user's earlier rows with the event; rows are sorted by user and time."""
    total = np.cumsum(occurred) - occurred
    return (total - total[np.searchsorted(user, user)]).astype(np.float64)


def _propensity(
    x: Float64[np.ndarray, "rows x"], coefficients: Float64[np.ndarray, " x"]
) -> Float64[np.ndarray, " rows"]:
    """Estimated propensities, at least the floor; a smaller one would give one answer the weight of thousands."""
    return np.maximum(expit(x @ coefficients), _FLOOR)


def _one_step_fit(asked: Asked, inputs: Covariates, models: Models) -> Models:
    """Fit the models to these views by one Newton step from `models`."""
    return Models(
        answering_views=_step(asked.answered, inputs.x[:, : inputs.n_seen], models.answering_views),
        answering=_step(asked.answered, inputs.x, models.answering),
        saying=_step(asked.satisfied[asked.answered], inputs.x[asked.answered], models.saying),
    )


def _logistic(occurred: Bool[np.ndarray, " n"], x: Float64[np.ndarray, "n x"]) -> Float64[np.ndarray, " x"]:
    """Coefficients of a logistic regression."""
    model = sm.GLM(occurred.astype(np.float64), x, family=sm.families.Binomial())
    return np.asarray(model.fit().params, np.float64)


def _step(
    occurred: Bool[np.ndarray, " n"], x: Float64[np.ndarray, "n x"], start: Float64[np.ndarray, " x"]
) -> Float64[np.ndarray, " x"]:
    """One Newton step of a logistic regression."""
    chance = expit(x @ start)
    information = (x * (chance * (1 - chance))[:, None]).T @ x
    return start + np.linalg.solve(information, x.T @ (occurred - chance))
