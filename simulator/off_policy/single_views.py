r"""Estimators for single views, as in the Open Bandit Pipeline.

Saito et al., NeurIPS 2021 Datasets and Benchmarks, https://arxiv.org/abs/2008.07146; `obp/ope/estimators.py` in
https://github.com/st-tech/zr-obp.

A row is a view: x is the request, a the video shown, r its reward, $w = \pi(a \mid x) / \pi_0(a \mid x)$ the evaluated
policy's chance of the video over the logging policy's. A reward model $\hat q$ gives `logged` = $\hat q(x, a)$ and
`expected` = $\sum_{a'} \pi(a' \mid x) \hat q(x, a')$.

Axes: `rows` views.
"""

import numpy as np
from jaxtyping import Float64, Int

from simulator.off_policy.estimate import Estimate, clustered_mean

Rows = Float64[np.ndarray, " rows"]
Users = Int[np.ndarray, " rows"]


def direct_method(expected: Rows, user_id: Users) -> Estimate:
    r"""Direct method: $\frac1n \sum \sum_a \pi(a \mid x) \hat q(x, a)$ (Beygelzimer and Langford, KDD 2009).

    As good as its model. OBP: `DirectMethod`. The standard error leaves out that of the model.
    """
    return clustered_mean(expected, user_id, np.ones(len(expected)))


def inverse_propensity(reward: Rows, weight: Rows, user_id: Users) -> Estimate:
    r"""Inverse propensity scoring: $\frac1n \sum w r$ (Horvitz and Thompson, JASA 1952).

    OBP: `InverseProbabilityWeighting`.

    >>> inverse_propensity(np.array([1.0, 0.0, 1.0]), np.array([2.0, 0.5, 0.5]), np.arange(3)).value
    0.8333333333333334
    """
    return clustered_mean(weight * reward, user_id, weight)


def self_normalised(reward: Rows, weight: Rows, user_id: Users) -> Estimate:
    r"""Self-normalised: $\sum w r / \sum w$ (Swaminathan and Joachims, NeurIPS 2015).

    OBP: `SelfNormalizedInverseProbabilityWeighting`.

    >>> self_normalised(np.array([1.0, 0.0, 1.0]), np.array([2.0, 0.5, 0.5]), np.arange(3)).value
    0.8333333333333334
    """
    return clustered_mean(weight * reward, user_id, weight, weight)


def doubly_robust(reward: Rows, weight: Rows, logged: Rows, expected: Rows, user_id: Users) -> Estimate:
    r"""Doubly robust: $\frac1n \sum [\sum_a \pi(a \mid x) \hat q(x, a) + w (r - \hat q(x, a))]$.

    Dudik, Erhan, Langford and Li, Statistical Science 2014, https://arxiv.org/abs/1503.02834. OBP: `DoublyRobust`.
    """
    return clustered_mean(expected + weight * (reward - logged), user_id, weight)


def switch_doubly_robust(
    reward: Rows, weight: Rows, logged: Rows, expected: Rows, user_id: Users, most: float
) -> Estimate:
    """`doubly_robust` with the model alone where the weight is above `most`.

    Wang, Agarwal and Dudik, ICML 2017, https://arxiv.org/abs/1612.01205. OBP: `SwitchDoublyRobust`, `lambda_` = `most`.
    """
    used = np.where(weight <= most, weight, 0.0)
    return clustered_mean(expected + used * (reward - logged), user_id, used)


def shrunk_doubly_robust(
    reward: Rows, weight: Rows, logged: Rows, expected: Rows, user_id: Users, shrinkage: float
) -> Estimate:
    r"""`doubly_robust` with weights $\lambda w / (w^2 + \lambda)$, $\lambda$ being `shrinkage`.

    Su, Dimakopoulou, Krishnamurthy and Dudik, ICML 2020, https://arxiv.org/abs/1907.09623. OBP:
    `DoublyRobustWithShrinkage`, `lambda_` = `shrinkage`.
    """
    used = shrinkage * weight / (weight**2 + shrinkage)
    return clustered_mean(expected + used * (reward - logged), user_id, used)
