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
"""A covariate that is set less often than this among the answers is left out: nothing can be learned from it."""


@final
@dataclass(frozen=True)
class Covariates:
    """Observable columns of each asked view: watch time and acts, then the user's earlier answers."""

    x: Float64[np.ndarray, "rows x"]
    n_seen: int

    def take(self, rows: Bool[np.ndarray, " rows"]) -> "Covariates":
        """Select some of the views."""
        return Covariates(self.x[rows], self.n_seen)


@final
@dataclass(frozen=True)
class Models:
    """Coefficients of answering given the view, of answering given all, and of saying `satisfied` given all."""

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
    """Watch and acts of each view as in `simulator.rollout.answer_model`, rare ones left out; then earlier answers."""
    views = features(asked.watch_s, asked.duration_s, asked.events)
    views = views[:, (views[asked.answered] != 0).sum(axis=0) >= _RARE]
    answered_before = before(asked.user, asked.answered)
    refused_before = before(asked.user, ~asked.answered)
    satisfied_before = before(asked.user, asked.satisfied)
    history = [
        np.log((answered_before + 1) / (refused_before + 1)),
        (satisfied_before + 1) / (answered_before + 2),
        np.log1p(answered_before + refused_before),
    ]
    return Covariates(np.column_stack([views, *history]), views.shape[1])


def estimate(asked: Asked, known: Covariates, models: Models) -> Shares:
    """The satisfied share, by each estimator.

    Weighted: sum(R Y / e) / sum(R / e) (Hajek 1971). Doubly robust: mean(m + R (Y - m) / e), with R answered, Y said
    `satisfied`, e the propensity and m the outcome model (Robins, Rotnitzky and Zhao, JASA 1994,
    https://doi.org/10.1080/01621459.1994.10476818). Both in a questionnaire on recommendations: Traverse et al.,
    RecSys 2020.
    """
    said, answered = asked.satisfied.astype(np.float64), asked.answered
    by_views = answered / _chance(known.x[:, : known.n_seen], models.answering_views)
    by_all = answered / _chance(known.x, models.answering)
    expected = expit(known.x @ models.saying)
    shares = [
        said[answered].mean(),
        np.average(said, weights=by_views),
        np.average(said, weights=by_all),
        (expected + by_all * (said - expected)).mean(),
        np.average(said, weights=answered / asked.propensity),
    ]
    return Shares(float(asked.would_say.mean()), np.array(shares))


def fit_models(asked: Asked, known: Covariates) -> Models:
    """Fit logistic regressions: of answering on the asked views, of `satisfied` on the answered ones."""
    return Models(
        answering_views=_logistic(asked.answered, known.x[:, : known.n_seen]),
        answering=_logistic(asked.answered, known.x),
        saying=_logistic(asked.satisfied[asked.answered], known.x[asked.answered]),
    )


def jackknife(asked: Asked, known: Covariates, models: Models, groups: int) -> Float64[np.ndarray, " estimators"]:
    """Standard errors of the biases: users in equal groups, one left out at a time, the models moved accordingly.

    Users are independent, views of a user are not; the models take one Newton step from where they are (Shao and Tu,
    The Jackknife and Bootstrap, Springer 1995, sections 2.3 and 5.1).
    """
    left_out = asked.user % groups
    biases: list[Float64[np.ndarray, " estimators"]] = []
    for group in range(groups):
        kept = left_out != group
        part, known_part = asked.take(kept), known.take(kept)
        biases.append(estimate(part, known_part, _moved(part, known_part, models)).biases)
    return np.sqrt((groups - 1) * np.var(biases, axis=0))


def before(user: Int64[np.ndarray, " rows"], happened: Bool[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
    """Count the user's earlier rows with the event; rows are sorted by user and time."""
    total = np.cumsum(happened) - happened
    return (total - total[np.searchsorted(user, user)]).astype(np.float64)


def _chance(x: Float64[np.ndarray, "rows x"], coefficients: Float64[np.ndarray, " x"]) -> Float64[np.ndarray, " rows"]:
    """Estimated propensities; a smaller one than the floor would give one answer the weight of thousands."""
    return np.maximum(expit(x @ coefficients), _FLOOR)


def _moved(asked: Asked, known: Covariates, models: Models) -> Models:
    """Models moved one step towards their fit on these views."""
    return Models(
        answering_views=_step(asked.answered, known.x[:, : known.n_seen], models.answering_views),
        answering=_step(asked.answered, known.x, models.answering),
        saying=_step(asked.satisfied[asked.answered], known.x[asked.answered], models.saying),
    )


def _logistic(happened: Bool[np.ndarray, " n"], x: Float64[np.ndarray, "n x"]) -> Float64[np.ndarray, " x"]:
    """Coefficients of a logistic regression."""
    model = sm.GLM(happened.astype(np.float64), x, family=sm.families.Binomial())
    return np.asarray(model.fit().params, np.float64)


def _step(
    happened: Bool[np.ndarray, " n"], x: Float64[np.ndarray, "n x"], at: Float64[np.ndarray, " x"]
) -> Float64[np.ndarray, " x"]:
    """One Newton step of the same regression."""
    chance = expit(x @ at)
    information = (x * (chance * (1 - chance))[:, None]).T @ x
    return at + np.linalg.solve(information, x.T @ (happened - chance))
