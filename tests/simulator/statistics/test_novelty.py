"""The novelty contrast: Welch's test for means, calibrated without decay, powerful with it."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from scipy import stats

from simulator.metrics import METRICS, Ratio
from simulator.statistics.novelty import (
    contrast,
    end_days,
    end_spread,
    true_contrast,
)
from simulator.statistics.paired import paired_spread

DAYS, HALF = 8, 4


def spread_of(watch_s):
    """From watch seconds by user and day."""
    ends = (Ratio(part.sum(axis=1), np.full(len(part), float(HALF))) for part in (watch_s[:, :HALF], watch_s[:, HALF:]))
    return end_spread(*ends)


def panel(rng, n, gain):
    """Watch seconds by user and day; users differ, and `gain` is each day's factor."""
    return rng.lognormal(3, 0.5, (n, 1)) * rng.gamma(2, 0.5, (n, DAYS)) * gain


def rejected(n_panels, n_users, decay, seed):
    """Share of panels with p < .05; under decay the treatment gains 30% at first and nothing at the end."""
    rng = np.random.default_rng(seed)
    gain = 1 + decay * np.linspace(0.3, 0.0, DAYS)
    p_values = [
        contrast(spread_of(panel(rng, n_users, 1.0)), spread_of(panel(rng, n_users, gain)))[3] for _ in range(n_panels)
    ]
    return float((np.array(p_values) < 0.05).mean())


def test_for_a_mean_it_is_welchs_test_of_each_users_difference():
    rng = np.random.default_rng(2)
    a, b = panel(rng, 300, 1.0), panel(rng, 200, 1.1)
    drops = [(w[:, :HALF].mean(axis=1) - w[:, HALF:].mean(axis=1)) for w in (a, b)]
    welch = stats.ttest_ind(drops[1], drops[0], equal_var=False)
    value, low, high, p = contrast(spread_of(a), spread_of(b))
    assert value == pytest.approx(drops[1].mean() - drops[0].mean(), rel=1e-9)
    assert (low, high) == pytest.approx(tuple(welch.confidence_interval()), rel=1e-9)
    assert p == pytest.approx(welch.pvalue, rel=1e-9)


def test_without_decay_one_in_twenty_is_found():
    assert abs(rejected(200, 400, 0.0, seed=4) - 0.05) <= 3.29 * np.sqrt(0.05 * 0.95 / 200) + 0.005


def test_decay_is_found():
    assert rejected(20, 2_000, 1.0, seed=5) > 0.95


@pytest.mark.slow
def test_rates_over_many_panels():
    assert abs(rejected(600, 1_000, 0.0, seed=6) - 0.05) <= 3.29 * np.sqrt(0.05 * 0.95 / 600) + 0.005
    assert rejected(60, 2_000, 1.0, seed=7) > 0.95


def test_a_ratio_covers_what_was_planted():
    """Seconds per view fall by 2 from the first half to the second under the treatment only; 200 worlds."""
    rng, worlds, hits = np.random.default_rng(8), 200, 0

    def side(drop):
        views = 1.0 + rng.poisson(10, (500, 2))
        watch_s = views * (10 + rng.normal(0, 2, (500, 2))) - views * np.array([0.0, drop])
        return end_spread(*(Ratio(watch_s[:, i], views[:, i]) for i in (0, 1)))

    for _ in range(worlds):
        _, low, high, _ = contrast(side(0.0), side(2.0))
        hits += low <= 2.0 <= high
    assert abs(hits / worlds - 0.95) <= 3.29 * np.sqrt(0.95 * 0.05 / worlds)


def test_a_short_test_is_refused():
    assert [end_days(days) for days in (1, 3, 4, 5, 7)] == [0, 0, 2, 2, 3]


def test_the_true_contrast_is_that_of_both_worlds():
    rng = np.random.default_rng(9)
    control = [Ratio(rng.gamma(2, 9, 50), 1.0 + rng.poisson(3, 50)) for _ in range(4)]
    treatment = [
        Ratio(r.numerator * gain, r.denominator) for r, gain in zip(control, (1.4, 1.3, 1.1, 1.0), strict=True)
    ]
    pairs = {day: paired_spread(control[day], treatment[day]) for day in range(4)}

    def effect(days):
        n0, n1, d = (
            sum(x)
            for x in zip(
                *(
                    (control[i].numerator.sum(), treatment[i].numerator.sum(), control[i].denominator.sum())
                    for i in days
                ),
                strict=True,
            )
        )
        return (n1 - n0) / d

    assert true_contrast(pairs, 4) == pytest.approx(effect((0, 1)) - effect((2, 3)), rel=1e-12)
    assert true_contrast({}, 3) is None


def test_slices_add_up():
    rng = np.random.default_rng(10)
    a, b = panel(rng, 300, 1.0), panel(rng, 300, 1.2)
    whole = contrast(spread_of(a), spread_of(b))
    parts = contrast(*(reduce(add, [spread_of(w[i : i + 70]) for i in range(0, 300, 70)]) for w in (a, b)))
    assert parts == pytest.approx(whole, rel=1e-9)
    assert METRICS["AUT"].unit == "s/user/day"
