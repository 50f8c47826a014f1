"""One estimator for every metric: known answers of other libraries, a jackknife written out, and what has no number."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from simulator.statistics.comparison import Difference, compare, difference
from simulator.statistics.estimator import estimate
from simulator.statistics.groups import GROUPS, GroupMoments, group_of

N = 400
FIELDS = tuple(name for name in vars(Difference()) if name != "reasons")


def moments(columns: np.ndarray, first: int = 0) -> GroupMoments:
    """Rows of users whose ids begin at `first`."""
    return GroupMoments.of(tuple(columns.T), group_of(np.arange(first, first + len(columns))))


def heavy(seed: int, n: int = N, gain: float = 1.0) -> np.ndarray:
    """Watch and views of heavy-tailed users, in the test and before it."""
    rng = np.random.default_rng(seed)
    rate, taste = rng.lognormal(2, 1, n), rng.lognormal(2, 0.5, n)
    views, before = rng.poisson(rate).astype(float), rng.poisson(rate).astype(float)
    noise = rng.lognormal(0, 0.2, (2, n))
    return np.stack([gain * views * taste * noise[0], views, before * taste * noise[1], before], axis=1)


def mean_of(values: np.ndarray, *covariates: np.ndarray) -> np.ndarray:
    """A metric per user: denominators are 1."""
    columns = [each for side in (values, *covariates) for each in (side, np.ones(len(values)))]
    return np.stack(columns, axis=1)


@pytest.fixture(scope="module")
def arms() -> tuple[np.ndarray, np.ndarray]:
    return heavy(1), heavy(2, n=500, gain=1.1)


@pytest.mark.parametrize("error", ["delta", "leverage"])
def test_a_mean_of_both_signs_is_welchs_test(error: str):
    rng = np.random.default_rng(5)
    x, y = rng.normal(0, 1, N), rng.normal(0.1, 2, 300)
    told = compare("a", moments(mean_of(x)), "b", moments(mean_of(y)), error=error).plain
    welch = stats.ttest_ind(y, x, equal_var=False)
    assert (told.p_value, told.freedom) == pytest.approx((welch.pvalue, welch.df), rel=1e-9)
    assert (told.effect_low, told.effect_high) == pytest.approx(tuple(welch.confidence_interval()), rel=1e-9)


def test_the_difference_of_a_positive_mean_has_welchs_interval():
    rng = np.random.default_rng(6)
    x, y = rng.lognormal(0, 1, N), rng.lognormal(0.2, 1, N)
    told = difference(moments(mean_of(x)), moments(mean_of(y)), "none", "delta")
    welch = stats.ttest_ind(y, x, equal_var=False).confidence_interval()
    assert (told.effect_low, told.effect_high) == pytest.approx(tuple(welch), rel=1e-9)


def test_the_plain_ratio_is_weighted_least_squares():
    """Equal buckets: the delta method is WLS of watch per view, weighted by views, with HC1 errors."""
    a, b = heavy(1), heavy(2, gain=1.1)
    above, below = np.concatenate([a, b])[:, :2].T
    y = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    fit = sm.WLS(y, sm.add_constant(np.repeat([0.0, 1.0], N)), weights=below).fit(cov_type="HC1")
    told = difference(moments(a), moments(b), "none", "delta")
    assert (told.effect, told.standard_error) == pytest.approx((fit.params[1], fit.bse[1]), rel=1e-8)


@pytest.mark.parametrize("log", [False, True])
def test_the_adjusted_estimate_is_least_squares_of_influences_on_both_sides(arms, log: bool):
    """OLS of each arm's influences, put where its value is, on the arm and on both columns before the test."""
    outcomes, covariates = [], np.concatenate([arm[:, 2:] for arm in arms])
    for arm in arms:
        value, below = arm[:, 0].sum() / arm[:, 1].sum(), arm[:, 1].mean()
        influence = (arm[:, 0] - value * arm[:, 1]) / below
        outcomes.append(math.log(value) + influence / value if log else value + influence)
    treated = np.repeat([0.0, 1.0], [len(arm) for arm in arms])
    design = np.column_stack([np.ones(len(treated)), treated, covariates])
    fit = sm.OLS(np.concatenate(outcomes), design).fit()
    told = estimate(moments(arms[0]), moments(arms[1]), "sides", "jackknife", log=log)
    assert (told.log_ratio if log else told.effect) == pytest.approx(fit.params[1], rel=1e-8)


