"""Slices of a split: which day one is about, and the p-value below which it raises an alarm."""

import pytest

from simulator.reports.sections import SPLIT_ALARM, SplitCheck, split_alarm


def check(within, p_value=0.5):
    return SplitCheck(within=within, users={"control": 50, "treatment": 50}, p_value=p_value, alarm=False)


@pytest.mark.parametrize(("within", "day"), [("day 0", 0), ("day 12", 12), ("age 3", None), ("day", None), ("", None)])
def test_a_slice_knows_its_day(within, day):
    assert check(within).day == day


def test_the_alarm_is_divided_by_the_slices_that_were_tested():
    assert split_alarm([check("day 0"), check("day 1"), check("day 2", None)]) == SPLIT_ALARM / 2
    assert split_alarm([]) == SPLIT_ALARM


def test_what_is_derived_is_not_stored():
    assert set(check("day 0").model_dump()) == {"within", "users", "p_value", "alarm", "reasons"}
