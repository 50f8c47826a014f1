"""Logistic models of answering and of what is answered, given what a platform sees of the view.

Inverse propensities weight the answers (inverse propensity weighting; Horvitz and Thompson, JASA 1952). With the model
of what is answered they make the share doubly robust (Robins, Rotnitzky and Zhao, JASA 1994,
https://doi.org/10.1080/01621459.1994.10476818). Neither can see satisfaction itself, so they mend selection on
behaviour only; the report shows what remains.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt16
from scipy.special import expit, logit
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from policies.base import Event, Feedback

_FLOOR: Final = 0.001
"""Smallest propensity used; a smaller one would give a single answer the weight of thousands."""
_LEAST: Final = 50
"""Smallest number of answers and of refusals for a fit; the same holds for what is answered."""
_MOST: Final = 200_000
"""Maximum number of questionnaires used: the first ones in canonical order."""
_N_FEATURES: Final = 7
_SATISFIED: Final = 3


@final
@dataclass(frozen=True)
class AnswerModel:
    """Logistic models in the columns of `features`; the observed share where too few were asked.

    Attributes:
        answering: Coefficients of answering, if asked.
        saying: Coefficients of answering `satisfied`, if answering.
        boost: Added to the logit of answering by the strong form of the questionnaire.
    """

    answering: Float64[np.ndarray, " features"]
    saying: Float64[np.ndarray, " features"]
    boost: float = 0.0

    def chance(
        self, x: Float64[np.ndarray, "rows features"], events: UInt16[np.ndarray, " rows"]
    ) -> Float64[np.ndarray, " rows"]:
        """Probability that a questionnaire after each view, in the form of `events`, is answered; at least .001."""
        return np.maximum(expit((x * self.answering).sum(axis=1) + self.boost * _strong(events)), _FLOOR)

    def expected(self, x: Float64[np.ndarray, "rows features"]) -> Float64[np.ndarray, " rows"]:
        """Probability that the answer about each view, if there is one, is `satisfied`."""
        return expit((x * self.saying).sum(axis=1))

    def packed(self) -> tuple[float, ...]:
        """All coefficients in one tuple."""
        return tuple(float(value) for value in (*self.answering, *self.saying, self.boost))

    @staticmethod
    def unpacked(weights: tuple[float, ...]) -> "AnswerModel":
        """Rebuild a model from `packed`; earlier checkpoints lack the boost, which was 0."""
        *coefficients, boost = weights if len(weights) % 2 else (*weights, 0.0)
        answering, saying = np.array(coefficients, np.float64).reshape(2, _N_FEATURES)
        return AnswerModel(answering, saying, boost)


def features(
    watch_s: Float32[np.ndarray, " rows"],
    duration_s: Float32[np.ndarray, " rows"],
    events: UInt16[np.ndarray, " rows"],
) -> Float64[np.ndarray, "rows features"]:
    """Features of a view: constant, log watch time, share watched, complete, like, any other positive act, hate."""
    acts = (Event.FOLLOW | Event.COMMENT | Event.FORWARD).value
    columns = [
        np.ones(len(watch_s)),
        np.log1p(watch_s),
        np.minimum(watch_s / duration_s, 1),
        (events & Event.COMPLETE.value) > 0,
        (events & Event.LIKE.value) > 0,
        (events & acts) > 0,
        (events & Event.HATE.value) > 0,
    ]
    return np.stack([column.astype(np.float64) for column in columns], axis=1)


def constant_model() -> AnswerModel:
    """Model in which every view has the same answer probability and `satisfied` has probability 1/2."""
    return AnswerModel(_constant(20.0), _constant(0.0))


def fit_answer_model(log: Feedback, duration_s: Float32[np.ndarray, " videos"]) -> AnswerModel:
    """Fit the model of answering on the questionnaires of a log, and that of the answers on its answers."""
    asked = log.take(np.flatnonzero(log.has(Event.ASKED))[:_MOST])
    answered = asked.has(Event.ANSWERED)
    x = features(asked.watch_s, duration_s[asked.video_id], asked.events)
    is_strong = _strong(asked.events)
    by_form = np.column_stack([x, is_strong]) if is_strong.any() else x
    *answering, boost = np.append(_fitted(answered, by_form), np.zeros(_N_FEATURES + 1 - by_form.shape[1]))
    saying = _fitted(asked.answer[answered] == _SATISFIED, x[answered])
    return AnswerModel(np.array(answering), saying, float(boost))


def _strong(events: UInt16[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
    """1 where the questionnaire had the strong form, else 0."""
    return ((events & Event.ASKED_STRONGLY.value) > 0).astype(np.float64)


def _fitted(
    outcome: Bool[np.ndarray, " rows"], x: Float64[np.ndarray, "rows features"]
) -> Float64[np.ndarray, " features"]:
    """Coefficients of a logistic regression; a ridge of 1e-4 keeps those of rare acts finite."""
    y = outcome.astype(np.float64)
    if min(y.sum(), (1 - y).sum()) < _LEAST:
        return _constant(float(logit((y.sum() + 0.5) / (len(y) + 1))), x.shape[1])
    model = GLM(y, x, family=Binomial())
    return np.asarray(model.fit_regularized(alpha=1e-4, L1_wt=0.0).params, np.float64)


def _constant(log_odds: float, n_features: int = _N_FEATURES) -> Float64[np.ndarray, " features"]:
    """Coefficients that give every view the same probability."""
    return np.array([log_odds, *np.zeros(n_features - 1)])
