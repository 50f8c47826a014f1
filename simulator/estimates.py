"""How two buckets differ in one metric, plain and with CUPED, and when not to say.

tea-tasting does the arithmetic: Welch's test on the ratio linearised by the delta method (Deng, Knoblich and Lu,
KDD 2018, https://arxiv.org/abs/1803.06336), CUPED with the pre-period ratio over pre-period denominators (Deng, Xu,
Kohavi and Walker, WSDM 2013, https://exp-platform.com/Documents/2013-02-CUPED-ImprovingSensitivityOfControlledExperiments.pdf),
and the interval of the lift on a log scale. It is given moments instead of rows, so every sum has one fixed order.
"""

import math
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final, final

from tea_tasting.aggr import Aggregates
from tea_tasting.metrics.mean import MeanResult, RatioOfMeans

from simulator.metrics import Ratio

CONFIDENCE: Final = 0.95
NEAR_ZERO: Final = 1.96
"""A control mean within so many of its standard errors from 0 gives no lift."""
LOOSE: Final = 0.1
"""Relative standard error of a pre-period denominator above which its ratio is no covariate: linearising it would
bias the adjusted mean by more than about 1%."""
_ROUNDING: Final = 1e-12
"""Variance, relative to the squared mean, below which values are all the same."""

PLAIN: Final = RatioOfMeans(
    "numerator",
    "denominator",
    alternative="two-sided",
    confidence_level=CONFIDENCE,
    equal_var=False,
    use_t=True,
)
CUPED: Final = RatioOfMeans(
    "numerator",
    "denominator",
    "pre_numerator",
    "pre_denominator",
    alternative="two-sided",
    confidence_level=CONFIDENCE,
    equal_var=False,
    use_t=True,
)
PLAIN_NORMAL: Final = RatioOfMeans("numerator", "denominator", confidence_level=CONFIDENCE, use_t=False)
"""As `PLAIN` with the quantiles of the normal distribution, from which standard errors are read off."""
CUPED_NORMAL: Final = RatioOfMeans(
    "numerator", "denominator", "pre_numerator", "pre_denominator", confidence_level=CONFIDENCE, use_t=False
)
_MEANS: Final = ("adjusted_control", "adjusted_treatment")
_LIFT: Final = ("relative_effect", "ci_low", "ci_high")
_TEST: Final = ("effect_low", "effect_high", "ci_low", "ci_high", "p_value")


