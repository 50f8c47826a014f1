"""The best candidates of each row, against a stable sort."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.base import RankingError, top_k
from policies.testing.synthetic_logs import SyntheticLogPlan, draw_log, draw_requests, make_specimen


def requests(n_users, n):
    rng = np.random.default_rng(0)
    log = draw_log(make_specimen(n_users, max(n, 2), rng), SyntheticLogPlan(1), rng)
    return draw_requests(log, np.arange(n_users), n, 5, rng)


@given(seed=st.integers(0, 2**32), n=st.integers(1, 30), levels=st.integers(1, 40), data=st.data())
def test_agrees_with_a_stable_sort(seed, n, levels, data):
    k = data.draw(st.integers(1, n))
    obs = requests(3, n)
    scores = np.random.default_rng(seed).integers(0, levels, (3, n)).astype(np.float32)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(top_k(obs, scores, k), np.take_along_axis(obs.candidates, order, axis=1))


def test_takes_infinite_scores():
    obs = requests(2, 4)
    scores = np.array([[-np.inf, 1, np.inf, 0], [0, -np.inf, -np.inf, -np.inf]], np.float32)
    want = np.stack([obs.candidates[0, [2, 1, 3]], obs.candidates[1, [0, 1, 2]]])
    np.testing.assert_array_equal(top_k(obs, scores, 3), want)


def test_takes_strided_candidates():
    obs = requests(4, 6)
    every_other = replace(obs, candidates=obs.candidates[:, ::2])
    scores = np.tile(np.array([0, 2, 1], np.float32), (4, 1))
    np.testing.assert_array_equal(top_k(every_other, scores, 2), every_other.candidates[:, [1, 2]])


def test_refuses_more_than_there_are():
    obs = requests(2, 3)
    with pytest.raises(ValueError, match="k=4 asked for, but only n=3"):
        top_k(obs, np.zeros((2, 3), np.float32), 4)


def test_refuses_scores_of_another_shape():
    with pytest.raises(ValueError, match=r"shape \(2, 2\) given, want one per candidate: \(2, 3\)"):
        top_k(requests(2, 3), np.zeros((2, 2), np.float32), 1)


def test_refuses_nan():
    scores = np.zeros((2, 3), np.float32)
    scores[1, 2] = np.nan
    with pytest.raises(RankingError, match="score NaN given for user 1"):
        top_k(requests(2, 3), scores, 1)
