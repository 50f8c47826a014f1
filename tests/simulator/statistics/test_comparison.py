import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from simulator.metrics import Ratio
from simulator.statistics.comparison import ArmSample, Comparison, compare

ONES = np.ones(400)


def heavy(rng: np.random.Generator, n: int = 400, gain: float = 1.0) -> tuple[Ratio, Ratio]:
    """Watch over views of heavy-tailed users, in the test and before it."""
    rate, taste = rng.lognormal(2, 1, n), rng.lognormal(2, 0.5, n)
    views, before = rng.poisson(rate).astype(float), rng.poisson(rate).astype(float)
    watch_s = gain * views * taste * rng.lognormal(0, 0.2, n)
    return Ratio(watch_s, views), Ratio(before * taste * rng.lognormal(0, 0.2, n), before)


def two_buckets(gain: float = 1.1) -> tuple[ArmSample, ArmSample]:
    rng = np.random.default_rng(11)
    return ArmSample("a", *heavy(rng)), ArmSample("b", *heavy(rng, gain=gain))


def constant(value: float, n: int = 400) -> Ratio:
    return Ratio(np.full(n, float(value)), np.ones(n))


def test_the_plain_ratio_is_weighted_least_squares():
    """Equal buckets: the delta method is WLS of watch per view, weighted by views, with HC1 errors."""
    a, b = two_buckets()
    below = np.concatenate([a.test.denominator, b.test.denominator])
    above = np.concatenate([a.test.numerator, b.test.numerator])
    y = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    design = sm.add_constant(np.repeat([0.0, 1.0], 400))
    fit = sm.WLS(y, design, weights=below).fit(cov_type="HC1")
    plain = compare(a, b).plain
    assert plain.effect == pytest.approx(fit.params[1], rel=1e-8)
    z = stats.t.isf(plain.p_value / 2, _welch_df(a.test, b.test))
    assert abs(plain.effect) / z == pytest.approx(fit.bse[1], rel=1e-8)


def test_a_mean_is_welchs_test():
    rng = np.random.default_rng(5)
    x, y = rng.lognormal(0, 1, 400), rng.lognormal(0.2, 1, 400)
    comparison = compare(ArmSample("a", Ratio(x, ONES), None), ArmSample("b", Ratio(y, ONES), None))
    known = stats.ttest_ind(y, x, equal_var=False)
    low, high = known.confidence_interval()
    assert comparison.plain.p_value == pytest.approx(known.pvalue, rel=1e-9)
    assert (comparison.plain.effect_low, comparison.plain.effect_high) == pytest.approx((low, high), rel=1e-9)


def test_the_lifts_interval_is_the_delta_method_on_a_log_scale():
    a, b = two_buckets()
    plain = compare(a, b).plain
    errors = [_influence(bucket.test) / bucket.test.value for bucket in (a, b)]
    parts = [e.var(ddof=1) / len(e) for e in errors]
    df = sum(parts) ** 2 / sum(p**2 / 399 for p in parts)
    half = stats.t.ppf(0.975, df) * math.sqrt(sum(parts))
    ratio = b.test.value / a.test.value
    wanted = (ratio - 1, ratio * math.exp(-half) - 1, ratio * math.exp(half) - 1)
    assert (plain.relative_effect, plain.ci_low, plain.ci_high) == pytest.approx(wanted, rel=1e-8)


def test_cuped_is_the_regression_of_influences():
    """Closed form: theta from the pooled influences, covariate over its own pre-period denominator."""
    a, b = two_buckets()
    both = [Ratio(*map(np.concatenate, zip(*sides, strict=True))) for sides in _paired(a, b)]
    y, x = (_influence(ratio) for ratio in both)
    theta = (x * y).sum() / (x * x).sum()
    adjusted = [k.test.value - theta * (k.before.value - both[1].value) for k in (a, b)]
    cuped = compare(a, b).cuped
    assert (cuped.adjusted_control, cuped.adjusted_treatment) == pytest.approx(adjusted, rel=1e-8)
    assert cuped.effect == pytest.approx(adjusted[1] - adjusted[0], rel=1e-8)


