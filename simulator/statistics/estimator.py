"""The estimator behind every comparison: an adjusted difference, its standard error and its degrees of freedom.

See `simulator.statistics.comparison` for the estimand and the sources of the formulas. All functions take samples on
leading axes, so one call handles all groups left out, or all splits of an audit.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

import numpy as np
from jaxtyping import Bool

from simulator.statistics.groups import GroupMoments, Samples
from simulator.statistics.moments import ROUNDING

Adjustment: TypeAlias = Literal["none", "ratio", "sides"]
"""Covariates: none; the ratio before the test (CUPED); both its sides and all further covariates."""
ErrorMethod: TypeAlias = Literal["delta", "leverage", "jackknife"]
"""Standard error: delta method; delta method with the leverage of heavy users; jackknife over groups of users."""
Values: TypeAlias = np.ndarray | np.float64
"""Values of samples, or of one."""
_RIDGE: Final = 1e-12
"""Added to correlations of covariates, so that equal ones share a slope."""


@final
@dataclass(frozen=True)
class Estimate:
    """A difference on the scale of the metric and, if there is a lift, of its logarithm."""

    control: Values
    treatment: Values
    effect: Values
    standard_error: Values
    freedom: Values
    log_ratio: Values
    log_error: Values
    log_freedom: Values


def estimate(a: GroupMoments, b: GroupMoments, adjustment: Adjustment, error: ErrorMethod, *, log: bool) -> Estimate:
    """Compute point estimates and errors by one method; without `log`, those of the logarithm equal the difference's.

    Args:
        a: Moments of control, by sample.
        b: Moments of treatment, by the same samples.
        adjustment: Covariates; `ratio` needs columns 2 and 3.
        error: Method of the standard error; `leverage` takes no covariates.
        log: Adjust logarithms, and give errors of both.
    """
    if adjustment == "none":
        a, b = a.take((0, 1)), b.take((0, 1))
    samples = a.samples(), b.samples()
    ratio = _ratio_before(*samples) if adjustment == "ratio" else None
    projected = samples if ratio is None else (_projected(samples[0], ratio), _projected(samples[1], ratio))
    pair = adjusted_pair(*projected, log=log)
    if error == "jackknife":
        log_error, standard_error = _errors_by_groups(a, b, projected, ratio, log=log)
    else:
        slope = slopes(*projected, log=log)
        arm_errors = [
            _closed_form(arm, sample, slope, leverage=error == "leverage", log=log)
            for arm, sample in zip((a, b), projected, strict=True)
        ]
        log_error = _combined(*arm_errors)
        means = pair.control, pair.treatment
        squares = [(square * mean * mean, freedom) for (square, freedom), mean in zip(arm_errors, means, strict=True)]
        standard_error = _combined(*squares) if log else log_error
    effect = pair.treatment - pair.control
    return Estimate(pair.control, pair.treatment, effect, *standard_error, pair.apart, *log_error)


def _errors_by_groups(
    a: GroupMoments, b: GroupMoments, samples: tuple[Samples, Samples], ratio: Values | None, *, log: bool
) -> tuple[tuple[Values, Values], tuple[Values, Values]]:
    """Standard error and degrees of freedom of the logarithm and of the difference, by leaving out groups."""
    whole_samples = samples[0].with_axis(), samples[1].with_axis()
    left_out_samples = a.without_each(), b.without_each()
    if ratio is not None:
        by_group = np.asarray(ratio)[..., None]
        left_out_samples = _projected(left_out_samples[0], by_group), _projected(left_out_samples[1], by_group)
    pairs = (
        adjusted_pair(left_out_samples[0], whole_samples[1], log=log),
        adjusted_pair(whole_samples[0], left_out_samples[1], log=log),
    )
    used_groups = a.left_out, b.left_out
    is_emptied = [
        (_emptied(without_group, all_users) & users).any(axis=-1)
        for without_group, all_users, users in zip(left_out_samples, whole_samples, used_groups, strict=True)
    ]
    of_logs = [_jackknife(pair.apart, groups) for pair, groups in zip(pairs, used_groups, strict=True)]
    of_differences = [
        _jackknife(pair.treatment - pair.control, groups) for pair, groups in zip(pairs, used_groups, strict=True)
    ]
    has_emptied_group = is_emptied[0] | is_emptied[1]
    (log_error, log_freedom), (error, freedom) = _combined(*of_logs), _combined(*of_differences)
    return (np.where(has_emptied_group, np.nan, log_error), log_freedom), (
        np.where(has_emptied_group, np.nan, error),
        freedom,
    )


def _emptied(without: Samples, samples: Samples) -> Bool[np.ndarray, "*r g"]:
    """Whether a group holds all of a side, up to rounding, so that there is no value without it."""
    is_near_zero = np.abs(without.mean[..., :2]) <= ROUNDING * np.abs(samples.mean[..., :2])
    return is_near_zero[..., 0] | is_near_zero[..., 1]


@final
@dataclass(frozen=True)
class AdjustedPair:
    """Adjusted metric of both arms of each sample.

    Attributes:
        control: Adjusted metric of control.
        treatment: Adjusted metric of treatment.
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
    control_value, treatment_value = (sample.mean[..., 0] / sample.mean[..., 1] for sample in (control, treatment))
    shifts = _covariate_shifts(control, treatment, log=log)
    if not log:
        control_value, treatment_value = control_value - shifts[0], treatment_value - shifts[1]
        return AdjustedPair(control_value, treatment_value, treatment_value - control_value)
    apart = np.log1p((treatment_value - control_value) / control_value) - (shifts[1] - shifts[0])
    return AdjustedPair(control_value * np.exp(-shifts[0]), treatment_value * np.exp(-shifts[1]), apart)


