"""Critical values for interim looks at a test.

There are two methods. *Group-sequential* bounds spend the error over planned looks (Lan and DeMets, Biometrika 1983,
https://doi.org/10.1093/biomet/70.3.659), by the recursive quadrature of Armitage, McPherson and Rowe (JRSS A 1969,
https://doi.org/10.2307/2343787). *Always-valid* bounds hold at every moment, planned or not, but are wider
(asymptotic confidence sequences: Waudby-Smith et al., Annals of Statistics 2024, https://arxiv.org/abs/2103.06476).

Axes: `looks`, in order of time; `nodes` of the quadrature.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from jaxtyping import Float64
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import norm

Spending: TypeAlias = Literal["obrien-fleming", "pocock"]
Looks: TypeAlias = Float64[np.ndarray, " looks"]

NODES: Final = 300
"""Gauss-Legendre nodes between the bounds of a look."""
LEAST_GAIN: Final = 0.005
"""Smallest information that a look adds, relative to the look before. If the same users come every day, a look may add
less; then the bounds are conservative."""
FARTHEST: Final = 38.0
"""Standard errors beyond which probabilities are 0 in double precision; also the bound if no error is spent."""


def spent(spending: Spending, clock: Looks, alpha: float) -> Looks:
    """Two-sided error that may be spent by each look.

    O'Brien-Fleming-type, 4 (1 - Phi(z / sqrt t)) with z exceeded with chance alpha / 4: each side is spent like a
    one-sided test of alpha / 2. Pocock-type, alpha ln(1 + (e - 1) t).

    Args:
        spending: Shape of the spending function.
        clock: Share of the planned information, or of the planned days, at each look; in (0, 1].
        alpha: Total error.
    """
    if spending == "pocock":
        return alpha * np.log1p((math.e - 1) * clock)
    return 4 * norm.sf(norm.isf(alpha / 4) / np.sqrt(clock))


def group_bounds(information: Looks, clock: Looks, spending: Spending, alpha: float) -> Looks:
    """Critical values of looks in standard errors; infinite if no error is spent.

    The correlation of looks is sqrt(I_j / I_k) with their information I, from observed variances. The error is spent by
    the clock, which has to be fixed without looking at the effects (Lan and DeMets, Biometrika 1989).

    Args:
        information: One over the variance of the cumulative estimate at each look, in any unit.
        clock: Share of the plan at each look; does not fall, at most 1.
        spending: Shape of the spending function.
        alpha: Total two-sided error.

    >>> group_bounds(np.arange(1.0, 6), np.arange(1, 6) / 5, "obrien-fleming", 0.05).round(3)
    array([4.877, 3.357, 2.68 , 2.29 , 2.031])
    """
    steps = np.diff(spent(spending, clock, alpha), prepend=0.0)
    return _walk(information, lambda look, beyond: _root(beyond, float(steps[look])))[0]


def crossing_chances(information: Looks, bounds: Looks) -> Looks:
    """Probability, without an effect, that each look is the first beyond its bound.

    >>> float(crossing_chances(np.arange(1.0, 15), np.full(14, 1.96)).sum().round(4))  # fourteen looks at 5%
    0.2196
    """
    return _walk(information, lambda look, _: min(float(bounds[look]), FARTHEST))[1]


def always_valid_bound(n: float, tuned: float, alpha: float) -> float:
    """Critical value of an estimate from `n` units, narrowest near `tuned` units; valid at all n at once.

    z = sqrt(2 (x + 1) / x ln(sqrt(x + 1) / alpha)) with x = n rho^2 and rho^2 = (-2 ln alpha + ln(1 - 2 ln alpha)) /
    tuned: the form that GrowthBook publishes, with users as units. If users come every day, give information instead.

    >>> round(always_valid_bound(6461, 1000, 0.05), 3)
    3.185
    """
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tuned
    x = n * rho2
    return math.sqrt(2 * (x + 1) / x * math.log(math.sqrt(x + 1) / alpha))


def _root(beyond: Callable[[float], float], step: float) -> float:
    """Find the bound that spends a step of the error."""
    if beyond(FARTHEST) >= step or step <= 0:
        return math.inf

    def excess(bound: float) -> float:
        return beyond(bound) - step

    root: Any = brentq(excess, 0.0, FARTHEST, xtol=1e-12)
    return float(root)


def _walk(information: Looks, choose: Callable[[int, Callable[[float], float]], float]) -> tuple[Looks, Looks]:
    """Bounds and first-crossing probabilities of a walk with independent increments, by look.

    Args:
        information: Information of the looks; it is made to rise by `LEAST_GAIN`.
        choose: Function from a look, and from its first-crossing probability as a function of its bound, to the bound.
    """
    time = rising(information)
    nodes, weights = np.zeros(1), np.ones(1)  # where the walk is, and with what chance, if it has not crossed
    earlier_time = 0.0
    bounds, crossed = np.zeros(len(time)), np.zeros(len(time))
    unit_nodes, unit_weights = _quadrature()
    for look, look_time in enumerate(time):
        reach, spread = math.sqrt(look_time), math.sqrt(look_time - earlier_time)
        chance_beyond = _chance_beyond(nodes, weights, reach, spread)
        bounds[look] = choose(look, chance_beyond)
        edge = min(bounds[look], FARTHEST) * reach
        crossed[look] = chance_beyond(min(bounds[look], FARTHEST))
        inner = min(edge, 10 * reach)
        new_nodes = inner * unit_nodes
        kernel = np.exp(-0.5 * ((new_nodes[:, None] - nodes) / spread) ** 2) / (spread * math.sqrt(2 * math.pi))
        nodes, weights, earlier_time = new_nodes, inner * unit_weights * (kernel @ weights), float(look_time)
    return bounds, crossed


@cache
def _quadrature() -> tuple[Float64[np.ndarray, " nodes"], Float64[np.ndarray, " nodes"]]:
    """Gauss-Legendre nodes and weights on [-1, 1]."""
    return np.polynomial.legendre.leggauss(NODES)


def _chance_beyond(
    nodes: Float64[np.ndarray, " nodes"], weights: Float64[np.ndarray, " nodes"], reach: float, spread: float
) -> Callable[[float], float]:
    """Probability of being beyond a bound at the next look without an earlier crossing."""

    def chance(bound: float) -> float:
        edge = bound * reach
        return float(weights @ (ndtr((-edge - nodes) / spread) + ndtr((nodes - edge) / spread)))

    return chance


def rising(information: Looks) -> Looks:
    """Make information rise at every look by at least `LEAST_GAIN`; relative to the first look's."""
    scaled = information / information[0]
    for look in range(1, len(scaled)):
        scaled[look] = max(scaled[look], scaled[look - 1] * (1 + LEAST_GAIN))
    return scaled