@final
@dataclass(frozen=True)
class Bucket:
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
        reasons: Why a field is None, by its name.
    """

    adjusted_control: float | None = None
    adjusted_treatment: float | None = None
    effect: float | None = None
    effect_low: float | None = None
    effect_high: float | None = None
    relative_effect: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    p_value: float | None = None
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


def compare(control: Bucket, treatment: Bucket) -> Comparison:
    """Estimate the difference of two buckets of independent users."""
    fault = _value_fault(control) or _value_fault(treatment)
    if fault:
        return Comparison(unsaid(fault), None, fault)
    known = control.before is not None and treatment.before is not None
    a = _moments(control.test, control.before if known else None)
    b = _moments(treatment.test, treatment.before if known else None)
    if is_still(a) and is_still(b):
        fault = "every user of both buckets has the same value, so chance cannot be told"
        return Comparison(untested(a, b, fault), None, fault)
    fault = covariate_fault(a, b) if known else "nothing known from before the test"
    cuped = None if fault else difference_of(CUPED, a, b)
    return Comparison(difference_of(PLAIN, a, b), cuped, fault)


def _value_fault(bucket: Bucket) -> str:
    """Why a bucket has no value or no variance; empty if it has both."""
    n = len(bucket.test.numerator)
    if n < 2:
        return f"{bucket.arm} has {n} users, want at least 2"
    if bucket.test.value is None:
        return f"{bucket.arm} has a denominator of 0"
    return ""


def covariate_fault(a: Aggregates, b: Aggregates) -> str:
    """Why the time before the test cannot be a covariate; empty if it can."""
    if _is_loose(a) or _is_loose(b):
        return "the denominator before the test rests on too few users"
    total = a + b
    if total.ratio_var("pre_numerator", "pre_denominator") <= _ROUNDING * _squared(total, "pre_"):
        return "every user has the same value before the test"
    if _left_over(total) <= _ROUNDING * _squared(total):
        return "the time before the test foretells it exactly"
    return ""


def difference_of(test: RatioOfMeans, a: Aggregates, b: Aggregates) -> Difference:
    """What one method says, with the lift withheld where control is near 0."""
    try:
        result = test.analyze_aggregates(a, b)
    except OverflowError:
        return unsaid("control is too near 0 to divide by")
    fault = _lift_fault(a, result)
    return Difference(
        adjusted_control=float(result.control),
        adjusted_treatment=float(result.treatment),
        effect=float(result.effect_size),
        effect_low=float(result.effect_size_ci_lower),
        effect_high=float(result.effect_size_ci_upper),
        relative_effect=None if fault else float(result.rel_effect_size),
        ci_low=None if fault else float(result.rel_effect_size_ci_lower),
        ci_high=None if fault else float(result.rel_effect_size_ci_upper),
        p_value=float(result.pvalue),
        reasons=_each(_LIFT, fault) if fault else {},
    )


def _lift_fault(a: Aggregates, result: MeanResult) -> str:
    """Why no lift is given; empty if one is."""
    mean = a.mean("numerator") / a.mean("denominator")
    error = math.sqrt(max(a.ratio_var("numerator", "denominator"), 0.0) / a.count())
    if abs(mean) <= NEAR_ZERO * error or result.control * mean <= 0:
        return f"control is too near 0 for a lift: {mean:.3g} with a standard error of {error:.2g}"
    if result.treatment * result.control <= 0:
        return f"treatment, {result.treatment:.3g}, is 0 or has another sign than control: no interval of a lift"
    return ""


def unsaid(reason: str) -> Difference:
    """Nothing can be said."""
    return Difference(reasons=_each((*_MEANS, "effect", "relative_effect", *_TEST), reason))


def _each(fields: tuple[str, ...], reason: str) -> dict[str, str]:
    """The same reason for each field."""
    return dict.fromkeys(fields, reason)


def untested(a: Aggregates, b: Aggregates, reason: str) -> Difference:
    """Two constants: a difference without an interval."""
    control = float(a.mean("numerator") / a.mean("denominator"))
    treatment = float(b.mean("numerator") / b.mean("denominator"))
    effect = treatment - control
    reasons = _each(_TEST, reason)
    if control == 0:
        reasons["relative_effect"] = "control is 0"
        return Difference(control, treatment, effect, reasons=reasons)
    return Difference(control, treatment, effect, relative_effect=effect / control, reasons=reasons)


def _moments(test: Ratio, before: Ratio | None) -> Aggregates:
    """Means, variances and covariances of the metric's sides, always summed in the order of the rows."""
    columns = {"denominator": test.denominator, "numerator": test.numerator}
    if before is not None:
        columns |= {"pre_denominator": before.denominator, "pre_numerator": before.numerator}
    n = len(test.numerator)
    mean = {name: float(values.mean()) for name, values in columns.items()}
    centred = {name: values - mean[name] for name, values in columns.items()}
    return Aggregates(
        count_=n,
        mean_=dict(mean),
        var_={name: float((x * x).sum()) / (n - 1) for name, x in centred.items()},
        cov_={(s, t): float((centred[s] * centred[t]).sum()) / (n - 1) for s, t in combinations(centred, 2)},
    )


def is_still(a: Aggregates) -> bool:
    """Whether the metric has no variance, up to rounding."""
    return a.ratio_var("numerator", "denominator") <= _ROUNDING * _squared(a)


def _is_loose(a: Aggregates) -> bool:
    """Whether the pre-period denominator's mean is not known to within `LOOSE`."""
    error = math.sqrt(a.var("pre_denominator") / a.count())
    return a.mean("pre_denominator") <= 0 or error > LOOSE * a.mean("pre_denominator")


def _squared(a: Aggregates, prefix: str = "") -> float:
    """The metric, squared."""
    return (a.mean(f"{prefix}numerator") / a.mean(f"{prefix}denominator")) ** 2


def _left_over(total: Aggregates) -> float:
    """Variance that CUPED would leave."""
    names = ("numerator", "denominator", "pre_numerator", "pre_denominator")
    shared = total.ratio_cov(*names)
    return total.ratio_var(*names[:2]) - shared**2 / total.ratio_var(*names[2:])
