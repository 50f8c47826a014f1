"""Moments by hash group of users: merged slices, groups left out, and weighted sums of columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.statistics.groups import GROUPS, GroupMoments, group_of


def grouped(columns: np.ndarray, group: np.ndarray) -> GroupMoments:
    return GroupMoments.of(tuple(columns), group)


@given(st.integers(0, 300), st.integers(0, 300), st.floats(-1e6, 1e6), st.integers(0, 2**32))
def test_slices_add_up_to_the_whole(n: int, cut: int, centre: float, seed: int):
    rng = np.random.default_rng(seed)
    columns, group = rng.normal(centre, 3, (3, n)), rng.integers(0, GROUPS, n)
    whole = grouped(columns, group)
    parts = grouped(columns[:, :cut], group[:cut]) + grouped(columns[:, cut:], group[cut:])
    for name, size in (("n", 1.0), ("total", abs(centre) + 1), ("scatter", 10.0), ("cubes", abs(centre) ** 3 + 1)):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-9, atol=1e-7 * size)
    for name in ("present", "least", "greatest"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_what_is_left_without_a_group_is_the_other_users():
    rng = np.random.default_rng(2)
    columns, group = rng.lognormal(3, 1, (4, 260)), rng.integers(0, GROUPS, 260)
    moments = grouped(columns, group)
    left = moments.without_each()
    assert np.flatnonzero(moments.left_out).tolist() == np.unique(group).tolist()
    for index in np.unique(group):
        each = int(index)
        rest = columns[:, group != each]
        assert left.n[index] == rest.shape[1]
        np.testing.assert_allclose(left.mean[index], rest.mean(axis=1), rtol=1e-12)
        np.testing.assert_allclose(left.scatter[index], np.cov(rest) * (rest.shape[1] - 1), rtol=1e-9)


def test_weighted_sums_of_columns_are_those_of_the_rows():
    rng = np.random.default_rng(3)
    columns, group = rng.normal(size=(3, 200)), rng.integers(0, GROUPS, 200)
    weights = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, -1.0]])
    one, other = grouped(columns, group).combined(weights).samples(), grouped(weights @ columns, group).samples()
    np.testing.assert_allclose(one.mean, other.mean, atol=1e-12)
    np.testing.assert_allclose(one.scatter, other.scatter, atol=1e-9)


def test_the_first_two_columns_stay_where_they_are():
    moments = grouped(np.ones((3, 5)), group_of(np.arange(5)))
    with pytest.raises(ValueError, match="want 0 and 1 first"):
        moments.take((1, 0))


def test_variances_far_from_zero_keep_their_digits():
    values = np.random.default_rng(1).normal(0, 1, 5_000) + 1e7
    moments = grouped(np.stack([values, values]), group_of(np.arange(5_000)))
    assert moments.whole.covariance[0, 0] == pytest.approx(values.var(ddof=1), rel=1e-9)
