"""The estimator behind every comparison: an adjusted difference, its standard error and its degrees of freedom.

See `simulator.statistics.comparison` for what it estimates, and for the sources of its formulas. Everything here takes
samples side by side on leading axes, so that all groups left out, or all splits of an audit, are one call.
"""

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

import numpy as np

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

    control: float
    treatment: float
    effect: float
    standard_error: float
    freedom: float
    log_ratio: float = math.nan
    log_error: float = math.nan
    log_freedom: float = math.nan


def estimate(a: GroupMoments, b: GroupMoments, adjustment: Adjustment, error: ErrorMethod, *, log: bool) -> Estimate:
    """Point estimate and errors by one method."""
    whole = a.samples(), b.samples()
    ratio = _before(*whole) if adjustment == "ratio" else None

    def read(control: Samples, treatment: Samples) -> AdjustedPair:
        """The pair with the covariates of the method."""
        if ratio is not None:
            control, treatment = _projected(control, ratio), _projected(treatment, ratio)
        return adjusted_pair(control, treatment, log=log)

    pair = read(*whole)
    if error == "jackknife":
        parts = [read(a.without_each(), whole[1]), read(whole[0], b.without_each())]
        log_error, log_freedom = _combined(*(_jackknife(part.apart) for part in parts))
        standard_error, freedom = _combined(*(_jackknife(part.treatment - part.control) for part in parts))
    else:
        projected = whole if ratio is None else tuple(_projected(each, ratio) for each in whole)
        slope = slopes(*projected, log=log)
        pieces = [
            _closed_form(arm, sample, slope, leverage=error == "leverage", log=log)
            for arm, sample in zip((a, b), projected, strict=True)
        ]
        log_error, log_freedom = _combined(*pieces)
        means = float(pair.control), float(pair.treatment)
        squares = [(square * mean * mean, left) for (square, left), mean in zip(pieces, means, strict=True)]
        standard_error, freedom = _combined(*squares) if log else (log_error, log_freedom)
    control, treatment = float(pair.control), float(pair.treatment)
    in_units = (control, treatment, treatment - control, standard_error, freedom)
    return Estimate(*in_units, float(pair.apart), log_error, log_freedom) if log else Estimate(*in_units)


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


def _before(a: Samples, b: Samples) -> float:
    """The ratio before the test over both arms."""
    return float((a.n * a.mean[2] + b.n * b.mean[2]) / (a.n * a.mean[3] + b.n * b.mean[3]))


def _projected(sample: Samples, ratio: float) -> Samples:
    """Both sides before the test as one covariate, numerator less `ratio` times denominator."""
    weights = np.array([1.0, -ratio])
    mean = np.append(sample.mean[:2], (weights * sample.mean[2:4]).sum())
    crossed = (sample.scatter[:2, 2:4] * weights).sum(axis=1)
    scatter = np.zeros((3, 3))
    scatter[:2, :2] = sample.scatter[:2, :2]
    scatter[2, :2] = scatter[:2, 2] = crossed
    scatter[2, 2] = (sample.scatter[2:4, 2:4] * weights[:, None] * weights).sum()
    return Samples(sample.n, mean, scatter)


def _jackknife(values: Values) -> tuple[float, float]:
    """Squared error from estimates that each leave out one group, and its degrees of freedom."""
    groups = values.size
    return float((groups - 1) / groups * ((values - values.mean()) ** 2).sum()), groups - 1.0


def _closed_form(
    arm: GroupMoments, sample: Samples, slope: np.ndarray, *, leverage: bool, log: bool
) -> tuple[float, float]:
    """Squared error of one arm's adjusted value by the delta method, and its degrees of freedom."""
    weights = np.concatenate([gradient(sample, log=log), -slope])
    n = float(sample.n)
    squares = float((sample.scatter * weights[:, None] * weights).sum()) / n / n
    if not leverage:
        return squares * n / (n - 1), n - 1
    return squares * n / (n - 1) + max(_third(arm, sample, log=log) - 2 / n * squares, 0.0), _kish(arm, sample) - 1


def _third(arm: GroupMoments, sample: Samples, *, log: bool) -> float:
    """Sum of the users' squared influences, each times twice its leverage: what leaving users out adds.

    Without user i, whose shares of both sides are u and v, the logarithm of the ratio changes by
    v - u + (v^2 - u^2) / 2 and so on, and its square is (u - v)^2 (1 + u + v); the ratio itself by (v - u) R (1 + v).
    """
    xxx, xxy, xyy, yyy = (float(total) for total in arm.cubes.sum(axis=0))
    x, y = (float(sample.n * mean) for mean in sample.mean[:2])
    if log:
        terms = (xxx / x**3, -xyy / x / y / y, -xxy / x / x / y, yyy / y**3)
    else:
        value = x / y
        terms = (2 * xxy / y**3, -4 * value * xyy / y**3, 2 * value * value * yyy / y**3)
    third = sum(terms)
    return third if third > ROUNDING * sum(map(abs, terms)) else 0.0


def _kish(arm: GroupMoments, sample: Samples) -> float:
    """Least effective sample size of a side (Kish 1965); users, where a side has values of both signs."""
    n = float(sample.n)
    sizes = [n]
    for i in range(2):
        mean, varies = float(sample.mean[i]), float(sample.scatter[i, i])
        if mean and (arm.least[i] >= 0 or arm.greatest[i] <= 0):
            sizes.append(n * n * mean * mean / (varies + n * mean * mean))
    return max(min(sizes), 2.0)


def _combined(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    """Standard error of a difference, and Welch's degrees of freedom."""
    square = a[0] + b[0]
    if not square > 0:
        return math.sqrt(max(square, 0.0)), math.nan
    return math.sqrt(square), 1 / sum((part / square) ** 2 / freedom for part, freedom in (a, b))
