r"""Estimators for slates, as in the Open Bandit Pipeline: one term per slate; the estimate is their mean.

`obp/ope/estimators_slate.py` in https://github.com/st-tech/zr-obp.

A row is a slate: $a_j$ the video at place j, $r_j$ its reward, 0 where it was not seen. With
$w_j = \pi(a_j \mid x, a_1 \dots a_{j-1}) / \pi_0(a_j \mid x, a_1 \dots a_{j-1})$ a slate's weight is the product of its
$w_j$. They differ in what they assume of users: nothing (standard), that they look at one video without regard to the
others (independent), or that what comes later in the slate does not matter (reward interaction, cascade doubly robust).

Axes: `slates`, `k` places.
"""

import numpy as np
from jaxtyping import Float64

Places = Float64[np.ndarray, "slates k"]
Terms = Float64[np.ndarray, " slates"]


def standard_terms(reward: Places, weight: Places) -> Terms:
    r"""Whole-slate weights: $\prod_l w_l \sum_j r_j$ (Precup, Sutton and Singh, ICML 2000).

    OBP: `SlateStandardIPS`.

    >>> standard_terms(np.array([[1.0, 2.0]]), np.array([[2.0, 0.5]])).tolist()
    [3.0]
    """
    return weight.prod(axis=1) * reward.sum(axis=1)


def independent_terms(reward: Places, place_weight: Places) -> Terms:
    r"""Independent places: $\sum_j \pi(a_j \text{ at } j \mid x) / \pi_0(a_j \text{ at } j \mid x) \, r_j$.

    Li et al., KDD 2018, https://arxiv.org/abs/1804.10488. OBP: `SlateIndependentIPS`.

    Args:
        reward: Of each place.
        place_weight: Ratio of the chances of the video at its place, whatever is above it.
    """
    return (place_weight * reward).sum(axis=1)


def interaction_terms(reward: Places, weight: Places) -> Terms:
    r"""Reward interaction: $\sum_j \prod_{l \le j} w_l \, r_j$ (McInerney et al., KDD 2020).

    https://arxiv.org/abs/2007.12986. OBP: `SlateRewardInteractionIPS`.

    >>> interaction_terms(np.array([[1.0, 2.0]]), np.array([[2.0, 0.5]])).tolist()
    [4.0]
    """
    return (weight.cumprod(axis=1) * reward).sum(axis=1)


def cascade_terms(reward: Places, weight: Places, logged: Places, expected: Places) -> Terms:
    r"""Cascade doubly robust, with a model of what this place and all later ones earn.

    $\sum_j [w_{1:j} (r_j - \hat Q_j(a_j)) + w_{1:j-1} \sum_a \pi(a \mid a_1 \dots a_{j-1}) \hat Q_j(a)]$ (Kiyohara et
    al., WSDM 2022, https://arxiv.org/abs/2202.01562). OBP: `SlateCascadeDoublyRobust`.

    Args:
        reward: Of each place.
        weight: Of each place, given those above it.
        logged: $\hat Q_j(a_j)$, what the model expects of this place and all later ones; 0 where the user has left.
        expected: The same for the evaluated policy's choice at this place.
    """
    upto = weight.cumprod(axis=1)
    before = np.concatenate([np.ones((len(weight), 1)), upto[:, :-1]], axis=1)
    return (upto * (reward - logged) + before * expected).sum(axis=1)
