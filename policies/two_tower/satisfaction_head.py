r"""Satisfaction model fitted to the few answers: SAQRec's propensity and satisfaction models on frozen towers.

After Ke et al., "SAQRec: Aligning Recommender Systems to User Satisfaction via Questionnaire Feedback", CIKM 2024,
https://doi.org/10.1145/3627673.3679643, stage 1. Over all eligible views a first model gives the chance $\rho$ of an
answer; over answers that are satisfied ($s = 1$) or dissatisfied ($s = 0$) a second one minimises

$$\sum_i w_i \,\mathrm{BCE}(s_i, \hat s_i) \Big/ \sum_i w_i, \qquad w_i = 1 / \max(\rho_i, M \bar\rho).$$

Departures: both models are ridge logistic regressions on what the towers know, not networks, since a log may hold
tens of answers. The weights are self-normalised, and answers count as $(\sum w)^2 / \sum w^2$ rows (Kish 1965) against
the priors. `M` clips relative to the mean propensity: an answer is as rare as one view in thousands. The propensity is
of answering, as in the authors' code, not of being asked. Uncertain answers are left out.

Axes: `rows` views, `f` columns, `videos`, `g` user features.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from policies.base import Answer, Feedback, Log
from policies.histories import find_requests
from policies.kernel import TASKS, ScoreFusion, Towers
from policies.two_tower.logistic import Logistic, RegressionRows, fit_logistic, sigmoid
from policies.two_tower.serving import predict_rows

_MOST_SILENT: Final = 100_000
"""Views without an answer that the propensity model learns from, at most; they stand for the others."""
_PROPENSITY_RIDGE: Final = 1.0


@final
@dataclass(frozen=True)
class Shrinkage:
    """Strength of the priors and of the propensity clipping.

    Attributes:
        clip: Propensities below this share of their mean are raised to it.
        ridge: Precision of the normal prior of every slope, the columns having variance 1.
        video_ridge: Precision of the normal prior of every video's own effect.
    """

    clip: float
    ridge: float
    video_ridge: float

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name}={value} given, want more than 0")


@final
@dataclass(frozen=True)
class Head:
    """The logit of being pleased: `click * click logit + watch * log watch + video`."""

    click: float
    watch: float
    video: Float32[np.ndarray, " videos"]

    def fuse(self, click_weight: float, watch_weight: float, pleased_weight: float) -> ScoreFusion:
        """Weights and head in the form the kernel reads."""
        f32 = np.float32
        return ScoreFusion(
            f32(click_weight), f32(watch_weight), f32(pleased_weight), f32(self.click), f32(self.watch), self.video
        )


@final
@dataclass(frozen=True)
class Scale:
    """Mean and spread by which columns are standardised; columns that do not vary get spread 1."""

    mean: Float64[np.ndarray, " f"]
    spread: Float64[np.ndarray, " f"]

    @staticmethod
    def of(x: Float64[np.ndarray, "rows f"]) -> "Scale":
        """Compute the scale of at least one row."""
        spread = x.std(axis=0)
        return Scale(x.mean(axis=0), np.where(spread > 1e-6, spread, 1.0))

    def apply(self, x: Float64[np.ndarray, "rows f"]) -> Float64[np.ndarray, "rows f"]:
        """Standardised columns."""
        return (x - self.mean) / self.spread


def fit_head(log: Log, towers: Towers, h: int, shrinkage: Shrinkage, seed: int) -> Head:
    """Fit the satisfaction model; without enough answers of both kinds, the head stays near 0.

    Args:
        log: Its answers teach; its silent eligible views say who answers.
        towers: Frozen.
        h: History length that the towers are served with.
        shrinkage: How far answers are trusted.
        seed: Chooses the silent views.
    """
    feedback = log.feedback
    rows, weight = _propensity_rows(log, np.random.default_rng([seed, 0xA5]))
    if len(rows) == 0:
        return Head(0.0, 0.0, np.zeros(len(towers.items), np.float32))
    predicted = predict_rows(towers, feedback, find_requests(feedback, h), log.users, rows, h)
    columns = np.concatenate([predicted, _video_columns(log, towers)[feedback.video_id[rows]]], axis=1)
    scale = Scale.of(columns)
    x = scale.apply(columns)
    answer = feedback.answer[rows]
    chance = _propensity(np.concatenate([x, _user_columns(log, rows)], axis=1), answer != Answer.NONE, weight)
    decided = (answer == Answer.SATISFIED) | (answer == Answer.DISSATISFIED)
    trust = _trust(chance, decided, float(np.average(chance, weights=weight)) * shrinkage.clip)
    satisfied = (answer == Answer.SATISFIED).astype(np.float64)
    video_id = feedback.video_id[rows].astype(np.int64)
    regression = fit_logistic(
        RegressionRows(x[decided], video_id[decided], satisfied[decided], trust),
        len(towers.items),
        shrinkage.ridge,
        shrinkage.video_ridge,
    )
    return _head(regression, scale, log, towers)


def eligible(feedback: Feedback, duration_s: Float32[np.ndarray, " videos"]) -> Bool[np.ndarray, " rows"]:
    """Return the views that a platform may ask about: 7 s or half the video watched, or answered."""
    half = 0.5 * duration_s[feedback.video_id]
    return (feedback.watch_s >= np.minimum(7, half)) | (feedback.answer != Answer.NONE)


def _propensity_rows(
    log: Log, rng: np.random.Generator
) -> tuple[Int64[np.ndarray, " rows"], Float64[np.ndarray, " rows"]]:
    """Sample weighted rows: all answered and some unanswered eligible views; none without answers."""
    asked = eligible(log.feedback, log.videos.duration_s)
    answered = np.flatnonzero(log.feedback.answer != Answer.NONE)
    silent = np.flatnonzero(asked & (log.feedback.answer == Answer.NONE))
    if len(answered) == 0:
        return answered, np.zeros(0)
    silent_sample = np.sort(rng.permutation(silent)[:_MOST_SILENT])
    share = len(silent) / max(1, len(silent_sample))
    weight = np.concatenate([np.ones(len(answered)), np.full(len(silent_sample), share)])
    return np.concatenate([answered, silent_sample]), weight


def _propensity(
    x: Float64[np.ndarray, "rows f"], answered: Bool[np.ndarray, " rows"], weight: Float64[np.ndarray, " rows"]
) -> Float64[np.ndarray, " rows"]:
    """Chance that each eligible view is answered, given its user and video."""
    nowhere = np.zeros(len(x), np.int64)
    regression = fit_logistic(
        RegressionRows(x, nowhere, answered.astype(np.float64), weight), 1, _PROPENSITY_RIDGE, 1e6
    )
    return sigmoid(regression.logit(x, nowhere))


def _trust(
    chance: Float64[np.ndarray, " rows"], told: Bool[np.ndarray, " rows"], floor: float
) -> Float64[np.ndarray, " told"]:
    """Inverse propensity weights of the answers, scaled to the number of equally weighted answers they are worth."""
    weight = 1 / np.maximum(chance[told], floor)
    return weight * (weight.sum() / np.square(weight).sum()) if len(weight) else weight


def _video_columns(log: Log, towers: Towers) -> Float64[np.ndarray, "videos c"]:
    """Return video columns: tower embeddings and biases, public features."""
    return np.concatenate([towers.items, log.videos.features], axis=1).astype(np.float64)


def _user_columns(log: Log, rows: Int64[np.ndarray, " rows"]) -> Float64[np.ndarray, "rows g"]:
    """Public features of the rows' users, standardised."""
    x = log.users.features[log.feedback.user_id[rows]].astype(np.float64)
    return Scale.of(x).apply(x)


def _head(found: Logistic, scale: Scale, log: Log, towers: Towers) -> Head:
    """The regression rewritten for serving: everything that depends on the video alone is added up once."""
    slope = found.slope / scale.spread
    mean = scale.mean
    video = _video_columns(log, towers) @ slope[TASKS:] + found.offset + found.intercept - mean @ slope
    return Head(float(slope[0]), float(slope[1]), video.astype(np.float32))
