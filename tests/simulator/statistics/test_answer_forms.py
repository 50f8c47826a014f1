"""Estimators from two forms of the questionnaire: numbers by hand, planted selection, errors against simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri

from simulator.statistics.answer_forms import (
    FORM_ESTIMATORS,
    GroupEstimate,
    bounds,
    group_jackknife,
    reason_without_value,
    satisfied_share,
    two_forms,
)
from simulator.statistics.selection_probit import both_below

BY_HAND = np.array([200.0, 100.0, 56.0, 100.0, 60.0, 30.0])
"""Plain: 100 asked, 40 answered, 26 satisfied. Strong: 100, 60, 30."""
SHARE, RHO, RATES = 0.45, 0.3, (0.36, 0.73)


@pytest.fixture
def rng():
    return np.random.default_rng(20)


def drawn(rng, n_replications, n_groups=100, asked=600):
    """Groups of users who answer and say by the probit, half of them asked strongly."""
    d, rho = np.array(ndtri(SHARE)), np.array(RHO)
    sums = np.zeros((n_replications, n_groups, 6))
    for strong, rate in enumerate(RATES):
        said = float(both_below(np.array(ndtri(rate)), d, rho))
        chances = [said, rate - said, 1 - rate]
        counts = rng.multinomial(asked // 2, chances, (n_replications, n_groups))
        three = np.stack([counts.sum(-1), counts[..., :2].sum(-1), counts[..., 0]], axis=-1)
        sums[..., :3] += three
        if strong:
            sums[..., 3:] = three
    return sums


def test_shares_by_hand():
    """Naive 56 / 100, strong 30 / 60; the line from (.4, .26) through (.6, .3) is at .38 at rate 1."""
    assert satisfied_share(BY_HAND, "naive") == pytest.approx(0.56)
    assert satisfied_share(BY_HAND, "strong") == pytest.approx(0.5)
    assert satisfied_share(BY_HAND, "line") == pytest.approx(0.38)
    lower, upper = bounds(BY_HAND)
    assert (lower, upper) == (pytest.approx(0.30), pytest.approx(0.70))


def test_bounds_of_one_form_are_those_of_all_that_was_asked():
    lower, upper = bounds(np.array([100.0, 40.0, 26.0, 0.0, 0.0, 0.0]))
    assert (lower, upper) == (pytest.approx(0.26), pytest.approx(0.86))


def test_selection_without_a_slope_leaves_all_estimates_alike():
    """20% and 60% answer, of either 55% satisfied."""
    sums = np.array([2000.0, 800.0, 440.0, 1000.0, 600.0, 330.0])
    for estimator in FORM_ESTIMATORS:
        assert satisfied_share(sums, estimator) == pytest.approx(0.55)


def test_the_line_is_exact_where_silence_is_a_factor_of_the_view_times_one_of_the_form():
    """Satisfied stay silent with chance .4 k, the others with .8 k, k = 1 and .5; 30% are satisfied."""
    sums = np.zeros(6)
    for strong, k in enumerate((1.0, 0.5)):
        said = 1000 * 0.3 * (1 - 0.4 * k)
        three = [1000, said + 1000 * 0.7 * (1 - 0.8 * k), said]
        sums[:3] += three
        sums[3:] += np.multiply(three, strong)
    assert satisfied_share(sums, "line") == pytest.approx(0.3)


def test_the_probit_recovers_its_own_share(rng):
    """The mean of 400 draws within 4 of its standard errors; the others are off, in their order."""
    totals = drawn(rng, 400).sum(axis=1)
    off = {each: satisfied_share(totals, each) - SHARE for each in FORM_ESTIMATORS}
    assert abs(off["probit"].mean()) < 4 * off["probit"].std() / 20
    assert off["naive"].mean() > off["strong"].mean() > off["line"].mean() > 0.005


@pytest.mark.parametrize("estimator", FORM_ESTIMATORS)
def test_jackknife_errors_are_those_of_simulation(rng, estimator):
    """400 draws give the standard deviation to 3.5%, 50 jackknives the mean variance to 2%: within 3 of both."""
    sums = drawn(rng, 400)
    sd = satisfied_share(sums.sum(axis=1), estimator).std(ddof=1)
    variances = [
        group_jackknife(each, lambda s: satisfied_share(s, estimator)).standard_error ** 2 for each in sums[:50]
    ]
    assert np.sqrt(np.mean(variances)) == pytest.approx(sd, rel=3 * np.hypot(0.035, 0.01))


def test_intervals_of_the_probit_cover(rng):
    """Of 300, 95% within 4 binomial errors."""
    estimates = [group_jackknife(each, lambda s: satisfied_share(s, "probit")) for each in drawn(rng, 300)]
    covered = np.mean([abs(each.value - SHARE) < each.reach for each in estimates])
    assert covered == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 300))


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_bounds_hold_the_truth_whoever_answers(seed, share, plain, strong, favour):
    """Any chances of answering, of the satisfied and of others: the truth of the very views asked lies within."""
    rng = np.random.default_rng(seed)
    sums, satisfied = np.zeros(6), rng.random((2, 500)) < share
    satisfied[1] = satisfied[0]  # the same views under both forms, so that both have one truth
    for form, base in enumerate((plain, strong)):
        answered = rng.random(500) < np.where(satisfied[form], base, base * favour)
        three = [500, answered.sum(), (answered & satisfied[form]).sum()]
        sums[:3] += three
        sums[3:] += np.multiply(three, form)
    lower, upper = bounds(sums)
    assert lower - 1e-9 <= satisfied[0].mean() <= upper + 1e-9


def test_differences_are_of_other_users():
    """Errors .03 and .04 make .05; Welch's freedom lies between the smaller one and the sum."""
    gap = GroupEstimate(0.6, 0.03, 99.0) - GroupEstimate(0.5, 0.04, 99.0)
    assert gap.value == pytest.approx(0.1)
    assert gap.standard_error == pytest.approx(0.05)
    assert gap.freedom == pytest.approx(0.05**4 / (0.03**4 / 99 + 0.04**4 / 99))
    assert gap.reach == pytest.approx(0.05 * 1.973, rel=1e-3)
    assert gap.p_value == pytest.approx(0.0469, abs=5e-4)


