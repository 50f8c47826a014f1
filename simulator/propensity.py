"""Who answers: a logistic model of answering given what a platform sees of the view.

Its inverse weights the answers (inverse propensity weighting; Horvitz and Thompson, JASA 1952). It cannot see
satisfaction itself, so it mends selection on behaviour only; the report shows what remains.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import statsmodels.api as sm
from jaxtyping import Float32, Float64, UInt16

from policies.base import Event, Feedback

_FLOOR: Final = 0.001
"""Least propensity used; a smaller one would give a single answer the weight of thousands."""
_LEAST: Final = 50
"""Fewer answers, or fewer refusals, than this say nothing about who answers."""
_MOST: Final = 200_000
"""Questionnaires that are used at most; the first ones in canonical order."""


@final
@dataclass(frozen=True)
class AnswerModel:
    """Chance of answering: logistic in the columns of `features`; a constant where too few were asked."""

    coefficients: Float64[np.ndarray, " features"]

    def chance(
        self,
        watch_s: Float32[np.ndarray, " rows"],
        duration_s: Float32[np.ndarray, " rows"],
        events: UInt16[np.ndarray, " rows"],
    ) -> Float64[np.ndarray, " rows"]:
        """Chance that each view, if asked about, is answered; at least .001."""
        logit = (features(watch_s, duration_s, events) * self.coefficients).sum(axis=1)
        return np.maximum(1 / (1 + np.exp(-logit)), _FLOOR)


def features(
    watch_s: Float32[np.ndarray, " rows"],
    duration_s: Float32[np.ndarray, " rows"],
    events: UInt16[np.ndarray, " rows"],
) -> Float64[np.ndarray, "rows features"]:
    """Constant, log watch, share watched, complete, like, any other positive act, hate."""
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
    """Everybody equally willing: weights that change nothing."""
    return AnswerModel(np.array([20.0, 0, 0, 0, 0, 0, 0]))


def fit_answer_model(log: Feedback, duration_s: Float32[np.ndarray, " videos"]) -> AnswerModel:
    """Fit answering on the questionnaires of a log; ridge 1e-4 keeps rare acts from running away."""
    asked = log.take(np.flatnonzero(log.has(Event.ASKED))[:_MOST])
    answered = asked.has(Event.ANSWERED).astype(np.float64)
    if min(answered.sum(), (1 - answered).sum()) < _LEAST:
        return constant_model()
    x = features(asked.watch_s, duration_s[asked.video_id], asked.events)
    model = sm.GLM(answered, x, family=sm.families.Binomial())
    return AnswerModel(np.asarray(model.fit_regularized(alpha=1e-4, L1_wt=0.0).params, np.float64))
