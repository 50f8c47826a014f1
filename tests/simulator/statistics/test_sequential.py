"""Critical values against published ones, and error rates of looking early on made-up panels."""

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulator.statistics.sequential import always_valid_bound, crossing_chances, group_bounds, rising, spent

EVEN = np.arange(1.0, 6)
DAYS = 14


def test_obrien_fleming_bounds_are_those_of_the_textbook():
    """Five even looks, two-sided 5%: Proschan, Lan and Wittes, Statistical Monitoring of Clinical Trials (2006)."""
    found = group_bounds(EVEN, EVEN / 5, "obrien-fleming", 0.05)
    assert found == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4)


def test_pocock_bounds_are_those_of_the_textbook():
    found = group_bounds(EVEN, EVEN / 5, "pocock", 0.05)
    assert found == pytest.approx([2.4380, 2.4268, 2.4101, 2.3966, 2.3859], abs=2e-4)


@pytest.mark.parametrize(("shape", "constant"), [("flat", 2.413), ("falling", 2.040)])
def test_constants_of_jennison_and_turnbull_spend_five_percent(shape: str, constant: float):
    """Group Sequential Methods (1999), tables 2.1 and 2.3, five looks."""
    bounds = np.full(5, constant) if shape == "flat" else constant / np.sqrt(EVEN / 5)
    assert crossing_chances(EVEN, bounds).sum() == pytest.approx(0.05, abs=1e-4)


@pytest.mark.parametrize(("looks", "chance"), [(1, 0.05), (2, 0.083), (5, 0.142), (10, 0.193), (14, 0.2196)])
def test_naive_looks_cry_wolf_as_often_as_is_known(looks: int, chance: float):
    """Armitage, McPherson and Rowe (1969), table 2."""
    found = crossing_chances(np.arange(1.0, looks + 1), np.full(looks, stats.norm.isf(0.025))).sum()
    assert found == pytest.approx(chance, abs=5e-4)


@settings(max_examples=15)
@given(
    st.lists(st.floats(0.05, 3), min_size=1, max_size=5),
    st.sampled_from(["obrien-fleming", "pocock"]),
    st.floats(0.01, 0.2),
)
def test_bounds_spend_what_they_may_and_no_more(gains, spending, alpha: float):
    information = np.cumsum(gains)
    clock = information / information[-1]
    bounds = group_bounds(information, clock, spending, alpha)
    chances = crossing_chances(information, bounds).cumsum()
    assert chances == pytest.approx(spent(spending, clock, alpha), abs=1e-6)
    assert chances[-1] == pytest.approx(alpha, abs=1e-6)


def test_a_look_that_adds_nothing_spends_nothing():
    bounds = group_bounds(np.array([1.0, 1.0, 2.0]), np.array([0.5, 0.5, 1.0]), "obrien-fleming", 0.05)
    assert np.isinf(bounds[1])
    assert np.isfinite(bounds[[0, 2]]).all()


def test_information_that_falls_is_taken_to_rise_a_little():
    assert (np.diff(rising(np.array([2.0, 1.5, 1.9, 4.0]))) > 0).all()


@pytest.mark.parametrize(("tuned", "half", "error"), [(1000, 1.06180, 0.33341), (5000, 0.93981, 0.30930)])
def test_always_valid_bounds_are_those_that_growthbook_publishes(tuned: float, half: float, error: float):
    """Half-widths and standard errors of its tests of sequential intervals, 3,000 and 3,461 users, five digits."""
    assert always_valid_bound(6461, tuned, 0.05) == pytest.approx(half / error, rel=5e-5)


def test_always_valid_bounds_are_narrowest_near_where_they_are_tuned():
    at = {n: always_valid_bound(n, 1, 0.05) for n in (0.1, 0.5, 1.0, 2.0, 10.0)}
    assert min(at, key=at.__getitem__) in (1.0, 2.0)
    assert all(bound > stats.norm.isf(0.025) for bound in at.values())


def panel(design: str, n: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    """Heavy-tailed users over fourteen days: what is known of each so far, and whether anything is, per day."""
    rng = np.random.default_rng(31)
    if design == "arriving":
        day = rng.integers(0, DAYS, n)
        here = day[:, None] <= np.arange(DAYS)
        return here * rng.lognormal(0, 1, n)[:, None], here.astype(float)
    own, daily = rng.lognormal(0, 0.8, n), rng.lognormal(0, 0.8, (n, DAYS))
    return (own[:, None] * daily).cumsum(axis=1) / np.arange(1, DAYS + 1), np.ones((n, DAYS))


def courses(resplits: ModuleType, design: str, paths: int, gain: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """z and standard error after each day, of many splits; the treated have more of everything by `gain`."""
    value, here = panel(design)
    assigned = resplits.halves(len(value), paths, np.random.default_rng(5))
    means, errors = [], []
    for chosen, factor in ((1 - assigned, 1.0), (assigned, 1 + gain)):
        n = chosen @ here
        mean = factor * (chosen @ value) / n
        means.append(mean)
        errors.append((factor**2 * (chosen @ value**2) / n - mean**2) / n)
    error = np.sqrt(errors[0] + errors[1])
    return (means[1] - means[0]) / error, error


def crossed(z: np.ndarray, bounds: np.ndarray) -> float:
    return float((np.abs(z) > bounds).any(axis=1).mean())


@pytest.mark.parametrize("paths", [400, pytest.param(1200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("design", ["arriving", "same users"])
def test_looking_every_day_errs_as_often_as_promised(resplits: ModuleType, design: str, paths: int):
    z, error = courses(resplits, design, paths)
    information = (1 / error**2).mean(axis=0)
    share = np.minimum(information / information[-1], 1)
    bound = resplits.monte_carlo(0.05, paths)
    naive = crossed(z, np.full(DAYS, 1.96))
    assert naive > 0.10
    for spending in ("obrien-fleming", "pocock"):
        for clock in (share, np.arange(1, DAYS + 1) / DAYS):
            found = crossed(z, group_bounds(information, clock, spending, 0.05))
            assert 0.05 - max(bound, 0.03) <= found <= 0.05 + bound
    assert crossed(z, np.array([always_valid_bound(part, 1, 0.05) for part in share])) <= 0.05


def test_group_sequential_looks_cost_hardly_any_power(resplits: ModuleType):
    """A lift that a single look finds nine times in ten."""
    paths = 400
    z, error = courses(resplits, "same users", paths, gain=0.12)
    information = (1 / error**2).mean(axis=0)
    share = np.minimum(information / information[-1], 1)
    fixed = (np.abs(z[:, -1]) > 1.96).mean()
    group = crossed(z, group_bounds(information, share, "obrien-fleming", 0.05))
    always = crossed(z, np.array([always_valid_bound(part, 1, 0.05) for part in share]))
    assert 0.7 < fixed < 0.99
    assert group > fixed - 0.05
    assert always < group
