"""All estimators on one log, beside the truth.

Axes: `slates`, `k` places.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64

from simulator.off_policy.estimate import Estimate, clustered_mean, no_estimate
from simulator.off_policy.log import REWARDS, Logged, Shown
from simulator.off_policy.result import EstimateRow, TruthRow, Unit, Where
from simulator.off_policy.reward_model import predict
from simulator.off_policy.single_views import (
    direct_method,
    doubly_robust,
    inverse_propensity,
    self_normalised,
    shrunk_doubly_robust,
    switch_doubly_robust,
)
from simulator.off_policy.slates import cascade_terms, independent_terms, interaction_terms, standard_terms

MOST: Final = 10.0
"""Weight above which switch-DR takes the model alone."""
SHRINKAGE: Final = 100.0
"""Of DR with shrinkage: a weight of 1 is hardly changed, one of 10 is halved."""
UNITS: Final[tuple[Unit, ...]] = ("first view", "view", "session")


@final
@dataclass(frozen=True)
class Weights:
    """Ratios of the evaluated policy's chances to the logging policy's.

    Attributes:
        given_above: Of each video, given those above it.
        at_place: Of each video at its place, whatever is above.
    """

    given_above: Float64[np.ndarray, "slates k"]
    at_place: Float64[np.ndarray, "slates k"]

    @staticmethod
    def of(log: Logged) -> "Weights":
        """From the propensities that the log holds."""
        return Weights(log.choice / np.exp(log.log_propensity), log.place_choice / log.place_propensity)


def estimates(log: Logged, weights: Weights, reward: str) -> dict[tuple[Unit, str], Estimate]:
    """Every estimator's value of the evaluated policy, by unit and name."""
    shown, worth = log.shown, REWARDS[reward](log.shown)
    of_views = _by_first_view(log, weights.given_above[:, 0], worth)
    of_slates = _slate_terms(log, weights, worth)
    seen = _slate_terms(log, weights, shown.seen.astype(np.float64))
    out: dict[tuple[Unit, str], Estimate] = {("first view", name): each for name, each in of_views.items()}
    counted = _counted(weights)
    for name, terms in of_slates.items():
        out["view", name] = clustered_mean(terms, shown.user_id, counted[name], seen[name])
    for name, terms in of_slates.items():
        of_sessions = clustered_mean(terms, shown.user_id, counted[name], shown.opens_session)
        out["session", name] = of_sessions if counted[name].any() else no_estimate(len(of_sessions.influence))
    return out


def truth(shown: Shown, opens_session: Float64[np.ndarray, " slates"], reward: str) -> dict[Unit, Estimate]:
    """Value of slates by what came of them.

    Args:
        shown: What came of them.
        opens_session: 1 at the first request of a session.
        reward: Name of the reward.
    """
    worth, ones = REWARDS[reward](shown), np.ones(len(shown.user_id))
    total, seen = worth.sum(axis=1), shown.seen.sum(axis=1).astype(np.float64)
    return {
        "first view": clustered_mean(worth[:, 0], shown.user_id, ones),
        "view": clustered_mean(total, shown.user_id, ones, seen),
        "session": clustered_mean(total, shown.user_id, ones, opens_session),
    }


def compare(log: Logged, own: Shown, reward: str) -> tuple[tuple[EstimateRow, ...], tuple[TruthRow, ...]]:
    """Rows of all estimators and of all truths."""
    at_log = truth(log.truth, log.shown.opens_session, reward)
    rows = [_row(*key, each, at_log[key[0]]) for key, each in estimates(log, Weights.of(log), reward).items()]
    courses: dict[Where, dict[Unit, Estimate]] = {
        "policy at the log's requests": at_log,
        "policy in its own course": truth(own, own.opens_session, reward),
        "logging policy": truth(log.shown, log.shown.opens_session, reward),
    }
    truths = [
        TruthRow(unit=unit, where=where, value=_number(known[unit].value), se=_number(known[unit].se))
        for unit in UNITS
        for where, known in courses.items()
    ]
    return tuple(rows), tuple(truths)


def _by_first_view(
    log: Logged, weight: Float64[np.ndarray, " slates"], worth: Float64[np.ndarray, "slates k"]
) -> dict[str, Estimate]:
    """Estimators of single views, on the first view of each request."""
    user_id, reward = log.shown.user_id, np.ascontiguousarray(worth[:, 0])
    first = slice(0, 1)
    model = predict(
        worth[:, first],
        log.shown.seen[:, first],
        log.features[:, first],
        log.choice_features[:, first],
        user_id,
        later=False,
    )
    logged, expected = model.logged[:, 0], model.expected[:, 0]
    return {
        "DM": direct_method(expected, user_id),
        "IPS": inverse_propensity(reward, weight, user_id),
        "SNIPS": self_normalised(reward, weight, user_id),
        "DR": doubly_robust(reward, weight, logged, expected, user_id),
        "Switch-DR": switch_doubly_robust(reward, weight, logged, expected, user_id, MOST),
        "DRos": shrunk_doubly_robust(reward, weight, logged, expected, user_id, SHRINKAGE),
    }


def _slate_terms(
    log: Logged, weights: Weights, worth: Float64[np.ndarray, "slates k"]
) -> dict[str, Float64[np.ndarray, " slates"]]:
    """Terms of the estimators of slates."""
    model = predict(worth, log.shown.seen, log.features, log.choice_features, log.shown.user_id, later=True)
    return {
        "SIPS": standard_terms(worth, weights.given_above),
        "IIPS": independent_terms(worth, weights.at_place),
        "RIPS": interaction_terms(worth, weights.given_above),
        "Cascade-DR": cascade_terms(worth, weights.given_above, model.logged, model.expected),
    }


def _counted(weights: Weights) -> dict[str, Float64[np.ndarray, " slates"]]:
    """Weight of a slate, for effective sample sizes: of the whole, or the mean over its places."""
    above = weights.given_above.cumprod(axis=1)
    return {
        "SIPS": above[:, -1],
        "IIPS": weights.at_place.mean(axis=1),
        "RIPS": above.mean(axis=1),
        "Cascade-DR": above.mean(axis=1),
    }


def _row(unit: Unit, estimator: str, estimate: Estimate, known: Estimate) -> EstimateRow:
    """An estimate beside the truth at the log's requests."""
    numbers = {name: _number(getattr(estimate, name)) for name in ("value", "se", "low", "high", "effective")}
    gap, gap_se = estimate.value - known.value, estimate.error_of_difference(known)
    return EstimateRow(unit=unit, estimator=estimator, gap=_number(gap), gap_se=_number(gap_se), **numbers)


def _number(value: float) -> float | None:
    """A number, or None if there is none."""
    return float(value) if np.isfinite(value) else None
