"""Visit frequency and session length from targets; differences between users from the rows.

Axes: `kinds` profiles; `gaps` days away.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import brentq

from user_models.targets import Targets

RETURN_INTERCEPT_SPREAD: Final = 0.5
"""Standard deviation over users of the logit of coming back (assumed)."""
GAPS: Final = 4
"""Days away that are told apart; the last stands for longer ones too."""
_FEWEST_EXTRA: Final = 0.05
"""Sessions beyond the first of an active day, at least."""
_MANY_SESSIONS: Final = 2.0
_TAIL: Final = 1.2815515655446004
"""Standard normal quantile of 0.9."""
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(41)
_SHARES = _WEIGHTS / _WEIGHTS.sum()
_SHRINK: Final = 50.0
"""A profile's activity counts as much as that many users' average."""


@final
@dataclass(frozen=True)
class Activity:
    """Sessions and returns.

    Attributes:
        log_sessions_mean: Per profile; a user has 1 + exp(this + spread z) sessions on an active day.
        log_sessions_spread: Over users within profiles.
        log_views_mean: Per profile; mean views of a session are exp(this + spread z).
        log_views_spread: Over users within profiles.
        return_logit: Of coming back after 0, 1, ... days away, at return intercept 0.
    """

    log_sessions_mean: Float64[np.ndarray, " kinds"]
    log_sessions_spread: float
    log_views_mean: Float64[np.ndarray, " kinds"]
    log_views_spread: float
    return_logit: Float64[np.ndarray, " gaps"]


def activity(
    views: Int64[np.ndarray, " users"],
    kind: Int64[np.ndarray, " users"],
    share: Float64[np.ndarray, " kinds"],
    targets: Targets,
) -> Activity:
    """Activity with the means and spreads of the targets.

    Args:
        views: Rows of each user in the log; only how profiles compare in them is used.
        kind: Profile of each user, -1 for none.
        share: Of each profile.
        targets: How often users come, and how many views they have.
    """
    logits, active = return_logits(targets)
    shift = _relative_activity(views, kind, len(share)) / 2
    between = share @ (shift - share @ shift) ** 2
    sessions_spread, views_spread = (float(np.sqrt(max(0.01, s**2 - between))) for s in spreads(targets))
    extra = np.exp(shift + sessions_spread**2 / 2)
    sessions_level = max(_FEWEST_EXTRA, targets.sessions_per_day / active - 1) / (share @ extra)
    per_day = 1 + sessions_level * extra
    views = np.exp(shift + views_spread**2 / 2)
    views_level = targets.views_per_day / targets.sessions_per_day * (share @ per_day) / (share @ (per_day * views))
    return Activity(np.log(sessions_level) + shift, sessions_spread, np.log(views_level) + shift, views_spread, logits)


def spreads(targets: Targets) -> tuple[float, float]:
    """Spreads of log sessions (beyond the first of an active day) and of log views per session.

    From medians and 90% quantiles as if lognormal: views = sessions * views per session, the two independent. Where
    users hardly come twice a day, the spread of all sessions stands for that of those beyond the first.
    """
    median, high = np.array(targets.sessions_quantiles) / targets.sessions_quantiles[0] * targets.sessions_per_day
    views = np.log(targets.views_quantiles[1] / targets.views_quantiles[0]) / _TAIL
    all_sessions = np.log(high / median) / _TAIL
    if targets.sessions_per_day < _MANY_SESSIONS:
        return float(all_sessions), float(np.sqrt(max(0.0, views**2 - all_sessions**2)))
    sessions = np.log((high - 1) / (median - 1)) / _TAIL
    return float(sessions), float(np.sqrt(max(0.0, views**2 - all_sessions**2)))


def return_logits(targets: Targets) -> tuple[Float64[np.ndarray, " gaps"], float]:
    """Logits of coming back by days away at return intercept 0, and the share of days that a user is active.

    Loyalty varies over users; each logit is such that those who are away so long come back at the rate of the targets.
    """
    hazards = return_hazards(targets)
    logits = np.zeros(GAPS)
    weight = days = np.ones_like(_SHARES)
    for _ in range(50):
        alive = _SHARES * weight / (_SHARES @ weight)
        days = np.zeros_like(alive)
        reached = np.ones_like(alive)
        for gap in range(GAPS):
            last = gap == GAPS - 1
            logits[gap] = (_tail_level if last else _level)(alive * reached, hazards[gap])
            hazard = _sigmoid(logits[gap] + RETURN_INTERCEPT_SPREAD * _NODES)
            days += reached / (hazard if last else 1)
            reached = reached * (1 - hazard)
        weight = 1 / days
    return logits, float(_SHARES @ (1 / days))


def return_hazards(targets: Targets) -> Float64[np.ndarray, " gaps"]:
    """Chance to come back on the next day after 0, 1, ... days away; the last pools all longer absences."""
    gaps = np.array(targets.return_gap)
    left = 1 - np.concatenate([[0], np.cumsum(gaps)[:-1]])
    tail = gaps[GAPS - 1 :].sum() / left[GAPS - 1 :].sum()
    return np.append(gaps[: GAPS - 1] / left[: GAPS - 1], tail)


def _level(mass: Float64[np.ndarray, " nodes"], wanted: float) -> float:
    """The logit at which users of this mass over loyalty come back at the wanted rate."""
    share = mass / mass.sum()

    def excess(logit: float) -> float:
        return float(share @ _sigmoid(logit + RETURN_INTERCEPT_SPREAD * _NODES)) - wanted

    return float(np.asarray(brentq(excess, -20, 20)))


def _tail_level(mass: Float64[np.ndarray, " nodes"], wanted: float) -> float:
    """Solve for the return logit after the longest absence: returns over all days waited, by users of this mass."""

    def excess(logit: float) -> float:
        return float(mass.sum() / (mass / _sigmoid(logit + RETURN_INTERCEPT_SPREAD * _NODES)).sum()) - wanted

    return float(np.asarray(brentq(excess, -20, 20)))


def _sigmoid(x: Float64[np.ndarray, " nodes"]) -> Float64[np.ndarray, " nodes"]:
    """Logistic function."""
    return 1 / (1 + np.exp(-x))


def _relative_activity(
    views: Int64[np.ndarray, " users"], kind: Int64[np.ndarray, " users"], n_kinds: int
) -> Float64[np.ndarray, " kinds"]:
    """Log of each profile's mean views over the mean of all users, small profiles shrunk towards 0."""
    inside = kind >= 0
    counts = np.bincount(kind[inside], minlength=n_kinds)
    total = np.bincount(kind[inside], weights=views[inside], minlength=n_kinds)
    mean = max(float(views[inside].mean()), 1e-9)
    return np.log((total + _SHRINK * mean) / ((counts + _SHRINK) * mean))
