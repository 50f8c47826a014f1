"""The curve over how much likelier the satisfied are to answer: by hand, and where the sign turns."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.statistics.answer_sensitivity import (
    RATIOS,
    answering_ratio,
    effect_range,
    share_at,
    share_range,
    sign_change,
)


def groups_of(satisfied, n_groups=50, asked=1000, answered=400):
    """Groups that differ a little, so that there is an error."""
    wave = 4 * np.sin(np.arange(n_groups))
    columns = [np.full(n_groups, asked), answered + 0 * wave, answered * satisfied + wave]
    return np.stack([*columns, *np.zeros((3, n_groups))], axis=1)


@given(st.floats(0.01, 0.99), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_at_the_true_ratio_the_curve_gives_the_truth(share, of_satisfied, of_others):
    asked = 1000.0
    satisfied, others = asked * share * of_satisfied, asked * (1 - share) * of_others
    ratio = answering_ratio(asked, satisfied + others, satisfied, asked * share)
    assert ratio == pytest.approx(of_satisfied / of_others)
    assert share_at(np.array(satisfied / (satisfied + others)), ratio) == pytest.approx(share)


@pytest.mark.parametrize("would_say", [0, 100])
def test_without_both_kinds_there_is_no_ratio(would_say):
    assert answering_ratio(100, 40, 20, would_say) is None


def test_a_ratio_of_one_changes_nothing():
    least, most = share_range(groups_of(0.6), 1.0)
    assert least.value == most.value == pytest.approx(0.6, abs=0.001)


def test_ranges_by_hand():
    """At g = 1.5 a share of .6 lies within .5 and .692 (odds 1.5 over and times 1.5)."""
    least, most = share_range(groups_of(0.6), 1.5)
    assert least.value == pytest.approx(0.5, abs=0.001)
    assert most.value == pytest.approx(2.25 / 3.25, abs=0.001)


def test_the_sign_turns_where_the_range_reaches_zero():
    control, treatment = groups_of(0.5), groups_of(0.6)
    change = sign_change(control, treatment)
    assert change is not None
    assert change.estimate == pytest.approx(math.sqrt(1.5), abs=0.002)
    least, most = effect_range(control, treatment, change.estimate)
    assert least.value == pytest.approx(0, abs=1e-9)
    assert most.value > 0.1
    assert 1 < change.resolved < change.estimate
    least, _ = effect_range(control, treatment, change.resolved)
    assert least.value == pytest.approx(least.reach, rel=0.05)


def test_the_sign_of_nothing_is_open_from_the_start():
    change = sign_change(groups_of(0.5), groups_of(0.5))
    assert change is not None
    assert (change.estimate, change.resolved) == (1.0, 1.0)


def test_all_satisfied_have_no_odds():
    everybody = groups_of(0.5)
    everybody[:, 2] = everybody[:, 1]
    assert sign_change(groups_of(0.5), everybody) is None


def test_the_curve_begins_at_one_and_ends_at_four():
    assert (RATIOS[0], RATIOS[8], RATIOS[-1]) == (1.0, 2.0, 4.0)
