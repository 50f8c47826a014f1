"""Compare two arms in one metric: one estimator for every metric, with and without adjustment by the pre-period.

A metric is a ratio of means R over users. Its logarithm (or R itself, where control is near 0 or the arms differ in
sign) is adjusted linearly by covariates: both sides of the metric before the test, numerator and denominator apart. The
slope regresses the users' influences on the covariates, pooled within arms; covariates are centred over both arms
(Deng, Xu, Kohavi and Walker, WSDM 2013; Deng, Knoblich and Lu, KDD 2018, https://arxiv.org/abs/1803.06336).

Errors: with covariates by leaving out each hash group of users in turn, slopes included (delete-a-group jackknife,
`simulator.statistics.groups`), against Student's t with Welch's degrees of freedom. Without covariates by the delta
method with the leverage of heavy users in it (MacKinnon and White's HC3, Journal of Econometrics 29, 1985, page 305, to
third moments of the sides) against t with degrees of freedom of Kish's effective sample size (Survey Sampling, 1965).
Interval and p-value are always on one scale. Two older methods are options for comparison: CUPED with one covariate
(the ratio before the test), and the plain delta method.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, final

import numpy as np
from jaxtyping import Bool
from scipy.stats import norm, t

from simulator.metrics import Ratio
from simulator.statistics.estimator import Adjustment, ErrorMethod, Estimate, Values, estimate, gradient, slopes
from simulator.statistics.groups import GroupMoments, Samples
from simulator.statistics.moments import ROUNDING

CONFIDENCE: Final = 0.95
NEAR_ZERO: Final = 1.96
"""Standard errors from 0 within which a control mean gives no lift."""
FEWEST: Final = 20
"""Users of an arm per covariate below which slopes are not fitted: their error would not be in the interval."""
_LARGEST: Final = 1e15
"""Largest lift that is reported."""
_DIGITS: Final = 14
"""Number of equal digits from which values vary by rounding only."""
_BEYOND: Final = "control or treatment is too near 0, or too large beside what varies, to divide by"


@final
@dataclass(frozen=True)
class ArmSample:
    """Users of one arm, for one metric.

    Attributes:
        arm: Name of the arm.
        test: Both sides of the metric during the test.
        before: Both sides before the test, or None if they are not known.
    """

    arm: str
    test: Ratio
    before: Ratio | None


@final
@dataclass(frozen=True)
class Difference:
    """Treatment minus control by one method, with intervals; a field is None if `reasons` says why.

    Attributes:
        adjusted_control: Mean of control, adjusted by the covariates of the method.
        adjusted_treatment: Mean of treatment, adjusted likewise.
        effect: Treatment minus control.
        effect_low: Lower end of its interval.
        effect_high: Upper end of its interval.
        standard_error: Standard error of `effect`.
        relative_effect: The difference over the size of control.
        ci_low: Lower end of the interval of the lift.
        ci_high: Upper end of the interval of the lift.
        log_standard_error: Standard error of the logarithm of the ratio of treatment to control.
        freedom: Degrees of freedom of Student's t, for the logarithm; for `effect` if there is no lift.
        p_value: Two-sided p-value of no difference, on the scale of the lift's interval; of `effect` without a lift.
        reasons: Reason why a field is None, by the name of the field.
    """

    adjusted_control: float | None = None
    adjusted_treatment: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    standard_error: float | None = None
    relative_effect: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    log_standard_error: float | None = None
    freedom: float | None = None
    p_value: float | None = None
    reasons: dict[str, str] = field(default_factory=dict[str, str])


@final
@dataclass(frozen=True)
class Comparison:
    """Every estimate of one difference.

    Attributes:
        plain: Estimate without covariates.
        cuped: Estimate with the ratio before the test as one covariate, by the delta method; None without a pre-period.
        adjusted: Estimate with both sides before the test, by the jackknife; None if `not_adjusted` says why.
        not_adjusted: Reason why there is no adjustment; empty otherwise.
    """

    plain: Difference
    cuped: Difference | None
    adjusted: Difference | None
    not_adjusted: str = ""

    @property
    def main(self) -> Difference:
        """The main estimate: adjusted if there is one, else plain."""
        return self.adjusted or self.plain


_VALUES: Final[tuple[str, ...]] = ("adjusted_control", "adjusted_treatment", "effect")
_ERRORS: Final[tuple[str, ...]] = ("effect_low", "effect_high", "standard_error", "freedom", "p_value")
_LIFT: Final[tuple[str, ...]] = ("ci_low", "ci_high", "log_standard_error")


def compare(
    control: str,
    a: GroupMoments,
    treatment: str,
    b: GroupMoments,
    confidence: float = CONFIDENCE,
    error: ErrorMethod = "leverage",
) -> Comparison:
    """Estimate the difference of two arms of independent users by every method.

    Args:
        control: Name of the control arm.
        a: Moments of control: numerator, denominator, then covariates, of which the first two are the metric before the
            test.
        treatment: Name of the treatment arm.
        b: Moments of treatment, with the same columns.
        confidence: Confidence of all intervals, between 0 and 1.
        error: Method of the standard error without covariates.
    """
    fault = _value_fault(control, a) or _value_fault(treatment, b)
    if fault:
        return Comparison(_without_values(fault), None, None, fault)
    with np.errstate(all="ignore"):
        fault = _constant_fault(a.samples(), b.samples())
        if fault:
            return Comparison(_without_errors(a, b, fault), None, None, fault)
        plain = difference(a, b, "none", error, confidence)
        fault = _covariate_fault(a, b)
        if fault:
            return Comparison(plain, None, None, fault)
        cuped = difference(a, b, "ratio", "delta", confidence)
        adjusted = difference(a, b, "sides", "jackknife", confidence)
        if adjusted.standard_error is None:
            return Comparison(plain, cuped, None, "without one group of users a side of the metric is 0")
        return Comparison(plain, cuped, adjusted)


def difference(
    a: GroupMoments, b: GroupMoments, adjustment: Adjustment, error: ErrorMethod, confidence: float = CONFIDENCE
) -> Difference:
    """Treatment minus control by one method; see the module.

    Args:
        a: Moments of control, whose metric has a value.
        b: Moments of treatment, whose metric has a value.
        adjustment: Covariates; `ratio` needs columns 2 and 3.
        error: Method of the standard error; `leverage` takes no covariates.
        confidence: Confidence of the intervals.
    """
    with np.errstate(all="ignore"):
        fault = _lift_fault(a.samples(), b.samples())
        result = estimate(a, b, adjustment, error, log=not fault)
    if not np.isfinite([result.standard_error, result.freedom]).all() or result.standard_error <= 0:
        return _without_values(_BEYOND)
    half_width = t.isf((1 - confidence) / 2, result.freedom) * result.standard_error
    values: dict[str, Values] = {
        "adjusted_control": result.control,
        "adjusted_treatment": result.treatment,
        "effect": result.effect,
        "effect_low": result.effect - half_width,
        "effect_high": result.effect + half_width,
        "standard_error": result.standard_error,
        "freedom": result.freedom,
        "p_value": 2 * t.sf(np.abs(result.effect) / result.standard_error, result.freedom),
    }
    if fault:
        return _finite(values, dict.fromkeys(("relative_effect", *_LIFT), fault))
    return _finite(values | _lift(result, confidence), {})


def _lift(result: Estimate, confidence: float) -> dict[str, Values]:
    """Lift over the size of control, its interval and its p-value, all from the logarithm."""
    low, high = lift_ends(result, confidence)
    return {
        "relative_effect": np.copysign(1.0, result.control) * np.expm1(result.log_ratio),
        "ci_low": low,
        "ci_high": high,
        "log_standard_error": result.log_error,
        "freedom": result.log_freedom,
        "p_value": lift_p_value(result),
    }


def lift_ends(result: Estimate, confidence: float = CONFIDENCE) -> tuple[Values, Values]:
    """Both ends of the interval of the lift over the size of control."""
    half_width = t.isf((1 - confidence) / 2, result.log_freedom) * result.log_error
    sign = np.copysign(1.0, result.control)
    ends = sign * np.expm1(result.log_ratio - half_width), sign * np.expm1(result.log_ratio + half_width)
    return np.minimum(*ends), np.maximum(*ends)


def lift_p_value(result: Estimate) -> Values:
    """Two-sided p-value of no lift."""
    return 2 * t.sf(np.abs(result.log_ratio) / result.log_error, result.log_freedom)


def critical_value(bound: float, freedom: float) -> float:
    """Quantile of Student's t that is exceeded with the same probability as `bound` by a normal variable."""
    return float(t.isf(norm.sf(bound), freedom)) if math.isfinite(bound) else math.inf


