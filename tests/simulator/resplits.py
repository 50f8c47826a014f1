"""Random splits of the same users, each read by the engine."""

import math
from dataclasses import dataclass

import numpy as np

from simulator.metrics import Ratio
from simulator.statistics.comparison import Comparison, compare
from simulator.statistics.groups import GroupMoments, group_of, metric_moments


@dataclass(frozen=True)
class Population:
    """Heavy-tailed users: numerator and denominator of a metric, during the test and before it, by metric."""

    test: dict[str, Ratio]
    before: dict[str, Ratio]


def population(n: int, seed: int, gain: float = 1.0, spared: float = 0.0) -> Population:
    """Users with log-normal rate and taste, equal for equal seeds; `gain` multiplies watch, `spared` thins hates."""
    rng = np.random.default_rng(seed)
    rate, taste = rng.lognormal(3, 1, n), rng.lognormal(2, 0.5, n)
    sides = []
    for factor, kept in ((gain, 1 - spared), (1.0, 1.0)):
        views = rng.poisson(rate).astype(float)
        watch_s = factor * views * taste * rng.lognormal(0, 0.3, n)
        positives = rng.binomial(views.astype(int), 0.1).astype(float)
        hates = rng.binomial(rng.binomial(views.astype(int), 0.05), kept).astype(float)
        days = np.full(n, 7.0)
        sides.append({"AUT": Ratio(watch_s, days), "AVT": Ratio(watch_s, views), "P2N": Ratio(positives, hates)})
    return Population(*sides)


def halves(n: int, splits: int, rng: np.random.Generator) -> np.ndarray:
    """One row per split: 1 where the user is treated."""
    return (rng.random((splits, n)) < 0.5).astype(np.float64)


def moments_of(people: Population, metric: str, chosen: np.ndarray) -> GroupMoments:
    """Moments of some users; `chosen` is 1 for each of them, else 0."""
    mine = chosen > 0
    test, before = (
        Ratio(side.numerator[mine], side.denominator[mine]) for side in (people.test[metric], people.before[metric])
    )
    return metric_moments(test, before, group_of(np.flatnonzero(mine)))


def comparisons(control: Population, treated: Population, metric: str, assigned: np.ndarray) -> list[Comparison]:
    """Our engine on every split; both populations are the same users."""
    return [
        compare("a", moments_of(control, metric, 1 - split), "b", moments_of(treated, metric, split))
        for split in assigned
    ]


def monte_carlo(rate: float, replications: int) -> float:
    """3.29 standard errors of a rate over the replications: 99.9%."""
    return 3.29 * math.sqrt(rate * (1 - rate) / replications)
