"""The satisfied share from two ways of asking, by a probit of answering and saying that may hang together.

Whoever is asked answers if U < c, with another c for each form of the questionnaire, and would say `satisfied` if
V < d; U and V are standard normal with correlation rho, whatever the form. Answer rates give both c. The share that
answers and says `satisfied`, Phi2(c, d; rho), at two forms gives d and rho, so that the model is just identified: it
fits exactly or not at all. Phi(d) is the share that would be said if all answered. As a model of selection: Heckman,
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
"""Correlation beyond which there is said to be no solution."""
_STEPS: Final = 60
_EXACT: Final = 1e-7
"""Largest error of a share at a solution, relative to the part of the asked who said so or otherwise."""


@final
@dataclass(frozen=True)
class TwoForms:
    """Shares of the asked, of the plain form and of the strong one.

    Attributes:
        answered: Who answered.
        satisfied: Who answered, and `satisfied`.
    """

    answered: tuple[Float64[np.ndarray, "*b"], Float64[np.ndarray, "*b"]]
    satisfied: tuple[Float64[np.ndarray, "*b"], Float64[np.ndarray, "*b"]]


@final
@dataclass(frozen=True)
class ProbitFit:
    """The share that would say `satisfied`, and how answering and saying hang together; NaN without a solution."""

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

    NaN where somebody of a form does not answer or say both ways, where both forms are answered equally often, or
    where no correlation up to .995 explains what was said.
    """
    shape = forms.answered[0].shape
    answered, satisfied = (
        tuple(np.ravel(np.asarray(side, np.float64)) for side in sides) for sides in (forms.answered, forms.satisfied)
    )
    share, correlation = np.full(answered[0].shape, np.nan), np.full(answered[0].shape, np.nan)
    solvable = answered[0] != answered[1]
    for rate, said in zip(answered, satisfied, strict=True):
        solvable &= (rate > 0) & (rate < 1) & (said > 0) & (said < rate)
    if solvable.any():
        cuts = [ndtri(rate[solvable]) for rate in answered]
        shares = [said[solvable] for said in satisfied]
        start = ndtri(shares[1] / answered[1][solvable])
        d, rho, solved = _newton(cuts, shares, start, np.zeros(len(start)))
        if not solved.all():
            d, rho, solved = _searched(cuts, shares, d, rho, solved)
        share[solvable] = np.where(solved, ndtr(d), np.nan)
        correlation[solvable] = np.where(solved, rho, np.nan)
    return ProbitFit(share.reshape(shape), correlation.reshape(shape))


def _newton(
    cuts: list[np.ndarray], shares: list[np.ndarray], d: Float64[np.ndarray, " n"], rho: Float64[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """Newton steps of limited length in d and atanh(rho); says which end at a solution."""
    z = np.arctanh(rho)
    most = np.arctanh(_MOST)
    for _ in range(_STEPS):
        rho = np.tanh(z)
        miss, by_d, by_z = _slopes(cuts, shares, d, rho)
        determinant = by_d[0] * by_z[1] - by_d[1] * by_z[0]
        determinant = np.where(np.abs(determinant) < 1e-14, np.nan, determinant)
        step_d = (miss[0] * by_z[1] - miss[1] * by_z[0]) / determinant
        step_z = (by_d[0] * miss[1] - by_d[1] * miss[0]) / determinant
        d = d - np.clip(np.nan_to_num(step_d), -0.5, 0.5)
        z = np.clip(z - np.clip(np.nan_to_num(step_z), -0.3, 0.3), -most, most)
        if max(np.abs(step_d).max(), np.abs(step_z).max()) < 1e-12:  # never where one has no step
            break
    rho = np.tanh(z)
    miss, _, _ = _slopes(cuts, shares, d, rho)
    small = [np.minimum(share, ndtr(c) - share) * _EXACT for c, share in zip(cuts, shares, strict=True)]
    return d, rho, (np.abs(miss[0]) < small[0]) & (np.abs(miss[1]) < small[1])


def _slopes(
    cuts: list[np.ndarray], shares: list[np.ndarray], d: Float64[np.ndarray, " n"], rho: Float64[np.ndarray, " n"]
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """By how much each form's share is missed, and its slopes in d and atanh(rho)."""
    left = 1 - rho * rho
    miss = [both_below(c, d, rho) - share for c, share in zip(cuts, shares, strict=True)]
    by_d = [np.exp(-d * d / 2) / np.sqrt(2 * np.pi) * ndtr((c - rho * d) / np.sqrt(left)) for c in cuts]
    by_z = [np.exp(-(c * c - 2 * rho * c * d + d * d) / (2 * left)) / (2 * np.pi) * np.sqrt(left) for c in cuts]
    return miss, by_d, by_z


def _searched(
    cuts: list[np.ndarray],
    shares: list[np.ndarray],
    d: Float64[np.ndarray, " n"],
    rho: Float64[np.ndarray, " n"],
    solved: Bool[np.ndarray, " n"],
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """What Newton's steps did not solve, begun anew from the correlation that comes closest of a grid."""
    grid = np.linspace(-0.99, 0.99, 67)
    left = np.flatnonzero(~solved)
    some_cuts, some_shares = ([side[left] for side in sides] for sides in (cuts, shares))
    best, nearest = np.zeros((2, len(left))), np.full(len(left), np.inf)
    for correlation in grid:
        at = np.full(len(left), correlation)
        cut = _cut_of_share(some_cuts[1], some_shares[1], at)
        miss = np.abs(both_below(some_cuts[0], cut, at) - some_shares[0])
        best = np.where(miss < nearest, np.stack([cut, at]), best)
        nearest = np.minimum(miss, nearest)
    d, rho, solved = d.copy(), rho.copy(), solved.copy()
    d[left], rho[left], solved[left] = _newton(some_cuts, some_shares, best[0], best[1])
    return d, rho, solved


def _cut_of_share(
    cut: Float64[np.ndarray, " n"], share: Float64[np.ndarray, " n"], rho: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, " n"]:
    """The d at which a form's share is as seen, by bisection."""
    low, high = np.full(len(cut), -8.0), np.full(len(cut), 8.0)
    for _ in range(40):
        middle = (low + high) / 2
        under = both_below(cut, middle, rho) < share
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    return (low + high) / 2
