"""Lee's bounds: by hand, by trimming one by one, and covering the effect on those who answer either way."""

import numpy as np
import pytest

from simulator.statistics.lee_bounds import lee_bounds
from simulator.statistics.moments import Moments


def spread_of(answered, satisfied, asked=None):
    """From one row per user: whether they answered, and whether they were satisfied if so."""
    asked = np.ones(len(answered)) if asked is None else asked
    return Moments.of((asked, answered.astype(float), (answered * satisfied).astype(float)))


def users(n, answers, satisfied):
    """`n` asked users, the first of whom answer, the first of those `satisfied`."""
    rows = np.arange(n)
    return spread_of(rows < answers, rows < satisfied)


def test_worked_by_hand():
    """Control: 40 of 100 answer, 20 satisfied. Treatment: 50 answer, 30 satisfied; a fifth of its answers is cut.

    Without 10 satisfied ones 20 of 40 are left, without 10 others 30 of 40: from no effect to + 25 points.
    """
    found = lee_bounds(users(100, 40, 20), users(100, 50, 30))
    assert found.trimmed == pytest.approx(0.2)
    assert (found.lower, found.upper) == pytest.approx((0.0, 0.25))
    assert found.low < found.lower < found.upper < found.high


def test_the_arm_that_answers_more_is_cut_whichever_it_is():
    found, turned = (
        lee_bounds(users(100, 40, 20), users(100, 50, 30)),
        lee_bounds(users(100, 50, 30), users(100, 40, 20)),
    )
    ends = (turned.lower, turned.upper, turned.low, turned.high)
    assert ends == pytest.approx((-found.upper, -found.lower, -found.high, -found.low))


def test_equal_answering_leaves_a_point():
    found = lee_bounds(users(100, 40, 20), users(100, 40, 30))
    assert (found.trimmed, found.lower, found.upper) == pytest.approx((0.0, 0.25, 0.25))


def test_bounds_stay_within_shares():
    """Of 80 answers with 20 satisfied, 40 are cut: the mean of the rest lies between 0 and 20 of 40."""
    found = lee_bounds(users(100, 40, 20), users(100, 80, 20))
    assert (found.lower, found.upper) == pytest.approx((-0.5, 0.0))
    most = lee_bounds(users(100, 40, 20), users(100, 80, 70))
    assert most.upper == pytest.approx(0.5)


def test_nobody_answering_has_no_bounds():
    assert lee_bounds(users(100, 0, 0), users(100, 40, 20)) is None


def test_the_slopes_are_those_of_the_bounds():
    """Standard errors against a bootstrap over users who are asked several times; 12% is 3.29 errors of 400 draws."""
    rng = np.random.default_rng(1)

    def arm(rate, share, n=1_500):
        asked = 1.0 + rng.poisson(3, n)
        answered = rng.binomial(asked.astype(int), rate).astype(float)
        return np.stack([asked, answered, rng.binomial(answered.astype(int), share).astype(float)])

    a, b = arm(0.4, 0.5), arm(0.5, 0.6)
    draws = np.array(
        [
            [found.lower, found.upper]
            for _ in range(400)
            for found in [
                lee_bounds(*(Moments.of(tuple(x[:, rng.integers(0, x.shape[1], x.shape[1])])) for x in (a, b)))
            ]
        ]
    )
    found = lee_bounds(Moments.of(tuple(a)), Moments.of(tuple(b)))
    errors = np.array([found.lower - found.low, found.high - found.upper]) / 1.645
    assert errors == pytest.approx(draws.std(axis=0), rel=0.12)


def test_intervals_cover_the_effect_on_those_who_answer_either_way():
    """Satisfaction of the always-answering gains 5 points; the treatment brings additional, pleased answers."""
    rng, n, worlds, hits = np.random.default_rng(2), 2_000, 300, 0
    for _ in range(worlds):
        always, moved = rng.random((2, n)) < 0.3, rng.random((2, n)) < 0.1
        satisfied = rng.random((2, n)) < np.where(always, [[0.5], [0.55]], 0.9)
        found = lee_bounds(spread_of(always[0], satisfied[0]), spread_of(always[1] | moved[1], satisfied[1]))
        hits += found.low <= 0.05 <= found.high
    assert hits / worlds >= 0.95 - 3.29 * np.sqrt(0.95 * 0.05 / worlds)
