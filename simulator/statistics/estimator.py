"""The estimator behind every comparison: an adjusted difference, its standard error and its degrees of freedom.

See `simulator.statistics.comparison` for what it estimates, and for the sources of its formulas. Everything here takes
samples side by side on leading axes, so that all groups left out, or all splits of an audit, are one call.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

import numpy as np
from jaxtyping import Bool

from simulator.statistics.groups import GroupMoments, Samples
from simulator.statistics.moments import ROUNDING

Adjustment: TypeAlias = Literal["none", "ratio", "sides"]
"""Covariates: none; the ratio before the test (CUPED); both its sides and whatever else there is."""
ErrorMethod: TypeAlias = Literal["delta", "leverage", "jackknife"]
"""Standard error: delta method; the same with the leverage of heavy users; by leaving out groups of users."""
Values: TypeAlias = np.ndarray | np.float64
"""Values of samples, or of one."""
_RIDGE: Final = 1e-12
"""Added to correlations of covariates, so that equal ones share a slope."""


@final
@dataclass(frozen=True)
class Estimate:
    """A difference on the scale of the metric and, where there is a lift, of its logarithm."""

    control: Values
    treatment: Values
    effect: Values
    standard_error: Values
    freedom: Values
    log_ratio: Values
    log_error: Values
    log_freedom: Values


def estimate(a: GroupMoments, b: GroupMoments, adjustment: Adjustment, error: ErrorMethod, *, log: bool) -> Estimate:
    """Point estimates and errors by one method; the logarithm's are those of the difference where `log` is not asked.

    Args:
        a: Users of control, by sample.
        b: Users of treatment, by the same samples.
        adjustment: Covariates; `ratio` wants columns 2 and 3.
        error: How the standard error is found; `leverage` takes no covariates.
        log: Adjust logarithms, and give errors of both.
    """
    if adjustment == "none":
        a, b = a.take((0, 1)), b.take((0, 1))
    whole = a.samples(), b.samples()
    ratio = _before(*whole) if adjustment == "ratio" else None
    projected = whole if ratio is None else (_projected(whole[0], ratio), _projected(whole[1], ratio))
    pair = adjusted_pair(*projected, log=log)
    if error == "jackknife":
        log_error, standard_error = _errors_by_groups(a, b, projected, ratio, log=log)
    else:
        slope = slopes(*projected, log=log)
        pieces = [
            _closed_form(arm, sample, slope, leverage=error == "leverage", log=log)
            for arm, sample in zip((a, b), projected, strict=True)
        ]
        log_error = _combined(*pieces)
        means = pair.control, pair.treatment
        squares = [(square * mean * mean, left) for (square, left), mean in zip(pieces, means, strict=True)]
        standard_error = _combined(*squares) if log else log_error
    effect = pair.treatment - pair.control
    return Estimate(pair.control, pair.treatment, effect, *standard_error, pair.apart, *log_error)


def _errors_by_groups(
    a: GroupMoments, b: GroupMoments, whole: tuple[Samples, Samples], ratio: Values | None, *, log: bool
) -> tuple[tuple[Values, Values], tuple[Values, Values]]:
    """Standard error and degrees of freedom of the logarithm and of the difference, by leaving out groups."""
    beside = whole[0].with_axis(), whole[1].with_axis()
    left = a.without_each(), b.without_each()
    if ratio is not None:
        by_group = np.asarray(ratio)[..., None]
        left = _projected(left[0], by_group), _projected(left[1], by_group)
    parts = adjusted_pair(left[0], beside[1], log=log), adjusted_pair(beside[0], left[1], log=log)
    chosen = a.left_out, b.left_out
    emptied = [
        (_emptied(each, everybody) & users).any(axis=-1)
        for each, everybody, users in zip(left, beside, chosen, strict=True)
    ]
    of_logs = [_jackknife(part.apart, groups) for part, groups in zip(parts, chosen, strict=True)]
    of_differences = [
        _jackknife(part.treatment - part.control, groups) for part, groups in zip(parts, chosen, strict=True)
    ]
    lost = emptied[0] | emptied[1]
    (log_error, log_freedom), (error, freedom) = _combined(*of_logs), _combined(*of_differences)
    return (np.where(lost, np.nan, log_error), log_freedom), (np.where(lost, np.nan, error), freedom)


def _emptied(without: Samples, whole: Samples) -> Bool[np.ndarray, "*r g"]:
    """Whether a group holds all of a side, but for rounding, so that leaving it out leaves no value."""
    gone = np.abs(without.mean[..., :2]) <= ROUNDING * np.abs(whole.mean[..., :2])
    return gone[..., 0] | gone[..., 1]


@final
@dataclass(frozen=True)
class AdjustedPair:
    """Both arms of each sample, moved to where they would be had all users begun alike.

    Attributes:
        control: The metric.
        treatment: Likewise.
        apart: Logarithm of treatment over control, or treatment minus control.
    """

    control: Values
    treatment: Values
    apart: Values


def adjusted_pair(control: Samples, treatment: Samples, *, log: bool) -> AdjustedPair:
    """Adjust both arms by their covariates, which are the columns from the third on.

    Args:
        control: Samples of control.
        treatment: Samples of treatment; leading axes are broadcast against those of control.
        log: Adjust logarithms.
    """
    before, after = (sample.mean[..., 0] / sample.mean[..., 1] for sample in (control, treatment))
    moved = _moves(control, treatment, log=log)
    if not log:
        before, after = before - moved[0], after - moved[1]
        return AdjustedPair(before, after, after - before)
    apart = np.log1p((after - before) / before) - (moved[1] - moved[0])
    return AdjustedPair(before * np.exp(-moved[0]), after * np.exp(-moved[1]), apart)


def _moves(control: Samples, treatment: Samples, *, log: bool) -> tuple[Values, Values]:
    """How far covariates move each arm: slope times the distance from the mean of both arms."""
    if control.mean.shape[-1] == 2:
        nothing = np.zeros(np.broadcast_shapes(control.n.shape, treatment.n.shape))
        return nothing, nothing
    slope = slopes(control, treatment, log=log)
    weighted = control.n[..., None] * control.mean + treatment.n[..., None] * treatment.mean
    centre = (weighted / (control.n + treatment.n)[..., None])[..., 2:]
    of_control, of_treatment = (
        (slope * (sample.mean[..., 2:] - centre)).sum(axis=-1) for sample in (control, treatment)
    )
    return of_control, of_treatment


def gradient(sample: Samples, *, log: bool) -> np.ndarray:
    """Slopes of the value in the means of both sides, shape [..., 2]."""
    above, below = sample.mean[..., 0], sample.mean[..., 1]
    unit = above if log else below
    return np.stack([1 / unit, -above / below / unit], axis=-1)


def slopes(control: Samples, treatment: Samples, *, log: bool) -> np.ndarray:
    """Of the users' influences on the covariates, pooled within arms; 0 for a covariate that does not vary."""
    if control.mean.shape[-1] == 2:
        return np.zeros((*np.broadcast_shapes(control.n.shape, treatment.n.shape), 0))
    with_influence = sum(
        (sample.scatter[..., 2:, :2] * gradient(sample, log=log)[..., None, :]).sum(axis=-1)
        for sample in (control, treatment)
    )
    products = control.scatter[..., 2:, 2:] + treatment.scatter[..., 2:, 2:]
    squares = sum(sample.n[..., None] * sample.mean[..., 2:] ** 2 for sample in (control, treatment))
    diagonal = np.diagonal(products, axis1=-2, axis2=-1)
    still = diagonal <= ROUNDING * squares
    size = np.where(still, 1.0, np.sqrt(np.where(still, 1.0, diagonal)))
    moving = ~still
    correlation = products / (size[..., :, None] * size[..., None, :]) * (moving[..., :, None] & moving[..., None, :])
    correlation = correlation + (_RIDGE + still)[..., None] * np.eye(size.shape[-1])
    return _solved(correlation, with_influence / size * moving) / size


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solutions of small positive definite systems by elimination, in one fixed order of sums on any processor."""
    k = right.shape[-1]
    matrix, right = matrix.copy(), np.array(np.broadcast_to(right, (*matrix.shape[:-2], k)))
    for i in range(k):
        for j in range(i + 1, k):
            factor = matrix[..., j, i] / matrix[..., i, i]
            matrix[..., j, :] -= factor[..., None] * matrix[..., i, :]
            right[..., j] -= factor * right[..., i]
    for i in reversed(range(k)):
        for j in range(i + 1, k):
            right[..., i] -= matrix[..., i, j] * right[..., j]
        right[..., i] /= matrix[..., i, i]
    return right


def _before(a: Samples, b: Samples) -> Values:
    """The ratio before the test over both arms."""
    above, below = (a.n * a.mean[..., i] + b.n * b.mean[..., i] for i in (2, 3))
    return above / below


def _projected(sample: Samples, ratio: Values) -> Samples:
    """Both sides before the test as one covariate, numerator less `ratio` times denominator."""
    weights = np.zeros((*np.shape(ratio), 3, sample.mean.shape[-1]))
    weights[..., 0, 0] = weights[..., 1, 1] = weights[..., 2, 2] = 1.0
    weights[..., 2, 3] = -ratio
    mean = (weights * sample.mean[..., None, :]).sum(axis=-1)
    half = (weights[..., :, None, :] * sample.scatter[..., None, :, :]).sum(axis=-1)
    return Samples(sample.n, mean, (half[..., :, None, :] * weights[..., None, :, :]).sum(axis=-1))


def _jackknife(values: Values, chosen: Bool[np.ndarray, "*r g"]) -> tuple[Values, Values]:
    """Squared error from estimates that each leave out one group of those chosen, and its degrees of freedom."""
    groups = np.asarray(chosen.sum(axis=-1), np.float64)
    mean = np.where(chosen, values, 0.0).sum(axis=-1) / groups
    squares = np.where(chosen, values - mean[..., None], 0.0) ** 2
    return (groups - 1) / groups * squares.sum(axis=-1), groups - 1


def _closed_form(
    arm: GroupMoments, sample: Samples, slope: np.ndarray, *, leverage: bool, log: bool
) -> tuple[Values, Values]:
    """Squared error of one arm's adjusted value by the delta method, and its degrees of freedom."""
    weights = np.concatenate([gradient(sample, log=log), -slope], axis=-1)
    n = sample.n
    squares = _quadratic(sample.scatter, weights) / n / n
    if not leverage:
        return squares * n / (n - 1), n - 1
    more = np.maximum(_third(arm, sample, log=log) - 2 / n * squares, 0.0)
    return squares * n / (n - 1) + more, _kish(arm, sample) - 1


