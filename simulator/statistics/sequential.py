"""How far an estimate has to lie from 0 for looking early to cost nothing: critical values for every look.

Two ways. *Group-sequential* bounds spend the error over looks that are planned (Lan and DeMets, Biometrika 1983,
https://doi.org/10.1093/biomet/70.3.659), by the recursive quadrature of Armitage, McPherson and Rowe (JRSS A 1969,
https://doi.org/10.2307/2343787). *Always-valid* ones hold at every moment, planned or not, at the price of width
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
"""Gauss-Legendre nodes over what lies between the bounds of a look."""
LEAST_GAIN: Final = 0.005
"""Information that a look adds at least, relative to the look before: where the same users come every day a look may
add nothing, and then the bounds err on the safe side."""
FARTHEST: Final = 38.0
"""Standard errors beyond which nothing happens in double precision; also the bound where nothing is spent."""


def spent(spending: Spending, clock: Looks, alpha: float) -> Looks:
    """Two-sided error that may be used up by each look.

    O'Brien-Fleming-type, 4 (1 - Phi(z / sqrt t)) with z exceeded with chance alpha / 4: each side is spent like a
    one-sided test of alpha / 2. Pocock-type, alpha ln(1 + (e - 1) t).

    Args:
        spending: Shape.
        clock: Share of the planned information, or of the planned days, at each look; in (0, 1].
        alpha: Error in all.
    """
    if spending == "pocock":
        return alpha * np.log1p((math.e - 1) * clock)
    return 4 * norm.sf(norm.isf(alpha / 4) / np.sqrt(clock))


def group_bounds(information: Looks, clock: Looks, spending: Spending, alpha: float) -> Looks:
    """Critical values: standard errors from 0 beyond which a look is a crossing; infinite where nothing is spent.

    Looks are as correlated as their information says, sqrt(I_j / I_k), which needs variances that are seen; what may be
    spent goes by the clock, which has to be fixed without looking at the effects (Lan and DeMets, Biometrika 1989).

    Args:
        information: One over the variance of the cumulative estimate at each look, in any unit.
        clock: Share of the plan at each look; does not fall, at most 1.
        spending: Shape.
        alpha: Two-sided error in all.

    >>> group_bounds(np.arange(1.0, 6), np.arange(1, 6) / 5, "obrien-fleming", 0.05).round(3)
    array([4.877, 3.357, 2.68 , 2.29 , 2.031])
    """
    steps = np.diff(spent(spending, clock, alpha), prepend=0.0)
    return _walk(information, lambda look, beyond: _root(beyond, float(steps[look])))[0]


def crossing_chances(information: Looks, bounds: Looks) -> Looks:
    """Chance, without any effect, that each look is the first beyond its bound.

    >>> float(crossing_chances(np.arange(1.0, 15), np.full(14, 1.96)).sum().round(4))  # fourteen looks at 5%
    0.2196
    """
    return _walk(information, lambda look, _: min(float(bounds[look]), FARTHEST))[1]


def always_valid_bound(n: float, tuned: float, alpha: float) -> float:
    """Critical value of an estimate that rests on `n` units, narrowest near `tuned` units; valid at all n at once.

    z = sqrt(2 (x + 1) / x ln(sqrt(x + 1) / alpha)) with x = n rho^2 and rho^2 = (-2 ln alpha + ln(1 - 2 ln alpha)) /
    tuned: the form that GrowthBook publishes, where units are users. For users who come every day, count information.

    >>> round(always_valid_bound(6461, 1000, 0.05), 3)
    3.185
    """
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tuned
    x = n * rho2
    return math.sqrt(2 * (x + 1) / x * math.log(math.sqrt(x + 1) / alpha))


def _root(beyond: Callable[[float], float], step: float) -> float:
    """The bound that spends a step."""
    if beyond(FARTHEST) >= step or step <= 0:
        return math.inf

    def left(bound: float) -> float:
        return beyond(bound) - step

    root: Any = brentq(left, 0.0, FARTHEST, xtol=1e-12)
    return float(root)


def _walk(information: Looks, choose: Callable[[int, Callable[[float], float]], float]) -> tuple[Looks, Looks]:
    """Bounds and first crossings of a walk with independent increments, look by look.

    Args:
        information: Of the looks; made to rise by `LEAST_GAIN`.
        choose: Given a look and the chance of a first crossing there as a function of its bound, the bound.
    """
    time = rising(information)
    nodes, weights = np.zeros(1), np.ones(1)  # where the walk is, and with what chance, if it has not crossed
    before = 0.0
    bounds, crossed = np.zeros(len(time)), np.zeros(len(time))
    unit_nodes, unit_weights = _quadrature()
    for look, now in enumerate(time):
        reach, spread = math.sqrt(now), math.sqrt(now - before)
        beyond = _beyond(nodes, weights, reach, spread)
        bounds[look] = choose(look, beyond)
        edge = min(bounds[look], FARTHEST) * reach
        crossed[look] = beyond(min(bounds[look], FARTHEST))
        inner = min(edge, 10 * reach)
        points = inner * unit_nodes
        kernel = np.exp(-0.5 * ((points[:, None] - nodes) / spread) ** 2) / (spread * math.sqrt(2 * math.pi))
        nodes, weights, before = points, inner * unit_weights * (kernel @ weights), float(now)
    return bounds, crossed


@cache
def _quadrature() -> tuple[Float64[np.ndarray, " nodes"], Float64[np.ndarray, " nodes"]]:
    """Gauss-Legendre nodes and weights on [-1, 1]."""
    return np.polynomial.legendre.leggauss(NODES)


def _beyond(
    nodes: Float64[np.ndarray, " nodes"], weights: Float64[np.ndarray, " nodes"], reach: float, spread: float
) -> Callable[[float], float]:
    """Chance of being beyond a bound at the next look, not having crossed before."""

    def chance(bound: float) -> float:
        edge = bound * reach
        return float(weights @ (ndtr((-edge - nodes) / spread) + ndtr((nodes - edge) / spread)))

    return chance


def rising(information: Looks) -> Looks:
    """Information that grows at every look, by `LEAST_GAIN` at least; relative to the first look's."""
    scaled = information / information[0]
    for look in range(1, len(scaled)):
        scaled[look] = max(scaled[look], scaled[look - 1] * (1 + LEAST_GAIN))
    return scaled