def _value_fault(arm: str, moments: GroupMoments) -> str:
    """Reason why an arm has no value or no variance; empty if it has both."""
    users = int(moments.n.sum())
    if users < 2:
        return f"{arm} has {users} users, want at least 2"
    return "" if float(moments.total[:, 1].sum()) else f"{arm} has a denominator of 0"


def _constant_fault(a: Samples, b: Samples) -> str:
    """Reason why the metric has no variance; empty if it has some."""
    if _is_constant(a) and _is_constant(b):
        return f"every user of both buckets has the same value, to {_DIGITS} digits, so chance cannot be told"
    if sum(_square(sample) for sample in (a, b)) <= ROUNDING * sum(_sides_square(sample) for sample in (a, b)):
        return "what varies is no more than rounding, so chance cannot be told"
    return ""


def _is_constant(sample: Samples) -> bool:
    """Whether the metric has no variance, up to rounding of the values and of the sums."""
    value = float(sample.mean[0] / sample.mean[1])
    per_user = float(sample.n) * (10.0**-_DIGITS * value) ** 2
    return bool(_square(sample) * float(sample.n) <= ROUNDING * _sides_square(sample) * float(sample.n) + per_user)


def _square(sample: Samples) -> Values:
    """Squared standard error of the metric."""
    weights = gradient(sample, log=False)
    sides = sample.scatter[..., :2, :2]
    return (sides * weights[..., :, None] * weights[..., None, :]).sum(axis=(-2, -1)) / sample.n**2


