"""How two buckets differ in one metric, plain and with CUPED, and when not to say.

tea-tasting does the arithmetic: Welch's test on the ratio linearised by the delta method (Deng, Knoblich and Lu,
KDD 2018, https://arxiv.org/abs/1803.06336), CUPED with the pre-period ratio over pre-period denominators (Deng, Xu,
Kohavi and Walker, WSDM 2013,
https://exp-platform.com/Documents/2013-02-CUPED-ImprovingSensitivityOfControlledExperiments.pdf), and the interval of
the lift on a log scale. It is given moments instead of rows, so every sum has one fixed order.

A lift has a p-value on the log scale, which tea-tasting does not give: where buckets differ much in size, a test of the
difference can reject what the interval of the lift holds. A lift is relative to the size of control, so that a metric
below zero which rises has a lift above 0.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, final

from scipy.stats import t
from tea_tasting.aggr import Aggregates
from tea_tasting.metrics.mean import MeanResult, RatioOfMeans

from simulator.metrics import Ratio
from simulator.statistics.moments import ROUNDING, Moments, aggregates, bucket_spread, ratio_of

CONFIDENCE: Final = 0.95
NEAR_ZERO: Final = 1.96
"""A control mean within so many of its standard errors from 0 gives no lift."""
LOOSE: Final = 0.1
"""Relative standard error of a pre-period denominator above which its ratio is no covariate: linearising it would
bias the adjusted mean by more than about 1%."""
_DIGITS: Final = 14
"""Values that are the same to so many digits vary by rounding only."""
_BEYOND: Final = "control or treatment is too near 0, or too large beside what varies, to divide by"
_SIDES: Final = ("numerator", "denominator")


@cache
def ratio_of_means(*, cuped: bool, confidence: float = CONFIDENCE, normal: bool = False) -> RatioOfMeans:
    """tea-tasting's test; `normal` takes the quantiles of the normal distribution for those of Student's t."""
    covariates = ("pre_numerator", "pre_denominator") if cuped else (None, None)
    return RatioOfMeans(
        *_SIDES,
        *covariates,
        alternative="two-sided",
        confidence_level=confidence,
        equal_var=False,
        use_t=not normal,
    )


PLAIN: Final = ratio_of_means(cuped=False)
CUPED: Final = ratio_of_means(cuped=True)
PLAIN_NORMAL: Final = ratio_of_means(cuped=False, normal=True)
"""As `PLAIN` with the quantiles of the normal distribution, from which standard errors are read off."""
CUPED_NORMAL: Final = ratio_of_means(cuped=True, normal=True)
_MEANS: Final = ("adjusted_control", "adjusted_treatment")
_LIFT: Final = ("relative_effect", "ci_low", "ci_high", "lift_p_value", "log_error")
_TEST: Final = ("effect_low", "effect_high", "p_value", *_LIFT[1:])


@final
@dataclass(frozen=True)
class ArmSample:
    """One arm's users and what they did, for one metric.

    Attributes:
        arm: Their arm.
        test: During the test.
        before: The same before the test, or None where that is not known.
    """

    arm: str
    test: Ratio
    before: Ratio | None


@final
@dataclass(frozen=True)
class Difference:
    """Treatment minus control by one method, with 95% intervals; None where there is a reason not to say.

    Attributes:
        adjusted_control: Mean of the control bucket, moved by CUPED where that is the method.
        adjusted_treatment: The same of the treatment bucket.
        p_value: Of no difference, on the scale of `effect`.
        relative_effect: The difference over the size of control.
        lift_p_value: The same on the scale of the lift's interval.
        log_error: Standard error of the logarithm of the ratio of treatment to control.
        reasons: Why a field is None, by its name.
    """

    adjusted_control: float | None = None
    adjusted_treatment: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    p_value: float | None = None
    relative_effect: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    lift_p_value: float | None = None
    log_error: float | None = None
    reasons: dict[str, str] = field(default_factory=dict[str, str])


@final
@dataclass(frozen=True)
class Comparison:
    """Both estimates of one difference.

    Attributes:
        plain: Without CUPED.
        cuped: With it, or None.
        no_cuped: Why there is none; empty otherwise.
    """

    plain: Difference
    cuped: Difference | None
    no_cuped: str = ""


def compare(control: ArmSample, treatment: ArmSample) -> Comparison:
    """Estimate the difference of two buckets of independent users."""
    a, b = (bucket_spread(bucket.test, bucket.before) for bucket in (control, treatment))
    return compare_spreads(control.arm, a, treatment.arm, b)


def compare_spreads(control: str, a: Moments, treatment: str, b: Moments, confidence: float = CONFIDENCE) -> Comparison:
    """`compare` of buckets by their names and spreads, with intervals that hold in so many cases of 1."""
    fault = _value_fault(control, a) or _value_fault(treatment, b)
    if fault:
        return Comparison(unsaid(fault), None, fault)
    try:
        return _compared(a, b, confidence)
    except (ArithmeticError, ValueError):
        return Comparison(unsaid(_BEYOND), None, _BEYOND)


def _compared(a: Moments, b: Moments, confidence: float) -> Comparison:
    """`compare_spreads` of buckets that have a value."""
    known = len(a.total) == len(b.total) == 4
    mine, theirs = (aggregates(spread if known else spread.take((0, 1))) for spread in (a, b))
    fault = _still_fault(mine, theirs)
    if fault:
        return Comparison(_untested(mine, theirs, fault), None, fault)
    fault = _covariate_fault(mine, theirs) if known else "nothing known from before the test"
    cuped = None if fault else difference_of(ratio_of_means(cuped=True, confidence=confidence), mine, theirs)
    plain = difference_of(ratio_of_means(cuped=False, confidence=confidence), mine, theirs)
    return Comparison(plain, cuped, fault)


def _value_fault(arm: str, spread: Moments) -> str:
    """Why a bucket has no value or no variance; empty if it has both."""
    if spread.n < 2:
        return f"{arm} has {spread.n} users, want at least 2"
    return f"{arm} has a denominator of 0" if ratio_of(spread) is None else ""


def _still_fault(a: Aggregates, b: Aggregates) -> str:
    """Why there is no variance to tell chance by; empty if there is some."""
    if _is_still(a) and _is_still(b):
        return f"every user of both buckets has the same value, to {_DIGITS} digits, so chance cannot be told"
    if _is_rounding(a, b, 0.0):
        return "what varies is no more than rounding, so chance cannot be told"
    return ""


def _is_rounding(a: Aggregates, b: Aggregates, slope: float) -> bool:
    """Whether the squared error of the difference, adjusted by a slope, is no more than rounding."""
    left, sides = (sum(of(bucket, slope) / bucket.count() for bucket in (a, b)) for of in (_left_over, _rounded_from))
    return left <= ROUNDING * sides


def _covariate_fault(a: Aggregates, b: Aggregates) -> str:
    """Why the time before the test cannot be a covariate; empty if it can."""
    if _is_loose(a) or _is_loose(b):
        return "the denominator before the test rests on too few users"
    total = a + b
    if _is_still(total, "pre_"):
        return "every user has the same value before the test"
    return "the time before the test foretells it exactly" if _is_rounding(a, b, _slope(total)) else ""


def difference_of(test: RatioOfMeans, a: Aggregates, b: Aggregates) -> Difference:
    """What one method says, with the lift withheld where control is near 0."""
    try:
        return _told(test, a, b)
    except (ArithmeticError, ValueError):  # beyond what a number can hold, or the root of what was rounded below 0
        return unsaid(_BEYOND)


def _told(test: RatioOfMeans, a: Aggregates, b: Aggregates) -> Difference:
    """`difference_of` where the numbers bear it."""
    result = test.analyze_aggregates(a, b)
    fault = _lift_fault(a, result)
    told = {
        "adjusted_control": float(result.control),
        "adjusted_treatment": float(result.treatment),
        "effect": float(result.effect_size),
        "effect_low": float(result.effect_size_ci_lower),
        "effect_high": float(result.effect_size_ci_upper),
        "p_value": float(result.pvalue),
        **({} if fault else _lift(test, a, b, result)),
    }
    return _finite(told, _each(_LIFT, fault) if fault else {})


def _lift(test: RatioOfMeans, a: Aggregates, b: Aggregates, result: MeanResult) -> dict[str, float]:
    """The lift over the size of control, its interval and its p-value, all on the log scale."""
    ends = (float(result.rel_effect_size_ci_lower), float(result.rel_effect_size_ci_upper))
    lift, (low, high) = float(result.rel_effect_size), ends
    if result.control < 0:
        lift, low, high = -lift, -high, -low
    slope = _slope(a + b) if test.numer_covariate is not None else 0.0
    means = (float(result.control), float(result.treatment))
    parts = [
        max(_left_over(bucket, slope), 0.0) / mean / mean / bucket.count()
        for bucket, mean in zip((a, b), means, strict=True)
    ]
    freedom = _freedom(parts, (a.count(), b.count())) if test.use_t else math.inf
    error = math.sqrt(sum(parts))
    p_value = float(2 * t.sf(abs(math.log(means[1] / means[0])) / error, freedom))
    return {"relative_effect": lift, "ci_low": low, "ci_high": high, "lift_p_value": p_value, "log_error": error}


def _freedom(parts: list[float], n: tuple[int, int]) -> float:
    """Welch's degrees of freedom of a sum of variances of means."""
    shares = [part / sum(parts) for part in parts]
    return 1 / sum(share**2 / (users - 1) for share, users in zip(shares, n, strict=True))


