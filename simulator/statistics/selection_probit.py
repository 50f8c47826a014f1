"""The satisfied share from two forms of a questionnaire, by a bivariate probit of answering and satisfaction.

A user who is asked answers if U < c, with one c per form of the questionnaire, and would answer `satisfied` if
V < d; U and V are standard normal with correlation rho, whatever the form. Answer rates give both c. The share that
answers `satisfied`, Phi2(c, d; rho), at two forms gives d and rho. So the model is just identified: it fits exactly or
not at all. Phi(d) is the satisfied share if all answered. As a model of selection: Heckman,
Econometrica 47 (1979); from forms drawn at random, in logits, Sun et al. (https://arxiv.org/abs/1607.03197).

Axes: `*b` any batch.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import ndtr, ndtri

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_MOST: Final = 0.995
"""Largest correlation that counts as a solution."""
_STEPS: Final = 60
_EXACT: Final = 1e-7
"""Largest error of a share at a solution, relative to the smaller of the satisfied and the other answers."""


@final
@dataclass(frozen=True)
class TwoForms:
    """Shares of the asked, by form: plain and strong.

    Attributes:
        answered: Share that answered.
        satisfied: Share that answered `satisfied`.
    """

    answered: tuple[Float64[np.ndarray, "*b"], Float64[np.ndarray, "*b"]]
    satisfied: tuple[Float64[np.ndarray, "*b"], Float64[np.ndarray, "*b"]]


@final
@dataclass(frozen=True)
class ProbitFit:
    """Satisfied share if all answered, and correlation of answering and satisfaction; NaN without a solution."""

    share: Float64[np.ndarray, "*b"]
    correlation: Float64[np.ndarray, "*b"]


def both_below(
    h: Float64[np.ndarray, "*b"], k: Float64[np.ndarray, "*b"], rho: Float64[np.ndarray, "*b"]
) -> Float64[np.ndarray, "*b"]:
    """P(U < h, V < k) of standard normals with correlation `rho`, |rho| at most .995, to 1e-9.

    Phi(h) Phi(k) + integral over t from 0 to asin(rho) of exp(-(h^2 - 2 h k sin t + k^2) / (2 cos^2 t)) / (2 pi)
    (Drezner and Wesolowsky, J. Statistical Computation and Simulation 35, 1990), by 48 Gauss-Legendre nodes.
    """
    end = np.arcsin(rho)[..., None]
    t = 0.5 * end * (_NODES + 1)
    h_, k_ = h[..., None], k[..., None]
    density = np.exp(-(h_ * h_ - 2 * h_ * k_ * np.sin(t) + k_ * k_) / (2 * np.cos(t) ** 2)) / (2 * np.pi)
    return np.asarray(ndtr(h) * ndtr(k) + 0.5 * end[..., 0] * (density * _WEIGHTS).sum(axis=-1))


def fit_probit(forms: TwoForms) -> ProbitFit:
    """Solve for share and correlation.

    NaN if a form lacks answers of one kind or lacks silence, if both forms are answered equally often, or if no
    correlation up to .995 explains the answers.
    """
    shape = forms.answered[0].shape
    answered, satisfied = (
        tuple(np.ravel(np.asarray(values, np.float64)) for values in pair) for pair in (forms.answered, forms.satisfied)
    )
    share, correlation = np.full(answered[0].shape, np.nan), np.full(answered[0].shape, np.nan)
    solvable = answered[0] != answered[1]
    for rate, satisfied_share in zip(answered, satisfied, strict=True):
        solvable &= (rate > 0) & (rate < 1) & (satisfied_share > 0) & (satisfied_share < rate)
    if solvable.any():
        thresholds = [ndtri(rate[solvable]) for rate in answered]
        shares = [satisfied_share[solvable] for satisfied_share in satisfied]
        start = ndtri(shares[1] / answered[1][solvable])
        d, rho, solved = _newton(thresholds, shares, start, np.zeros(len(start)))
        if not solved.all():
            d, rho, solved = _searched(thresholds, shares, d, rho, solved)
        share[solvable] = np.where(solved, ndtr(d), np.nan)
        correlation[solvable] = np.where(solved, rho, np.nan)
    return ProbitFit(share.reshape(shape), correlation.reshape(shape))


def _newton(
    thresholds: list[np.ndarray], shares: list[np.ndarray], d: Float64[np.ndarray, " n"], rho: Float64[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Take Newton steps of limited length in d and atanh(rho), and return which end at a solution."""
    z = np.arctanh(rho)
    largest_z = np.arctanh(_MOST)
    for _ in range(_STEPS):
        rho = np.tanh(z)
        miss, by_d, by_z = _slopes(thresholds, shares, d, rho)
        determinant = by_d[0] * by_z[1] - by_d[1] * by_z[0]
        determinant = np.where(np.abs(determinant) < 1e-14, np.nan, determinant)
        step_d = (miss[0] * by_z[1] - miss[1] * by_z[0]) / determinant
        step_z = (by_d[0] * miss[1] - by_d[1] * miss[0]) / determinant
        d = d - np.clip(np.nan_to_num(step_d), -0.5, 0.5)
        z = np.clip(z - np.clip(np.nan_to_num(step_z), -0.3, 0.3), -largest_z, largest_z)
        if max(np.abs(step_d).max(), np.abs(step_z).max()) < 1e-12:  # never where one has no step
            break
    rho = np.tanh(z)
    miss, _, _ = _slopes(thresholds, shares, d, rho)
    small = [np.minimum(share, ndtr(c) - share) * _EXACT for c, share in zip(thresholds, shares, strict=True)]
    return d, rho, (np.abs(miss[0]) < small[0]) & (np.abs(miss[1]) < small[1])


