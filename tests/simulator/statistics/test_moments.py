"""Moments say what rows say: merged slice by slice, they give the same covariances and the same truth."""

from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.metrics import Ratio
from simulator.statistics.moments import Moments
from simulator.statistics.paired import paired_effect, paired_spread, true_effect


def ratio(rng, n, gain=1.0):
    return Ratio(gain * rng.gamma(1.0, 30.0, n), rng.poisson(5, n).astype(float))


def cut(whole, some):
    return Ratio(whole.numerator[some], whole.denominator[some])


def slices(n, width):
    return [slice(first, first + width) for first in range(0, n, width)]


def merged(spread_of, n, width):
    return reduce(add, [spread_of(some) for some in slices(n, width)])


@given(st.integers(2, 60), st.integers(1, 25), st.integers(0, 2**32))
def test_merged_slices_have_the_covariances_of_the_whole(n, width, seed):
    columns = np.random.default_rng(seed).normal(100, 3, (3, n))
    spread = merged(lambda some: Moments.of(tuple(columns[:, some])), n, width)
    np.testing.assert_allclose(spread.covariance, np.cov(columns), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(spread.total, columns.sum(axis=1), rtol=1e-12)


def test_a_slice_without_users_changes_nothing():
    nobody, someone = Moments.of((np.zeros(0),)), Moments.of((np.array([1.0, 3.0]),))
    for spread in (nobody + someone, someone + nobody):
        assert (spread.n, spread.total[0], spread.covariance[0, 0]) == (2, 4.0, 2.0)


def test_the_true_effect_is_that_of_the_rows():
    rng, n = np.random.default_rng(5), 3_000
    control = ratio(rng, n)
    treatment = Ratio(1.1 * control.numerator + rng.normal(size=n), control.denominator + rng.poisson(1, n))
    whole = true_effect(control, treatment)
    parts = paired_effect(merged(lambda s: paired_spread(cut(control, s), cut(treatment, s)), n, 701))
    wanted = (whole.control, whole.treatment, whole.relative_effect, whole.standard_error)
    assert (parts.control, parts.treatment, parts.relative_effect, parts.standard_error) == pytest.approx(wanted)


def test_equal_worlds_have_an_effect_of_exactly_zero():
    whole = ratio(np.random.default_rng(6), 1_000)
    effect = paired_effect(merged(lambda s: paired_spread(cut(whole, s), cut(whole, s)), 1_000, 300))
    assert (effect.relative_effect, effect.standard_error) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("numerator", "denominator", "reason"), [(1.0, 0.0, "denominator is 0"), (0.0, 1.0, "control value is 0")]
)
def test_a_metric_without_a_value_has_a_reason(numerator, denominator, reason):
    control = Ratio(np.full(9, numerator), np.full(9, denominator))
    effect = paired_effect(paired_spread(control, Ratio(np.ones(9), np.ones(9))))
    assert effect.relative_effect is None
    assert reason in effect.reason


def test_a_variance_that_is_rounding_is_0_and_of_one_user_there_is_none():
    rng = np.random.default_rng(1)
    d = rng.normal(1e6, 1e3, 500)
    spread = Moments.of((0.1 * d, d))
    assert spread.variance_of(np.array([1.0, -0.1])) == 0.0
    assert spread.variance_of(np.array([0.0, 1.0])) == pytest.approx(d.var(ddof=1))
    assert Moments.of((np.ones(1),)).variance_of(np.ones(1)) is None


def test_a_true_lift_below_zero_is_over_its_size_and_one_user_has_no_error():
    control, treatment = Ratio(np.array([-4.0]), np.ones(1)), Ratio(np.array([-3.0]), np.ones(1))
    for effect in (true_effect(control, treatment), paired_effect(paired_spread(control, treatment))):
        assert (effect.relative_effect, effect.standard_error) == (0.25, None)
        assert effect.reason == "one user has no standard error"