def test_cuped_is_the_regression_on_the_ratio_before(arms):
    """A linear scale: the slope of influences on influences, moved by each arm's ratio before, to first order."""
    before = np.concatenate(arms)[:, 2:]
    ratio = before[:, 0].sum() / before[:, 1].sum()
    covariate = [arm[:, 2] - ratio * arm[:, 3] for arm in arms]
    y, x = [], [each - each.mean() for each in covariate]
    for arm in arms:
        value = arm[:, 0].sum() / arm[:, 1].sum()
        y.append((arm[:, 0] - value * arm[:, 1]) / arm[:, 1].mean())
    slope = sum(map(np.dot, x, y)) / sum(map(np.dot, x, x))
    values = [arm[:, 0].sum() / arm[:, 1].sum() for arm in arms]
    effect = values[1] - values[0] - slope * (covariate[1].mean() - covariate[0].mean())
    assert estimate(moments(arms[0]), moments(arms[1]), "ratio", "delta", log=False).effect == pytest.approx(effect)


def log_lift(a: np.ndarray, b: np.ndarray) -> float:
    """The adjusted logarithm of the lift, from rows."""
    y = []
    for arm in (a, b):
        value = arm[:, 0].sum() / arm[:, 1].sum()
        y.append(math.log(value) + (arm[:, 0] - value * arm[:, 1]) / arm[:, 1].mean() / value)
    treated = np.repeat([0.0, 1.0], [len(a), len(b)])
    design = np.column_stack([np.ones(len(treated)), treated, np.concatenate([a, b])[:, 2:]])
    return float(np.linalg.lstsq(design, np.concatenate(y), rcond=None)[0][1])


def test_the_error_is_that_of_leaving_out_each_group_of_users(arms):
    a, b = arms
    groups = [group_of(np.arange(len(arm))) for arm in arms]
    parts = []
    for left, (arm, group) in enumerate(zip(arms, groups, strict=True)):
        lifts = []
        for each in np.unique(group):
            rest = arm[group != each]
            lifts.append(log_lift(rest, b) if left == 0 else log_lift(a, rest))
        parts.append(((len(lifts) - 1) ** 2 / len(lifts) * np.var(lifts, ddof=1), len(lifts) - 1))
    told = difference(moments(a), moments(b), "sides", "jackknife")
    square = parts[0][0] + parts[1][0]
    assert told.log_standard_error == pytest.approx(math.sqrt(square), rel=1e-7)
    assert told.freedom == pytest.approx(square**2 / sum(part**2 / left for part, left in parts), rel=1e-7)
    half = stats.t.ppf(0.975, told.freedom) * told.log_standard_error
    lift = log_lift(a, b)
    ends = (math.expm1(lift - half), math.expm1(lift), math.expm1(lift + half))
    assert (told.ci_low, told.relative_effect, told.ci_high) == pytest.approx(ends, rel=1e-7)
    assert told.p_value == pytest.approx(2 * stats.t.sf(abs(lift) / told.log_standard_error, told.freedom), rel=1e-6)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_leverage_is_leaving_out_each_user_to_third_order(log: bool, seed: int):
    """What leaving out users adds to the delta method is found but for a fifth of it."""
    rows = heavy(seed, n=2_000)[:, :2]
    total = rows.sum(axis=0)
    left = (total[0] - rows[:, 0]) / (total[1] - rows[:, 1])
    values = np.log(left) if log else left
    exact = (len(rows) - 1) * values.var()
    fixed = GroupMoments.of((np.full(2_000, total[0] / total[1]), np.ones(2_000)), group_of(np.arange(2_000)))
    squares = []
    for error in ("delta", "leverage"):
        told = estimate(fixed, moments(rows), "none", error, log=log)
        squares.append((told.log_error if log else told.standard_error) ** 2)
    assert abs(squares[1] - exact) < 0.2 * abs(squares[0] - exact) + 1e-4 * exact


def test_intervals_widen_with_confidence(arms):
    halves = []
    for confidence in (0.8, 0.95):
        told = compare("a", moments(arms[0]), "b", moments(arms[1]), confidence).main
        halves.append((told.effect_high - told.effect) / stats.t.isf((1 - confidence) / 2, told.freedom))
    assert halves[0] == pytest.approx(halves[1], rel=1e-3)


def close(one: Difference, other: Difference) -> None:
    assert [getattr(one, name) for name in FIELDS] == pytest.approx([getattr(other, name) for name in FIELDS], rel=1e-8)


