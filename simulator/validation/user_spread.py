"""Spread of rates between users, estimated alike for simulated and real users.

Axes: `users`; `pairs` of different counts.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import minimize
from scipy.special import gammaln, log_expit, logit, logsumexp

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
_LOG_SHARES: Final = np.log(_WEIGHTS / _WEIGHTS.sum())


@final
@dataclass(frozen=True)
class EventCounts:
    """Events and views per user, for users with a view."""

    events: Int64[np.ndarray, " users"]
    views: Int64[np.ndarray, " users"]

    @staticmethod
    def of(events: np.ndarray, views: np.ndarray) -> "EventCounts":
        """Select the users with a view."""
        has_views = views > 0
        return EventCounts(events[has_views].astype(np.int64), views[has_views].astype(np.int64))


def logit_spread(counts: EventCounts) -> float:
    """Standard deviation over users of the logit of their rate; NaN if no view or every view has the event.

    events ~ Binomial(views, p), logit p ~ Normal(m, s): the logistic-normal binomial model (Williams, Applied
    Statistics 1982, https://doi.org/10.2307/2347977). m and s maximise the likelihood, the normal integrated out by
    Gauss-Hermite quadrature with 60 nodes.
    """
    share = counts.events.sum() / max(1, counts.views.sum())
    if not 0 < share < 1:
        return float("nan")
    pairs, multiplicity = np.unique(np.stack([counts.events, counts.views], axis=1), axis=0, return_counts=True)

    def negative_log_likelihood(parameters: Float64[np.ndarray, " 2"]) -> float:
        return -float(multiplicity @ _log_likelihood(pairs, float(parameters[0]), float(np.exp(parameters[1])))) / len(
            counts.views
        )

    optimum = minimize(
        negative_log_likelihood, np.array([logit(share), 0.0]), method="L-BFGS-B", bounds=[(-30, 30), (-5, 3)]
    )
    return float(np.exp(optimum.x[1]))


def thin(counts: EventCounts, views: Int64[np.ndarray, " others"], rng: np.random.Generator) -> EventCounts:
    """Thin users' views to the numbers of views of other users, matched by rank.

    Which views are left out does not depend on their events (hypergeometric draws). A user with fewer views than the
    matched number keeps them all.

    Args:
        counts: Counts of simulated users.
        views: Numbers of views of real users, each at least 1.
        rng: Generator that breaks ties and draws.
    """
    rank = np.empty(len(counts.views), np.int64)
    rank[np.lexsort((rng.random(len(rank)), counts.views))] = np.arange(len(rank))
    target_views = np.sort(views)[(rank * len(views)) // len(rank)]
    n_views = np.minimum(target_views, counts.views)
    return EventCounts(rng.hypergeometric(counts.events, counts.views - counts.events, n_views), n_views)


def concentration(events: Float64[np.ndarray, " users"]) -> Float64[np.ndarray, " 11"]:
    """Share of events by the busiest 0, 10, 20, ... 100% of the users with any; zeros if there are no events."""
    busiest = np.sort(events[events > 0])[::-1]
    if not len(busiest):
        return np.zeros(11)
    n = np.round(np.linspace(0, 1, 11) * len(busiest)).astype(np.int64)
    n[1:] = np.maximum(n[1:], 1)
    return np.concatenate([[0.0], np.cumsum(busiest)])[n] / busiest.sum()


def _log_likelihood(pairs: Int64[np.ndarray, "pairs 2"], centre: float, spread: float) -> Float64[np.ndarray, " pairs"]:
    """Log-probability of each (events, views)."""
    events, views = pairs[:, :1].astype(np.float64), pairs[:, 1:].astype(np.float64)
    logits = centre + spread * _NODES
    choose = gammaln(views + 1) - gammaln(events + 1) - gammaln(views - events + 1)
    terms = choose + events * log_expit(logits) + (views - events) * log_expit(-logits)
    return np.asarray(logsumexp(terms + _LOG_SHARES, axis=1))