def _lift_fault(a: Aggregates, result: MeanResult) -> str:
    """Why no lift is given; empty if one is."""
    mean = a.mean("numerator") / a.mean("denominator")
    error = math.sqrt(max(a.ratio_var(*_SIDES), 0.0) / a.count())
    if abs(mean) <= NEAR_ZERO * error or result.control * mean <= 0:
        away = f", {abs(mean) / error:.2g} standard errors from it" if error else ""
        return f"control is too near 0 for a lift{away}"
    if result.treatment * result.control <= 0:
        return "treatment is 0 or has another sign than control: no interval of a lift"
    return ""


def _finite(told: Mapping[str, float], reasons: dict[str, str]) -> Difference:
    """A difference without what is no number, each such field with a reason."""
    finite = {name: value for name, value in told.items() if math.isfinite(value)}
    missing = tuple(name for name in told if name not in finite)
    return Difference(**finite, reasons=_each(missing, "too large or too small beside its rounding") | reasons)


def unsaid(reason: str) -> Difference:
    """Nothing can be said."""
    return Difference(reasons=_each((*_MEANS, "effect", "relative_effect", *_TEST), reason))


def _each(fields: tuple[str, ...], reason: str) -> dict[str, str]:
    """The same reason for each field."""
    return dict.fromkeys(fields, reason)