def standard_errors_from_zero(sample: Samples) -> Values:
    """Distance of the metric from 0 in standard errors of the delta method; infinite without an error."""
    error = np.sqrt(np.maximum(_square(sample), 0.0) * sample.n / (sample.n - 1))
    value = np.abs(sample.mean[..., 0] / sample.mean[..., 1])
    return np.where(error > 0, value / error, np.where(value > 0, np.inf, 0.0))


def _sides_square(sample: Samples) -> float:
    """Squared error of the metric if its sides were independent, the scale for rounding errors."""
    weights = gradient(sample, log=False)
    return float((np.diagonal(sample.scatter)[:2] * weights**2).sum()) / float(sample.n) ** 2


def _covariate_fault(a: GroupMoments, b: GroupMoments) -> str:
    """Reason why the time before the test cannot be a covariate; empty if it can."""
    columns = a.total.shape[1] - 2
    if columns < 2 or b.total.shape[1] - 2 != columns:
        return "nothing known from before the test"
    if min(a.n.sum(), b.n.sum()) < FEWEST * columns:
        return f"{columns} covariates want {FEWEST * columns} users in each arm"
    control, treatment = a.samples(), b.samples()
    if not float(control.n * control.mean[3] + treatment.n * treatment.mean[3]):
        return "the denominator before the test is 0"
    slope = slopes(control, treatment, log=False)
    if not slope.any():
        return "every user has the same value before the test"
    is_exact = sum(_is_explained(sample, slope) for sample in (control, treatment))
    return "the time before the test foretells it exactly" if is_exact else ""


def _is_explained(sample: Samples, slope: np.ndarray) -> bool:
    """Whether the residual variance of an arm after adjustment is only rounding."""
    weights = np.concatenate([gradient(sample, log=False), -slope])
    residual = float((sample.scatter * weights[:, None] * weights).sum())
    return residual <= ROUNDING * float((np.diagonal(sample.scatter) * weights**2).sum())


def _lift_fault(a: Samples, b: Samples) -> str:
    """Reason why there is no lift; empty if there is one."""
    distance = float(standard_errors_from_zero(a))
    if distance <= NEAR_ZERO:
        return f"control is too near 0 for a lift{f', {distance:.2g} standard errors from it' if distance else ''}"
    if not same_sign(a, b):
        return "treatment is 0 or has another sign than control: no interval of a lift"
    return ""


def same_sign(a: Samples, b: Samples) -> Bool[np.ndarray, "*r"] | np.bool:
    """Whether the metric has the same sign in both arms."""
    control, treatment = (sample.mean[..., 0] / sample.mean[..., 1] for sample in (a, b))
    return control * treatment > 0


def _finite(values: Mapping[str, Values | float], reasons: dict[str, str]) -> Difference:
    """Make a difference from the finite values, with a reason for each other field."""
    finite = {
        name: float(value) for name, value in values.items() if math.isfinite(value) and not _is_beyond(name, value)
    }
    missing = [name for name in values if name not in finite]
    return Difference(**finite, reasons=dict.fromkeys(missing, "too large or too small beside its rounding") | reasons)


def _is_beyond(name: str, value: Values | float) -> bool:
    """Whether a lift or an end of its interval is too large to be reported."""
    return name in ("relative_effect", "ci_low", "ci_high") and abs(float(value)) > _LARGEST


def _without_values(reason: str) -> Difference:
    """Difference without any values."""
    return Difference(reasons=dict.fromkeys((*_VALUES, *_ERRORS, "relative_effect", *_LIFT), reason))


def _without_errors(a: GroupMoments, b: GroupMoments, reason: str) -> Difference:
    """Difference of two constants, without an interval."""
    control, treatment = (float(arm.total[:, 0].sum() / arm.total[:, 1].sum()) for arm in (a, b))
    values = {"adjusted_control": control, "adjusted_treatment": treatment, "effect": treatment - control}
    reasons: dict[str, str] = dict.fromkeys((*_ERRORS, *_LIFT), reason)
    if control == 0:
        return _finite(values, reasons | {"relative_effect": "control is 0"})
    return _finite(values | {"relative_effect": (treatment - control) / abs(control)}, reasons)