def _slopes(
    thresholds: list[np.ndarray], shares: list[np.ndarray], d: Float64[np.ndarray, " n"], rho: Float64[np.ndarray, " n"]
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Error of each form's share, and its slopes in d and atanh(rho)."""
    residual_variance = 1 - rho * rho
    miss = [both_below(c, d, rho) - share for c, share in zip(thresholds, shares, strict=True)]
    by_d = [
        np.exp(-d * d / 2) / np.sqrt(2 * np.pi) * ndtr((c - rho * d) / np.sqrt(residual_variance)) for c in thresholds
    ]
    by_z = [
        np.exp(-(c * c - 2 * rho * c * d + d * d) / (2 * residual_variance)) / (2 * np.pi) * np.sqrt(residual_variance)
        for c in thresholds
    ]
    return miss, by_d, by_z


def _searched(
    thresholds: list[np.ndarray],
    shares: list[np.ndarray],
    d: Float64[np.ndarray, " n"],
    rho: Float64[np.ndarray, " n"],
    solved: Bool[np.ndarray, " n"],
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Restart Newton's steps of unsolved cases from the closest correlation of a grid."""
    grid = np.linspace(-0.99, 0.99, 67)
    unsolved = np.flatnonzero(~solved)
    unsolved_thresholds, unsolved_shares = ([values[unsolved] for values in lists] for lists in (thresholds, shares))
    best_start, smallest_miss = np.zeros((2, len(unsolved))), np.full(len(unsolved), np.inf)
    for correlation in grid:
        rho_at_grid = np.full(len(unsolved), correlation)
        threshold = _threshold_of_share(unsolved_thresholds[1], unsolved_shares[1], rho_at_grid)
        miss = np.abs(both_below(unsolved_thresholds[0], threshold, rho_at_grid) - unsolved_shares[0])
        best_start = np.where(miss < smallest_miss, np.stack([threshold, rho_at_grid]), best_start)
        smallest_miss = np.minimum(miss, smallest_miss)
    d, rho, solved = d.copy(), rho.copy(), solved.copy()
    d[unsolved], rho[unsolved], solved[unsolved] = _newton(
        unsolved_thresholds, unsolved_shares, best_start[0], best_start[1]
    )
    return d, rho, solved


def _threshold_of_share(
    threshold: Float64[np.ndarray, " n"], share: Float64[np.ndarray, " n"], rho: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """Find the d that gives a form's observed share, by bisection."""
    low, high = np.full(len(threshold), -8.0), np.full(len(threshold), 8.0)
    for _ in range(40):
        middle = (low + high) / 2
        is_below = both_below(threshold, middle, rho) < share
        low, high = np.where(is_below, middle, low), np.where(is_below, high, middle)
    return (low + high) / 2