def test_the_order_of_rows_and_slices_changes_nothing(arms):
    rows, ids = arms[0], np.arange(N)
    order = np.random.default_rng(3).permutation(N)
    sliced = moments(rows[:100]) + moments(rows[100:350], 100) + moments(rows[350:], 350)
    shuffled = GroupMoments.of(tuple(rows[order].T), group_of(ids[order]))
    b = moments(arms[1])
    whole = compare("a", moments(rows), "b", b)
    for other in (sliced, shuffled):
        again = compare("a", other, "b", b)
        for one, two in ((whole.plain, again.plain), (whole.cuped, again.cuped), (whole.adjusted, again.adjusted)):
            close(one, two)


@pytest.mark.parametrize("kind", ["int32", "uint64", "int64"])
def test_groups_do_not_depend_on_the_type_of_whole_ids(kind: str):
    ids = np.arange(5_000)
    assert (group_of(ids.astype(kind)) == group_of(ids)).all()


def test_groups_of_any_ids_are_even_and_do_not_depend_on_who_else_there_is():
    for ids in (np.arange(20_000), np.array([f"user {i}" for i in range(20_000)], object)):
        group = group_of(ids)
        assert stats.chisquare(np.bincount(group, minlength=GROUPS)).pvalue > 1e-4
        assert (group_of(ids[5_000:5_100]) == group[5_000:5_100]).all()


def test_a_metric_below_zero_lifts_over_its_size(arms):
    """Losses: the same lifts with the other sign, the same errors."""
    signs = np.array([-1.0, 1.0, -1.0, 1.0])
    gain = compare("a", moments(arms[0]), "b", moments(arms[1]))
    loss = compare("a", moments(arms[0] * signs), "b", moments(arms[1] * signs))
    for up, down in ((gain.plain, loss.plain), (gain.adjusted, loss.adjusted)):
        assert down.relative_effect == pytest.approx(-up.relative_effect, rel=1e-9)
        assert (down.ci_low, down.ci_high) == pytest.approx((-up.ci_high, -up.ci_low), rel=1e-9)
        assert (down.log_standard_error, down.p_value) == pytest.approx((up.log_standard_error, up.p_value), rel=1e-9)


def test_adjustment_narrows_by_what_the_covariate_explains():
    rng = np.random.default_rng(3)
    n, rho = 40_000, 0.6
    x = rng.normal(10, 1, 2 * n)
    y = 10 + rho * (x - 10) + math.sqrt(1 - rho**2) * rng.normal(0, 1, 2 * n)
    a, b = moments(mean_of(y[:n], x[:n])), moments(mean_of(y[n:], x[n:]))
    errors = [difference(a, b, method, error).standard_error for method, error in METHODS]
    assert (errors[1] / errors[0]) ** 2 == pytest.approx(1 - np.corrcoef(x, y)[0, 1] ** 2, rel=0.01)
    assert errors[2] / errors[1] == pytest.approx(1, abs=0.25)  # a jackknife of 100 groups knows its error to 7%


METHODS = (("none", "delta"), ("ratio", "delta"), ("sides", "jackknife"))


def same(value: float, n: int = N) -> np.ndarray:
    return mean_of(np.full(n, float(value)))


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (lambda rows: rows[:, :2], "nothing known from before the test"),
        (lambda rows: np.column_stack([rows[:, :2], same(0.1, len(rows))]), "same value before the test"),
        (lambda rows: np.column_stack([rows[:, :2], 0 * rows[:, :2]]), "denominator before the test is 0"),
        (lambda rows: mean_of(rows[:, 0], rows[:, 0]), "foretells"),
        (lambda rows: rows[:39], "want 40 users"),
    ],
)
def test_what_cannot_be_a_covariate_is_said(arms, before, reason: str):
    told = compare("a", moments(before(arms[0])), "b", moments(before(arms[1])))
    assert told.adjusted is told.cuped is None
    assert reason in told.not_adjusted
    assert told.main is told.plain
    assert told.plain.p_value is not None


def test_zero_denominators_say_why(arms):
    empty = arms[1] * np.array([1.0, 0.0, 1.0, 1.0])
    told = compare("a", moments(arms[0]), "b", moments(empty)).plain
    assert told.reasons == dict.fromkeys(FIELDS, "b has a denominator of 0")


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_users_say_why(arms, n: int):
    told = compare("a", moments(arms[0][:n]), "b", moments(arms[1])).plain
    assert told.reasons["effect"] == f"a has {n} users, want at least 2"


def test_zeros_are_never_significant():
    told = compare("a", moments(same(0)), "b", moments(same(0))).plain
    assert (told.effect, told.p_value) == (0.0, None)
    assert told.reasons["relative_effect"] == "control is 0"


