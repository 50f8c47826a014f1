"""What intervals and p-values promise, kept over many splits and worlds of heavy-tailed users.

Bounds are 3.29 Monte Carlo standard errors, 99.9%, of the number of replications; long versions are marked slow.
"""

import math
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

MAIN = ("AUT", "AVT", "P2N")
LIFTS = {"AUT": 0.05, "AVT": 0.05, "P2N": 1 / 0.9 - 1}
slow = pytest.mark.slow


def sizes(quick: int, long: int):
    """Replications: a quick number every day, the full one marked slow."""
    return pytest.mark.parametrize("replications", [quick, pytest.param(long, marks=slow)])


def worlds(resplits: ModuleType, n: int, replications: int, gain: float, spared: float = 0.1):
    """A comparison of each main metric in each of many worlds with users of its own, half of them treated."""
    rng = np.random.default_rng(23)
    found = {metric: [] for metric in MAIN}
    for seed in range(replications):
        control, treated = (resplits.population(n, seed, g, s) for g, s in ((1.0, 0.0), (1 + gain, spared)))
        assigned = resplits.halves(n, 1, rng)
        for metric in MAIN:
            found[metric] += resplits.comparisons(control, treated, metric, assigned)
    return found


def covered(differences, lift: float) -> float:
    return float(np.mean([d.ci_low <= lift <= d.ci_high for d in differences]))


@sizes(100, 1000)
def test_equal_arms_are_rejected_as_often_as_promised(resplits: ModuleType, replications: int):
    people = resplits.population(6_000, 1)
    assigned = resplits.halves(6_000, replications, np.random.default_rng(17))
    for metric in MAIN:
        found = resplits.comparisons(people, people, metric, assigned)
        for p in (np.array([c.plain.p_value for c in found]), np.array([c.adjusted.p_value for c in found])):
            for level in (0.01, 0.05):
                assert (p < level).mean() == pytest.approx(level, abs=resplits.monte_carlo(level, replications))
            assert stats.kstest(p, "uniform").pvalue > 0.001


@pytest.fixture(scope="module", params=[60, pytest.param(500, marks=slow)])
def known_lifts(request: pytest.FixtureRequest, resplits: ModuleType):
    """Worlds of 8,000 users with +5% of watch and 10% fewer hates."""
    return worlds(resplits, 8_000, request.param, 0.05)


def test_the_interval_covers_the_true_lift(known_lifts, resplits: ModuleType):
    for metric, found in known_lifts.items():
        bound = resplits.monte_carlo(0.95, len(found))
        assert covered([c.plain for c in found], LIFTS[metric]) == pytest.approx(0.95, abs=bound)
        assert covered([c.adjusted for c in found], LIFTS[metric]) == pytest.approx(0.95, abs=bound)


def test_power_is_what_the_standard_error_foretells(known_lifts, resplits: ModuleType):
    z = stats.norm.isf(0.025)
    for metric, found in known_lifts.items():
        for kind in ("plain", "adjusted"):
            said = [getattr(c, kind) for c in found]
            errors = np.array([d.standard_error for d in said])
            means = np.array([d.adjusted_control for d in said])
            foretold = stats.norm.sf(z - LIFTS[metric] * means.mean() / errors).mean()
            seen = np.mean([d.p_value < 0.05 for d in said])
            assert seen == pytest.approx(foretold, abs=resplits.monte_carlo(0.5, len(found)) + 0.02)


@sizes(50, 700)
def test_the_interval_covers_a_large_lift(resplits: ModuleType, replications: int):
    found = worlds(resplits, 2_000, replications, 0.8)
    for metric in ("AUT", "AVT"):
        bound = resplits.monte_carlo(0.95, replications)
        assert covered([c.adjusted for c in found[metric]], 0.8) == pytest.approx(0.95, abs=bound)


@pytest.mark.parametrize("metric", ["AVT", "P2N"])
def test_the_standard_error_is_that_of_a_bootstrap_of_users(resplits: ModuleType, metric: str):
    people = resplits.population(6_000, 5)
    assigned = resplits.halves(6_000, 1, np.random.default_rng(2))
    plain = resplits.comparisons(people, people, metric, assigned)[0].plain
    weights = np.random.default_rng(3).poisson(1, (800, 6_000)).astype(float)
    sides = np.stack([people.test[metric].numerator, people.test[metric].denominator], axis=1)
    means = [weights @ (sides * chosen[:, None]) for chosen in (1 - assigned[0], assigned[0])]
    drawn = means[1][:, 0] / means[1][:, 1] - means[0][:, 0] / means[0][:, 1]
    assert 0.92 < plain.standard_error / drawn.std() < 1.08