def _covariate_shifts(control: Samples, treatment: Samples, *, log: bool) -> tuple[Values, Values]:
    """Shift of each arm by the covariates: slope times the distance from the mean of both arms."""
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
    numerator, denominator = sample.mean[..., 0], sample.mean[..., 1]
    unit = numerator if log else denominator
    return np.stack([1 / unit, -numerator / denominator / unit], axis=-1)


def slopes(control: Samples, treatment: Samples, *, log: bool) -> np.ndarray:
    """Slopes of the users' influences on the covariates, pooled within arms; 0 for a covariate that does not vary."""
    if control.mean.shape[-1] == 2:
        return np.zeros((*np.broadcast_shapes(control.n.shape, treatment.n.shape), 0))
    with_influence = sum(
        (sample.scatter[..., 2:, :2] * gradient(sample, log=log)[..., None, :]).sum(axis=-1)
        for sample in (control, treatment)
    )
    products = control.scatter[..., 2:, 2:] + treatment.scatter[..., 2:, 2:]
    squares = sum(sample.n[..., None] * sample.mean[..., 2:] ** 2 for sample in (control, treatment))
    diagonal = np.diagonal(products, axis1=-2, axis2=-1)
    is_constant = diagonal <= ROUNDING * squares
    size = np.where(is_constant, 1.0, np.sqrt(np.where(is_constant, 1.0, diagonal)))
    varies = ~is_constant
    correlation = products / (size[..., :, None] * size[..., None, :]) * (varies[..., :, None] & varies[..., None, :])
    correlation = correlation + (_RIDGE + is_constant)[..., None] * np.eye(size.shape[-1])
    return _solved(correlation, with_influence / size * varies) / size


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solve small positive definite systems by elimination, with the same order of sums on any processor."""
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


def _ratio_before(a: Samples, b: Samples) -> Values:
    """Ratio before the test, over both arms."""
    numerator, denominator = (a.n * a.mean[..., i] + b.n * b.mean[..., i] for i in (2, 3))
    return numerator / denominator


def _projected(sample: Samples, ratio: Values) -> Samples:
    """Replace both sides before the test by one covariate, numerator less `ratio` times denominator."""
    weights = np.zeros((*np.shape(ratio), 3, sample.mean.shape[-1]))
    weights[..., 0, 0] = weights[..., 1, 1] = weights[..., 2, 2] = 1.0
    weights[..., 2, 3] = -ratio
    mean = (weights * sample.mean[..., None, :]).sum(axis=-1)
    left_product = (weights[..., :, None, :] * sample.scatter[..., None, :, :]).sum(axis=-1)
    return Samples(sample.n, mean, (left_product[..., :, None, :] * weights[..., None, :, :]).sum(axis=-1))


def _jackknife(values: Values, used_groups: Bool[np.ndarray, "*r g"]) -> tuple[Values, Values]:
    """Squared error from estimates that each leave out one group of those chosen, and its degrees of freedom."""
    groups = np.asarray(used_groups.sum(axis=-1), np.float64)
    mean = np.where(used_groups, values, 0.0).sum(axis=-1) / groups
    squares = np.where(used_groups, values - mean[..., None], 0.0) ** 2
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
    leverage_term = np.maximum(_third_moment_term(arm, sample, log=log) - 2 / n * squares, 0.0)
    return squares * n / (n - 1) + leverage_term, _kish_sample_size(arm, sample) - 1


def _quadratic(scatter: np.ndarray, weights: np.ndarray) -> Values:
    """Scatter of a weighted sum of columns."""
    return (scatter * weights[..., :, None] * weights[..., None, :]).sum(axis=(-2, -1))


def _third_moment_term(arm: GroupMoments, sample: Samples, *, log: bool) -> Values:
    """Sum of the users' squared influences, each times twice its leverage: the HC3 term.

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


def _kish_sample_size(arm: GroupMoments, sample: Samples) -> Values:
    """Smallest effective sample size of a side (Kish 1965); the number of users for a side with both signs."""
    sizes = [sample.n]
    for i in range(2):
        square, varies = sample.n * sample.mean[..., i] ** 2, sample.scatter[..., i, i]
        if arm.least[i] >= 0 or arm.greatest[i] <= 0:
            sizes.append(np.where(square > 0, sample.n * square / (varies + square), sample.n))
    return np.maximum(np.minimum.reduce(sizes), 2.0)


def _combined(a: tuple[Values, Values], b: tuple[Values, Values]) -> tuple[Values, Values]:
    """Standard error of a difference, and Welch's degrees of freedom; NaN if the error is 0."""
    square = a[0] + b[0]
    terms = ((part / square) ** 2 / freedom for part, freedom in (a, b))
    return np.sqrt(np.maximum(square, 0.0)), np.where(square > 0, 1 / sum(terms), np.nan)
