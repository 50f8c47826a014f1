"""Many random splits of the same users at once: moments by arm are products of an assignment matrix with the users."""

import math
from dataclasses import dataclass

import numpy as np

from simulator.analysis.scorecard import compare_spreads
from simulator.metrics import Ratio
from simulator.statistics.moments import Moments


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


def spreads(columns: list[np.ndarray], assigned: np.ndarray) -> list[Moments]:
    """The spread of the users that each row of `assigned` chooses."""
    centre = np.array([column.mean() for column in columns])
    centred = np.stack(columns, axis=1) - centre
    k = len(columns)
    products = (centred[:, :, None] * centred[:, None, :]).reshape(-1, k * k)
    count, total = assigned.sum(axis=1), assigned @ centred
    scatter = (assigned @ products).reshape(-1, k, k) - total[:, :, None] * total[:, None, :] / count[:, None, None]
    whole = total + count[:, None] * centre
    return [Moments(int(n), t, s, (0,) * k) for n, t, s in zip(count, whole, scatter, strict=True)]


def bucket_spreads(people: Population, metric: str, assigned: np.ndarray) -> list[Moments]:
    test, before = people.test[metric], people.before[metric]
    return spreads([test.numerator, test.denominator, before.numerator, before.denominator], assigned)


def comparisons(control: Population, treated: Population, metric: str, assigned: np.ndarray) -> list:
    """Our engine on every split; both populations are the same users."""
    a = bucket_spreads(control, metric, 1 - assigned)
    b = bucket_spreads(treated, metric, assigned)
    return [compare_spreads("a", x, "b", y) for x, y in zip(a, b, strict=True)]


def monte_carlo(rate: float, replications: int) -> float:
    """3.29 standard errors of a rate over the replications: 99.9%."""
    return 3.29 * math.sqrt(rate * (1 - rate) / replications)