def _quadratic(scatter: np.ndarray, weights: np.ndarray) -> Values:
    """The scatter of a weighted sum of columns."""
    return (scatter * weights[..., :, None] * weights[..., None, :]).sum(axis=(-2, -1))


def _third(arm: GroupMoments, sample: Samples, *, log: bool) -> Values:
    """Sum of the users' squared influences, each times twice its leverage: what leaving users out adds.

    Without user i, whose shares of both sides are u and v, the logarithm of the ratio changes by
    v - u + (v^2 - u^2) / 2 and so on, and its square is (u - v)^2 (1 + u + v); the ratio itself by (v - u) R (1 + v).
    """
    xxx, xxy, xyy, yyy = np.moveaxis(arm.cubes.sum(axis=-2), -1, 0)
    x, y = sample.n * sample.mean[..., 0], sample.n * sample.mean[..., 1]
    if log:
        terms = np.stack([xxx / x**3, -xyy / x / y / y, -xxy / x / x / y, yyy / y**3])
    else:
        value = x / y
        terms = np.stack([2 * xxy / y**3, -4 * value * xyy / y**3, 2 * value * value * yyy / y**3])
    third = terms.sum(axis=0)
    return np.where(third > ROUNDING * np.abs(terms).sum(axis=0), third, 0.0)


def _kish(arm: GroupMoments, sample: Samples) -> Values:
    """Least effective sample size of a side (Kish 1965); users, where a side has values of both signs."""
    sizes = [sample.n]
    for i in range(2):
        square, varies = sample.n * sample.mean[..., i] ** 2, sample.scatter[..., i, i]
        if arm.least[i] >= 0 or arm.greatest[i] <= 0:
            sizes.append(np.where(square > 0, sample.n * square / (varies + square), sample.n))
    return np.maximum(np.minimum.reduce(sizes), 2.0)


def _combined(a: tuple[Values, Values], b: tuple[Values, Values]) -> tuple[Values, Values]:
    """Standard error of a difference, and Welch's degrees of freedom; not a number where there is no error."""
    square = a[0] + b[0]
    parts = ((part / square) ** 2 / freedom for part, freedom in (a, b))
    return np.sqrt(np.maximum(square, 0.0)), np.where(square > 0, 1 / sum(parts), np.nan)
