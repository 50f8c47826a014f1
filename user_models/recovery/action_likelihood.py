"""Likelihood of one action, with the unexplained part of satisfaction integrated out.

P(action) = E sigma(cell + user + video + gamma * (known + noise * z)), z standard normal: a logistic normal mixture,
by Gauss-Hermite quadrature (McCulloch, Searle and Neuhaus, Generalized, Linear, and Mixed Models, Wiley 2008, 14.3).
`cell` is base plus stage reached: of the two, rows identify the sum alone. The six actions of a view share z; each is
fitted on its own column, whose likelihood this is, and what is lost is a little precision.

Axes: `rows` views; `p` parameters: stages, gamma, users; `k` quadrature nodes.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy.polynomial.hermite_e import hermegauss
from scipy import sparse
from scipy.special import expit, logsumexp

from user_models.dynamics.kernel import MOST_FELT
from user_models.dynamics.watch_thresholds import N_THRESHOLDS
from user_models.recovery.newton import Frame, LocalCurvature, MaximumLikelihoodFit, maximise
from user_models.recovery.views import RecoveryViews

N_STAGES: Final = N_THRESHOLDS + 1
_NODES: Final = 41
_ENOUGH: Final = 40
"""Acts, and views without, on which a normal approximation of an estimate can rest."""


@final
@dataclass(frozen=True)
class ActTruth:
    """True parameters of one action."""

    name: str
    cell: Float64[np.ndarray, " stages"]
    satisfaction: float
    user: Float64[np.ndarray, " users"]

    @property
    def names(self) -> list[str]:
        """Names of the shared parameters: all but the users' effects."""
        return [*(f"{self.name}.stage[{j}]" for j in range(N_STAGES)), f"{self.name}.satisfaction"]


@final
@dataclass(frozen=True)
class Acts:
    """One action over the views that are informative about it.

    Attributes:
        acted: Whether it was taken.
        stage: Thresholds passed.
        user: Place of the user among those kept.
        video: Known part of the logit.
        satisfaction: Known part of satisfaction.
        noise: Standard deviation of the rest.
        n_users: How many users are kept.
    """

    acted: Bool[np.ndarray, " rows"]
    stage: Int64[np.ndarray, " rows"]
    user: Int64[np.ndarray, " rows"]
    video: Float64[np.ndarray, " rows"]
    satisfaction: Float64[np.ndarray, " rows"]
    noise: float
    n_users: int


def fit_act(views: RecoveryViews, action: int, truth: ActTruth) -> MaximumLikelihoodFit:
    """Fit one action by maximum likelihood from a zero start; `p` covers the shared parameters only.

    Users who always or never act are left out: with an effect of their own they say nothing about what is shared.
    The mean effect of the others is set to the truth, as stages absorb it; stages with fewer than 40 acts, or views
    without, are held at the truth.

    Raises:
        NoMaximumError: Too few views.
    """
    acts, kept = _acts(views, action)
    whole = np.concatenate([truth.cell, [truth.satisfaction], truth.user[kept]])
    counts = [np.bincount(acts.stage[acts.acted == taken], minlength=N_STAGES) for taken in (True, False)]
    held = np.zeros(len(whole), bool)
    held[:N_STAGES] = np.minimum(*counts) < _ENOUGH
    gauges = np.zeros((1, len(whole)))
    gauges[0, N_STAGES + 1 :] = 1 / acts.n_users
    start = np.zeros(len(whole))
    start[:N_STAGES] = -2.0
    optimum = maximise(partial(log_likelihood, acts), start, Frame(whole, held, gauges))
    return MaximumLikelihoodFit(optimum.estimate[: N_STAGES + 1], optimum.error[: N_STAGES + 1])


def log_likelihood(acts: Acts, at: Float64[np.ndarray, " p"]) -> LocalCurvature:
    """Log-likelihood of all views with its derivatives, by Louis's identity (JRSS B 1982).

    Per view, over nodes weighted by their posterior: score e (1, s), information p (1 - p) (1, s)(1, s)' less the
    posterior variance of the score.
    """
    cell, gamma, user = at[:N_STAGES], at[N_STAGES], at[N_STAGES + 1 :]
    z, weight = hermegauss(_NODES)
    felt = np.clip(acts.satisfaction[:, None] + acts.noise * z, -MOST_FELT, MOST_FELT)
    odds = (cell[acts.stage] + user[acts.user] + acts.video)[:, None] + gamma * felt
    chance = expit(odds)
    logs = np.log(weight / weight.sum()) - np.logaddexp(0, np.where(acts.acted[:, None], -odds, odds))
    total = np.asarray(logsumexp(logs, axis=1), np.float64)
    posterior = np.exp(logs - total[:, None])
    missed = acts.acted[:, None] - chance
    spread = chance * (1 - chance)
    powers = (np.ones_like(felt), felt, felt * felt)
    score = [(posterior * missed * power).sum(axis=1) for power in powers[:2]]
    complete = [(posterior * spread * power).sum(axis=1) for power in powers]
    squared = [(posterior * missed * missed * power).sum(axis=1) for power in powers]
    products = (score[0] * score[0], score[0] * score[1], score[1] * score[1])
    observed = [c - q + g for c, q, g in zip(complete, squared, products, strict=True)]
    return LocalCurvature(float(total.sum()), _gather(acts, *score), _spread(acts, observed), _spread(acts, complete))


def _acts(views: RecoveryViews, action: int) -> tuple[Acts, Int64[np.ndarray, " kept"]]:
    """The views of users who sometimes act, and who these users are."""
    taken = views.acted[:, action]
    share = np.bincount(views.user, taken) / np.maximum(np.bincount(views.user), 1)
    rows = (share > 0)[views.user] & (share < 1)[views.user]
    kept, user = np.unique(views.user[rows], return_inverse=True)
    acts = Acts(
        acted=taken[rows],
        stage=views.passed[rows],
        user=user.astype(np.int64),
        video=views.video_action[rows, action],
        satisfaction=views.satisfaction[rows],
        noise=views.noise,
        n_users=len(kept),
    )
    return acts, kept


def _gather(
    acts: Acts, by_odds: Float64[np.ndarray, " rows"], by_gamma: Float64[np.ndarray, " rows"]
) -> Float64[np.ndarray, " p"]:
    """The gradient from each view's derivatives by the logit and by gamma."""
    stages = np.bincount(acts.stage, by_odds, N_STAGES)
    users = np.bincount(acts.user, by_odds, acts.n_users)
    return np.concatenate([stages, [by_gamma.sum()], users])


def _spread(acts: Acts, second: list[Float64[np.ndarray, " rows"]]) -> Float64[np.ndarray, "p p"]:
    """The information from each view's second derivatives: by the logit, by both, by gamma."""
    n = len(acts.stage)
    places = np.stack([acts.stage, N_STAGES + 1 + acts.user], axis=1).ravel()
    width = N_STAGES + 1 + acts.n_users
    design = sparse.csr_array((np.ones(2 * n), places, np.arange(n + 1) * 2), shape=(n, width))
    information = (design.T @ (sparse.diags_array(second[0]) @ design)).toarray()
    cross = design.T @ second[1]
    cross[N_STAGES] = second[2].sum()
    information[N_STAGES] = cross
    information[:, N_STAGES] = cross
    return information
