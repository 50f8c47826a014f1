"""Quantiles from counts are those of the values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.statistics.quantiles import LEVELS, BinCounts

LEVEL = np.array(LEVELS)


@given(st.integers(1, 500), st.integers(0, 2**32))
def test_quantiles_are_those_of_the_values_to_a_thousandth(n, seed):
    values = np.minimum(np.random.default_rng(seed).lognormal(5, 1.5, n), 86_400)  # a day
    exact = np.quantile(values, LEVEL, method="inverted_cdf")
    np.testing.assert_allclose(BinCounts.of(values).quantile(LEVEL), exact, rtol=6e-4)


def test_users_who_watch_nothing_count():
    counts = BinCounts.of(np.array([0.0, 0.0, 0.0, 10.0]))
    assert counts.n == 4
    assert counts.quantile(np.array([0.5, 0.75])).tolist() == [0.0, 0.0]
    assert counts.quantile(np.array([0.8]))[0] == pytest.approx(10, rel=1e-3)


def test_slices_add_up_exactly():
    values = np.random.default_rng(3).lognormal(5, 2, 900)
    parts = BinCounts.of(values[:200]) + BinCounts.of(values[200:])
    assert np.array_equal(parts.users, BinCounts.of(values).users)