def _untested(a: Aggregates, b: Aggregates, reason: str) -> Difference:
    """Two constants: a difference without an interval."""
    control, treatment = (float(each.mean("numerator") / each.mean("denominator")) for each in (a, b))
    told = {"adjusted_control": control, "adjusted_treatment": treatment, "effect": treatment - control}
    reasons = _each(_TEST, reason)
    if control == 0:
        return _finite(told, reasons | {"relative_effect": "control is 0"})
    return _finite(told | {"relative_effect": (treatment - control) / abs(control)}, reasons)


def _is_still(a: Aggregates, prefix: str = "") -> bool:
    """Whether the metric has no variance, up to rounding of the values and of the sums."""
    names = [prefix + side for side in _SIDES]
    value = a.mean(names[0]) / a.mean(names[1])
    return a.ratio_var(*names) <= ROUNDING * _sides_variance(a, prefix) + (10.0**-_DIGITS * value) ** 2


def _sides_variance(a: Aggregates, prefix: str) -> float:
    """Variance of the metric were its sides independent: what rounding is measured by."""
    above, below = (prefix + side for side in _SIDES)
    value = a.mean(above) / a.mean(below)
    return (a.var(above) + value**2 * a.var(below)) / a.mean(below) ** 2


def _is_loose(a: Aggregates) -> bool:
    """Whether the pre-period denominator's mean is not known to within `LOOSE`."""
    error = math.sqrt(a.var("pre_denominator") / a.count())
    return a.mean("pre_denominator") <= 0 or error > LOOSE * a.mean("pre_denominator")


def _slope(total: Aggregates) -> float:
    """Of the metric on itself before the test, over both buckets."""
    before = ("pre_numerator", "pre_denominator")
    return total.ratio_cov(*_SIDES, *before) / total.ratio_var(*before)


def _left_over(a: Aggregates, slope: float) -> float:
    """Variance of one bucket's metric less `slope` times itself before the test."""
    if not slope:
        return float(a.ratio_var(*_SIDES))
    before = ("pre_numerator", "pre_denominator")
    shared = a.ratio_cov(*_SIDES, *before)
    return float(a.ratio_var(*_SIDES) + slope * slope * a.ratio_var(*before) - 2 * slope * shared)


def _rounded_from(a: Aggregates, slope: float) -> float:
    """What rounding of `_left_over` is measured by."""
    return _sides_variance(a, "") + (slope * slope * _sides_variance(a, "pre_") if slope else 0.0)
