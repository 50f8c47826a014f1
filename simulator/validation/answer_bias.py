"""Bias of the satisfied share under selective answering: naive, weighted and doubly robust against the truth.

Every user who is asked has an answer; whether it is given depends on satisfaction, which no platform observes. The
truth is the expected share `satisfied` of the same asked views if all were answered. It includes the noise of answers
and the uncertain class, so that only selection counts as bias.

Answers are missing not at random (Rubin, Biometrika 1976, https://doi.org/10.1093/biomet/63.3.581), so weights from
observed variables keep a bias of the same sign. Watch time and acts carry some information on satisfaction, and weights
from them remove that part of the bias. Earlier answers carry information on a user's answer rate, which is independent
of satisfaction here; weights from them may even add to the bias. The bias among users of answer rate p is about
slope * (1 - p) * cov(satisfaction, answer). The naive share averages it over answers, which users of high p give; the
weighted share averages it over users, where 1 - p is larger.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64
from scipy.optimize import root_scalar
from scipy.special import expit, logit

from simulator.rollout.catalogue import Size
from simulator.validation.answer_estimators import ESTIMATORS, covariates, estimate, fit_models, jackknife
from simulator.validation.answer_log import Asked, simulate_questionnaires
from user_models.world.parameters import PRESETS
from user_models.world.world import World

SLOPES: Final = (0.0, 0.3, 0.6)
_USUAL: Final = Size(users=3000, videos=3000, views_scale=0.1, n_days=5)
_SURE: Final = 3.0
"""Standard errors beyond which a bias is significant."""


@final
@dataclass(frozen=True)
class AnsweringSlopeResult:
    """The satisfied share at one strength of selection.

    Attributes:
        slope: Logit of answering gained per unit of satisfaction.
        asked: Number of questionnaires.
        answer_rate: Share answered; the same at every slope except for chance.
        true: Expected share `satisfied` if all asked had answered.
        latent: Share of the same views that truly satisfied.
        naive: Share among the answers.
        ips_views: Answers weighted by inverse propensities estimated from watch and acts, as in a run's report.
        ips: Weighted share with the user's earlier answers among the covariates.
        dr: Doubly robust, with the propensities of `ips` and an outcome model on the same covariates.
        ips_oracle: Answers weighted by the inverse of the true propensities.
        bias_naive: `naive` less `true`.
        bias_ips_views: `ips_views` less `true`.
        bias_ips: `ips` less `true`.
        bias_dr: `dr` less `true`.
        bias_ips_oracle: `ips_oracle` less `true`.
        se_naive: Standard error of that bias over users, by the delete-a-group jackknife.
        se_ips_views: Standard error of `bias_ips_views`.
        se_ips: Standard error of `bias_ips`.
        se_dr: Standard error of `bias_dr`.
        se_ips_oracle: Standard error of `bias_ips_oracle`.
        predicted_sign: Sign of every bias but the oracle's: 0 without selection, 1 if satisfied users answer more.
        as_predicted: Whether the biases agree with theory; see `as_theory_says`.
    """

    slope: float
    asked: int
    answer_rate: float
    true: float
    latent: float
    naive: float
    ips_views: float
    ips: float
    dr: float
    ips_oracle: float
    bias_naive: float
    bias_ips_views: float
    bias_ips: float
    bias_dr: float
    bias_ips_oracle: float
    se_naive: float
    se_ips_views: float
    se_ips: float
    se_dr: float
    se_ips_oracle: float
    predicted_sign: int
    as_predicted: bool


@final
@dataclass(frozen=True)
class AnsweringCheck:
    """Results by slope, in the order given."""

    rows: tuple[AnsweringSlopeResult, ...]

    @property
    def as_predicted(self) -> bool:
        """Return whether every row agrees with theory, and the naive bias grows with the slope."""
        biases = [row.bias_naive for row in sorted(self.rows, key=lambda row: row.slope)]
        return all(row.as_predicted for row in self.rows) and biases == sorted(biases)


def satisfied_share_check(
    world: World, slopes: tuple[float, ...] = SLOPES, size: Size = _USUAL, seed: int = 0, groups: int = 25
) -> AnsweringCheck:
    """Simulate dense questionnaires under random slates and compare the estimators with the truth.

    At each slope the intercept of answering is chosen so that the same share answers. Fatigue is off, so that
    satisfaction is the only common cause of answering and of the answer `satisfied`.

    Args:
        world: Any world; its questionnaire is set to the preset `dense`.
        slopes: Logits of answering per unit of satisfaction.
        size: Users, videos and days; they should give tens of thousands of questionnaires.
        seed: Seed of the simulation; views and questionnaires are the same at every slope.
        groups: Number of groups of users for the jackknife.
    """
    dense = world.with_values(PRESETS["dense"] | {"questionnaire.fatigue": 0.0})
    base = dense.value("questionnaire.answer_base")
    pilot = simulate_questionnaires(dense.with_values({"questionnaire.answer_satisfaction": 0.0}), size, seed)
    rows: list[AnsweringSlopeResult] = []
    for slope in slopes:
        values = {"questionnaire.answer_satisfaction": slope, "questionnaire.answer_base": base + shift(pilot, slope)}
        rows.append(_row(slope, simulate_questionnaires(dense.with_values(values), size, seed), groups))
    return AnsweringCheck(tuple(rows))


def shift(pilot: Asked, slope: float) -> float:
    """Solve for the shift of the answer logit that gives the answer rate of a pilot without selection."""
    base_logit, mean_propensity = logit(pilot.propensity), pilot.propensity.mean()

    def excess(amount: float) -> float:
        return float(expit(base_logit + amount + slope * pilot.satisfaction).mean() - mean_propensity)

    return float(root_scalar(excess, bracket=(-20, 20)).root)


def as_theory_says(
    slope: float, bias: Float64[np.ndarray, " estimators"], error: Float64[np.ndarray, " estimators"]
) -> bool:
    """Return whether biases, in the order of `ESTIMATORS`, agree with theory to 3 standard errors.

    Without selection on satisfaction there is no bias. With it, true propensities, the last estimator, have no bias,
    and every other estimator has a bias with the sign of the slope.
    """
    is_small = np.abs(bias) < _SURE * error
    if slope == 0:
        return bool(is_small.all())
    has_sign = np.sign(slope) * bias > _SURE * error
    return bool(is_small[-1] and has_sign[:-1].all())


def _row(slope: float, asked: Asked, groups: int) -> AnsweringSlopeResult:
    """Compute estimates, biases and their errors at one slope."""
    inputs = covariates(asked)
    models = fit_models(asked, inputs)
    shares = estimate(asked, inputs, models)
    error = jackknife(asked, inputs, models, groups)
    columns = {"": shares.estimates, "bias_": shares.biases, "se_": error}
    return AnsweringSlopeResult(
        slope=slope,
        asked=len(asked.user),
        answer_rate=float(asked.answered.mean()),
        true=shares.true,
        latent=float(asked.truly.mean()),
        predicted_sign=int(np.sign(slope)),
        as_predicted=as_theory_says(slope, shares.biases, error),
        **{
            f"{prefix}{name}": float(value)
            for prefix, values in columns.items()
            for name, value in zip(ESTIMATORS, values, strict=True)
        },
    )
