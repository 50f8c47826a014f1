"""Ridge logistic regression, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from policies.two_tower.logistic import RegressionRows, fit_logistic, sigmoid


def draw(n, f, n_videos, rng) -> RegressionRows:
    x = rng.normal(size=(n, f))
    video_id = rng.integers(0, n_videos, n)
    logit = x @ rng.normal(size=f) + rng.normal(size=n_videos)[video_id]
    return RegressionRows(x, video_id, (rng.random(n) < sigmoid(logit)).astype(np.float64), rng.uniform(0.2, 3, n))


@pytest.mark.parametrize("ridge", [0.5, 5.0])
def test_agrees_with_scikit_learn(ridge):
    rows = draw(400, 3, 6, np.random.default_rng(0))
    found = fit_logistic(rows, 6, ridge, ridge)
    # The intercept, as a column whose penalty is a tenth of a row's, and the offsets as indicators.
    columns = np.concatenate([np.full((400, 1), (ridge / 0.1) ** 0.5), rows.x, np.eye(6)[rows.video_id]], axis=1)
    reference = LogisticRegression(C=1 / ridge, fit_intercept=False, tol=1e-8, max_iter=1000)
    reference.fit(columns, rows.y, rows.weight)
    np.testing.assert_allclose(found.slope, reference.coef_[0, 1:4], atol=2e-3)
    np.testing.assert_allclose(found.offset, reference.coef_[0, 4:], atol=2e-3)
    assert found.intercept == pytest.approx(reference.coef_[0, 0] * (ridge / 0.1) ** 0.5, abs=2e-3)


def test_weights_count_as_rows():
    rows = draw(200, 2, 3, np.random.default_rng(1))
    twice = RegressionRows(*(np.concatenate([a, a]) for a in (rows.x, rows.video_id, rows.y, rows.weight)))
    doubled = RegressionRows(rows.x, rows.video_id, rows.y, rows.weight * 2)
    a, b = fit_logistic(twice, 3, 1, 1), fit_logistic(doubled, 3, 1, 1)
    np.testing.assert_allclose(a.slope, b.slope, atol=1e-4)


def test_no_rows_give_nothing():
    empty = RegressionRows(np.zeros((0, 2)), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    found = fit_logistic(empty, 4, 1, 1)
    assert not np.concatenate([[found.intercept], found.slope, found.offset]).any()


def test_one_outcome_stays_finite():
    rows = draw(30, 2, 3, np.random.default_rng(2))
    found = fit_logistic(RegressionRows(rows.x, rows.video_id, np.ones(30), rows.weight), 3, 1, 1)
    assert 0 < found.intercept < 10
    assert np.isfinite(found.slope).all()


def test_videos_with_few_rows_stay_near_the_rest():
    n = 500
    rng = np.random.default_rng(3)
    video_id = np.concatenate([np.zeros(n, np.int64), np.ones(1, np.int64)])
    y = np.concatenate([rng.random(n) < 0.5, [True]]).astype(np.float64)
    found = fit_logistic(RegressionRows(np.zeros((n + 1, 1)), video_id, y, np.ones(n + 1)), 3, 1, 1)
    assert 0 < found.offset[1] < 0.5
    assert found.offset[2] == 0


def test_sigmoid_does_not_overflow():
    np.testing.assert_allclose(sigmoid(np.array([-800.0, 0.0, 800.0])), [0, 0.5, 1])