def test_empty_groups_are_no_groups():
    groups = np.vstack([np.repeat(BY_HAND[None], 4, axis=0) + np.arange(4)[:, None], np.zeros((96, 6))])
    estimate = group_jackknife(groups, lambda s: satisfied_share(s, "strong"))
    assert estimate.freedom == 3
    without = [satisfied_share(np.delete(groups[:4], g, axis=0).sum(axis=0), "strong") for g in range(4)]
    assert estimate.standard_error == pytest.approx(np.sqrt(3 / 4 * np.sum((without - np.mean(without)) ** 2)))


def test_one_group_has_no_error():
    estimate = group_jackknife(BY_HAND[None], lambda s: satisfied_share(s, "strong"))
    assert estimate.value == 0.5
    assert np.isnan(estimate.reach)
    assert np.isnan(estimate.p_value)


@pytest.mark.parametrize(
    ("sums", "estimator", "said"),
    [
        ([10, 0, 0, 5, 0, 0], "naive", "nobody answered"),
        ([10, 4, 2, 0, 0, 0], "strong", "no questionnaire had the strong form"),
        ([10, 4, 2, 10, 4, 2], "line", "every questionnaire had the strong form; want both"),
        ([10, 4, 2, 5, 0, 0], "strong", "nobody answered the strong form"),
        ([20, 8, 4, 10, 4, 2], "line", "answered equally often"),
        ([20, 8, 4, 10, 4, 2], "probit", "answered equally often"),
        ([200, 100, 60, 100, 60, 20], "probit", "no correlation"),
    ],
)
def test_what_cannot_be_told_says_why(sums, estimator, said):
    sums = np.array(sums, np.float64)
    assert np.isnan(satisfied_share(sums, estimator))
    assert said in reason_without_value(sums, estimator)


def test_forms_are_told_apart():
    forms = two_forms(BY_HAND)
    assert forms.answered == (pytest.approx(0.4), pytest.approx(0.6))
    assert forms.satisfied == (pytest.approx(0.26), pytest.approx(0.3))