def test_cuped_narrows_by_what_the_covariate_explains():
    rng = np.random.default_rng(3)
    n, rho = 40_000, 0.6
    x = rng.normal(10, 1, 2 * n)
    y = 10 + rho * (x - 10) + math.sqrt(1 - rho**2) * rng.normal(0, 1, 2 * n)
    ones = np.ones(n)
    a, b = (ArmSample(k, Ratio(y[s], ones), Ratio(x[s], ones)) for k, s in (("a", slice(n)), ("b", slice(n, None))))
    comparison = compare(a, b)
    factor = (_width(comparison.cuped) / _width(comparison.plain)) ** 2
    assert factor == pytest.approx(1 - np.corrcoef(x, y)[0, 1] ** 2, abs=1e-4)


def test_without_a_time_before_the_test_there_is_no_cuped():
    a, b = (ArmSample(k.arm, k.test, None) for k in two_buckets())
    assert compare(a, b) == Comparison(compare(a, b).plain, None, "nothing known from before the test")


def test_a_constant_covariate_means_no_cuped():
    a, b = (ArmSample(k.arm, k.test, constant(0.1)) for k in two_buckets())
    comparison = compare(a, b)
    assert comparison.cuped is None
    assert "same value before the test" in comparison.no_cuped


def test_a_pre_period_without_denominator_means_no_cuped():
    a, b = two_buckets()
    empty = Ratio(np.zeros(400), np.zeros(400))
    comparison = compare(a, ArmSample("b", b.test, empty))
    assert comparison.cuped is None
    assert "too few users" in comparison.no_cuped


def test_a_covariate_that_is_the_outcome_means_no_cuped():
    a, b = (ArmSample(k.arm, k.test, k.test) for k in two_buckets(gain=1.0))
    assert "foretells" in compare(a, b).no_cuped


def test_zero_denominators_say_why():
    a, b = two_buckets()
    nothing = ArmSample("b", Ratio(b.test.numerator, np.zeros(400)), b.before)
    plain = compare(a, nothing).plain
    assert plain.p_value is None
    assert plain.reasons["p_value"] == "b has a denominator of 0"


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_users_say_why(n: int):
    _, b = two_buckets()
    comparison = compare(ArmSample("a", constant(1, n), None), b)
    assert comparison.plain.reasons["effect"] == f"a has {n} users, want at least 2"


def test_zeros_are_never_significant():
    comparison = compare(ArmSample("a", constant(0), None), ArmSample("b", constant(0), None))
    assert (comparison.plain.effect, comparison.plain.p_value) == (0.0, None)
    assert comparison.plain.reasons["relative_effect"] == "control is 0"


def test_two_constants_differ_without_an_interval():
    plain = compare(ArmSample("a", constant(2), None), ArmSample("b", constant(3), None)).plain
    assert (plain.effect, plain.relative_effect) == (1.0, 0.5)
    assert (plain.ci_low, plain.p_value) == (None, None)
    assert "same value" in plain.reasons["ci_low"]


def test_the_lift_is_withheld_where_control_is_near_zero():
    rng = np.random.default_rng(1)
    a = ArmSample("a", Ratio(rng.normal(0, 1, 400), ONES), None)
    b = ArmSample("b", Ratio(rng.normal(1, 1, 400), ONES), None)
    plain = compare(a, b).plain
    assert plain.relative_effect is None
    assert "near 0" in plain.reasons["relative_effect"]
    assert plain.p_value < 1e-6


def test_the_lift_is_withheld_where_treatment_is_zero():
    a, _ = two_buckets()
    plain = compare(a, ArmSample("b", constant(0), None)).plain
    assert plain.ci_low is None
    assert plain.effect == pytest.approx(-a.test.value)


def test_control_that_is_zero_by_chance_overflows_nothing():
    balanced = Ratio(np.where(np.arange(400) % 2, 1.0, -1.0) + 1e-14, ONES)
    a, b = ArmSample("a", balanced, None), ArmSample("b", constant(1), None)
    assert compare(a, b).plain.relative_effect is None


def _influence(ratio: Ratio) -> np.ndarray:
    return (ratio.numerator - ratio.value * ratio.denominator) / ratio.denominator.mean()


def _welch_df(a: Ratio, b: Ratio) -> float:
    parts = [_influence(r).var(ddof=1) / 400 for r in (a, b)]
    return sum(parts) ** 2 / sum(p**2 / 399 for p in parts)


def _paired(a: ArmSample, b: ArmSample) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    return [
        [(k.numerator, k.denominator) for k in (a.test, b.test)],
        [(k.numerator, k.denominator) for k in (a.before, b.before)],
    ]


def _width(difference) -> float:
    return difference.effect_high - difference.effect_low