def test_two_constants_differ_without_an_interval():
    told = compare("a", moments(same(2)), "b", moments(same(3))).plain
    assert (told.effect, told.relative_effect, told.ci_low, told.p_value) == (1.0, 0.5, None, None)
    assert "same value" in told.reasons["ci_low"]


def test_the_lift_is_withheld_where_control_is_near_zero():
    rng = np.random.default_rng(1)
    a, b = (moments(mean_of(rng.normal(mean, 1, N))) for mean in (0, 1))
    told = compare("a", a, "b", b).plain
    assert told.relative_effect is told.ci_low is told.log_standard_error is None
    assert "near 0" in told.reasons["relative_effect"]
    assert told.p_value < 1e-6


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_the_lift_is_withheld_where_treatment_has_another_sign(arms, value: float):
    told = compare("a", moments(arms[0]), "b", moments(same(value))).plain
    assert "sign" in told.reasons["ci_low"]
    assert told.effect == pytest.approx(value - arms[0][:, 0].sum() / arms[0][:, 1].sum())


def test_control_that_is_zero_by_chance_overflows_nothing():
    balanced = np.where(np.arange(N) % 2, 1.0, -1.0) + 1e-14
    assert compare("a", moments(mean_of(balanced)), "b", moments(same(1))).plain.relative_effect is None


@given(
    st.integers(0, 2**32), st.sampled_from([1e-12, 1.0, 1e12]), st.floats(0, 3), st.sampled_from([0, 1, 2, 4, 45, 120])
)
def test_each_field_is_a_number_or_has_a_reason(seed: int, size: float, tail: float, most: int):
    rng = np.random.default_rng(seed)

    def side(n: int) -> np.ndarray:
        kinds = [
            np.zeros(n),
            np.full(n, size),
            size * rng.lognormal(0, tail, n),
            size + rng.normal(0, 1, n),
            size * rng.normal(0, 1, n),
            np.ones(n),
            (rng.random(n) < 0.1).astype(float),
        ]
        return kinds[rng.integers(len(kinds))]

    def arm() -> GroupMoments:
        n = most or int(rng.integers(0, 5))
        columns = [side(n), side(n), side(n), side(n)]
        if rng.random() < 0.3:
            columns[2] = 3 * columns[0]
        if rng.random() < 0.3:
            columns[3] = columns[1]
        return moments(np.stack(columns, axis=1)[:, : 4 if rng.random() < 0.7 else 2])

    a, b = arm(), arm()
    if a.total.shape != b.total.shape:
        a, b = a.take((0, 1)), b.take((0, 1))
    told = compare("a", a, "b", b)
    for way in (told.plain, told.cuped, told.adjusted):
        for name in FIELDS if way else ():
            value = getattr(way, name)
            assert name in way.reasons if value is None else np.isfinite(value), name
            assert value is None or name not in way.reasons, name
        if way and way.p_value is not None:
            assert 0 <= way.p_value <= 1
        if way and way.ci_low is not None:
            ends = [way.ci_low, way.relative_effect, way.ci_high]
            told_ends = [end for end in ends if end is not None]  # beyond 1e15 they have a reason instead
            assert told_ends == sorted(told_ends)
    assert (told.adjusted is None) == bool(told.not_adjusted)


def a_a(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """One arm of equal users."""
    x = rng.normal(10, 3, n) if kind == "normal" else rng.lognormal(0, 1, n)
    return mean_of(x, x + rng.normal(0, 1, n) if kind == "normal" else x * rng.lognormal(0, 0.5, n))


@pytest.mark.parametrize("tests", [300, pytest.param(3_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("n", [2, 3, 5, 10, 30, 45, 100, 300])
@pytest.mark.parametrize("kind", ["normal", "lognormal"])
def test_equal_arms_are_not_rejected_too_often_however_small(kind: str, n: int, tests: int):
    rng = np.random.default_rng(n)
    found = []
    for _ in range(tests):
        group = rng.integers(0, GROUPS, (2, n))
        a, b = (GroupMoments.of(tuple(a_a(kind, n, rng).T), each) for each in group)
        told = compare("a", a, "b", b)
        found.append([told.plain.p_value < 0.05, told.main.p_value < 0.05])
        assert (told.adjusted is None) == (n < 40)
    assert np.mean(found, axis=0).max() <= 0.05 + 3.29 * math.sqrt(0.05 * 0.95 / tests)