def test_a_test_per_view_rejects_most_equal_arms(resplits: ModuleType):
    """The wrong way, kept as a warning: views of one user are taken for independent."""
    rng = np.random.default_rng(4)
    n = 6_000
    views = rng.poisson(rng.lognormal(3, 1.4, n))
    user = np.repeat(np.arange(n), views)
    watch_s = rng.lognormal(2, 0.8, n)[user] * rng.lognormal(0, 0.5, len(user))
    sums = np.stack([np.bincount(user, x, n) for x in (np.ones(len(user)), watch_s, watch_s**2)], axis=1)
    assigned = resplits.halves(n, 300, rng)
    (n0, s0, q0), (n1, s1, q1) = ((chosen @ sums).T for chosen in (1 - assigned, assigned))
    z = (s1 / n1 - s0 / n0) / np.sqrt((q0 / n0 - (s0 / n0) ** 2) / n0 + (q1 / n1 - (s1 / n1) ** 2) / n1)
    assert (np.abs(z) > 1.96).mean() > 0.5


@sizes(60, 500)
def test_the_interval_covers_the_effect_on_these_very_users(resplits: ModuleType, replications: int):
    """Both outcomes of every user are known, as in a simulator: never covered less often than promised (Neyman)."""
    control, treated = resplits.population(4_000, 8), resplits.population(4_000, 8, 1.3, 0.3)
    assigned = resplits.halves(4_000, replications, np.random.default_rng(6))
    for metric in MAIN:
        lift = treated.test[metric].value / control.test[metric].value - 1
        found = resplits.comparisons(control, treated, metric, assigned)
        least = 0.95 - resplits.monte_carlo(0.95, replications)
        assert covered([c.plain for c in found], lift) >= least
        assert covered([c.adjusted for c in found], lift) >= least


def more_for_the_patient(resplits: ModuleType, n: int, seed: int):
    """Treatment adds views for users who watch long, so AVT rises without any view becoming longer."""
    rng = np.random.default_rng(seed)
    rate, taste = rng.lognormal(3, 1, n), rng.lognormal(2, 0.5, n)
    before = rng.poisson(rate).astype(float)
    pre = resplits.Ratio(before * taste * rng.lognormal(0, 0.3, n), before)
    views = rng.poisson(rate).astype(float)
    more = views + rng.poisson(0.3 * rate * (taste > math.exp(2)))
    noise = rng.lognormal(0, 0.3, n)
    arms = (resplits.Ratio(v * taste * noise, v) for v in (views, more))
    return tuple(resplits.Population({"AVT": arm}, {"AVT": pre}) for arm in arms)


@pytest.fixture(scope="module")
def patient_truth(resplits: ModuleType) -> float:
    """The effect on AVT among 1.5 million users."""
    control, treated = more_for_the_patient(resplits, 1_500_000, 99)
    return treated.test["AVT"].value - control.test["AVT"].value


@sizes(60, 300)
def test_adjustment_is_unbiased_where_treatment_moves_the_denominator(
    resplits: ModuleType, patient_truth: float, replications: int
):
    rng = np.random.default_rng(12)
    found, shortcut = [], []
    for seed in range(replications):
        control, treated = more_for_the_patient(resplits, 4_000, seed)
        assigned = resplits.halves(4_000, 1, rng)
        found += [c.adjusted for c in resplits.comparisons(control, treated, "AVT", assigned)]
        shortcut.append(weighted_by_current_views(control, treated, assigned[0] == 1))
    inside = np.mean([d.effect_low <= patient_truth <= d.effect_high for d in found])
    assert inside >= 0.95 - resplits.monte_carlo(0.95, replications)
    assert abs(np.mean([d.effect for d in found]) - patient_truth) < 0.2 * patient_truth
    assert np.mean(shortcut) < 0.5 * patient_truth


def weighted_by_current_views(control, treated, is_treated: np.ndarray) -> float:
    """The obvious shortcut: weighted least squares of watch per view on treatment and the pre-period's ratio."""
    views = np.where(is_treated, treated.test["AVT"].denominator, control.test["AVT"].denominator)
    watch_s = np.where(is_treated, treated.test["AVT"].numerator, control.test["AVT"].numerator)
    pre = control.before["AVT"]
    ratio = np.divide(pre.numerator, pre.denominator, out=np.full(len(views), pre.value), where=pre.denominator > 0)
    design = np.stack([np.ones(len(views)), is_treated, ratio], axis=1)
    y = np.divide(watch_s, views, out=np.zeros(len(views)), where=views > 0)
    return float(np.linalg.solve(design.T @ (design * views[:, None]), design.T @ (views * y))[1])
