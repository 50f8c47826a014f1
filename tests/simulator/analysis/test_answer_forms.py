"""Shares by both forms of the questionnaire as rows: additive over slices, each beside the truth of the same views."""

import numpy as np
import pandas as pd
import pytest

from simulator.analysis.answer_forms import AnswerGroups, FormReadings
from simulator.analysis.questionnaire import answer_spread, share, true_side
from simulator.statistics.answer_forms import bounds
from simulator.statistics.groups import GROUPS
from simulator.statistics.paired import paired_spread

ARMS = ("control", "treatment")
BY_FORM = ("strong", "line", "probit")


def users_of(seed=0, n=2_000, satisfied=0.5, boost=2.0, strong_share=0.5):
    """Users who are asked 10 times; a unit of feeling adds .5 to the logit of answering, the strong form `boost`."""
    rng = np.random.default_rng(seed)
    feeling, strong = rng.normal(size=(n, 10)), rng.random((n, 10)) < strong_share
    chance = 1 / (1 + np.exp(0.5 - 0.5 * feeling - boost * strong))
    answered, pleased = rng.random((n, 10)) < chance, feeling > -np.quantile(feeling, satisfied)
    said = answered & pleased
    rows = {
        "user_id": np.arange(n),
        "asked": 10 + 0 * strong.sum(1),
        "answered": answered.sum(1),
        "answers_satisfied": said.sum(1),
        "strong_asked": strong.sum(1),
        "strong_answered": (answered & strong).sum(1),
        "strong_satisfied": (said & strong).sum(1),
        "answer_weight": (answered / 0.4).sum(1),
        "answer_weight_satisfied": (said / 0.4).sum(1),
        "answer_expected": np.full(n, 5.5),
        "answer_weight_expected": (answered * 0.55 / 0.4).sum(1),
        "true_would_say": pleased.sum(1).astype(float),
    }
    return pd.DataFrame(rows)


def readings(before, after, truth=True):
    pair = paired_spread(true_side(before), true_side(after))
    groups = {arm: AnswerGroups.of(users) for arm, users in zip(ARMS, (before, after), strict=True)}
    return FormReadings(ARMS, groups, (lambda _: pair) if truth else None)


@pytest.fixture(scope="module")
def before():
    return users_of(0)


@pytest.fixture(scope="module")
def after():
    return users_of(1, satisfied=0.6)


def test_groups_hang_on_the_user_alone(before):
    """In any slices and any order, and all hundred are used."""
    whole = AnswerGroups.of(before).sums
    mixed = before.sample(frac=1, random_state=1)
    parts = AnswerGroups.of(mixed.iloc[:700]) + AnswerGroups.of(mixed.iloc[700:])
    np.testing.assert_allclose(parts.sums, whole, rtol=1e-12)
    assert whole.shape[0] == GROUPS
    assert (whole[:, 0] > 0).all()


def test_every_estimator_stands_beside_the_truth_of_the_same_views(before, after):
    section = readings(before, after).section()
    for arm, users in zip(ARMS, (before, after), strict=True):
        mine = {row.estimator: row for row in section.shares if row.arm == arm}
        assert tuple(mine) == ("naive", "weighted", "doubly_robust", *BY_FORM)
        truth = users["true_would_say"].sum() / users["asked"].sum()
        for estimator in ("naive", "weighted", "doubly_robust"):
            assert mine[estimator].share == pytest.approx(share(answer_spread(users).total.sum(axis=0), estimator))
        for row in mine.values():
            assert row.true == pytest.approx(truth)
            assert row.low < row.share < row.high
            assert row.reasons == {}
        off = [mine[estimator].share - truth for estimator in ("naive", *BY_FORM)]
        assert off[0] > off[1] > off[2] > off[3]
        assert mine["probit"].low < truth < mine["probit"].high < mine["naive"].low


def test_effects_are_differences_of_the_shares(before, after):
    table = readings(before, after)
    shares = {(row.arm, row.estimator): row for row in table.section().shares}
    effects = table.effects()
    assert [row.estimator for row in effects] == list(BY_FORM)
    for row in effects:
        control, treatment = (shares[arm, row.estimator] for arm in ARMS)
        assert row.effect == pytest.approx(treatment.share - control.share)
        error = np.hypot(control.standard_error, treatment.standard_error)
        assert row.high - row.effect == pytest.approx(1.97 * error, rel=0.01)
        assert row.true_effect == pytest.approx((after["true_would_say"] - before["true_would_say"]).sum() / 20_000)
        assert row.low < row.true_effect < row.high


def test_bounds_hold_the_truth_of_arms_and_effects(before, after):
    section = readings(before, after).section()
    assert [(row.arm, row.baseline) for row in section.bounds] == [
        ("control", None), ("treatment", None), ("treatment", "control"),
    ]  # fmt: skip
    for row in section.bounds:
        assert row.low < row.lower < row.true < row.upper < row.high
    lower, upper = bounds(AnswerGroups.of(before).sums.sum(0)[:6])
    assert (section.bounds[0].lower, section.bounds[0].upper) == (pytest.approx(lower), pytest.approx(upper))
    assert section.bounds[2].lower == pytest.approx(section.bounds[1].lower - section.bounds[0].upper)


def test_the_curve_meets_the_truth_at_the_true_ratio(before, after):
    section = readings(before, after).section()
    for row in section.ratios:
        naive = next(each.share for each in section.shares if (each.arm, each.estimator) == (row.arm, "naive"))
        assert naive / (naive + (1 - naive) * row.ratio) == pytest.approx(row.true)
        curve = {each.ratio: each.share for each in section.curve if each.arm == row.arm}
        assert curve[1.0] == pytest.approx(naive)
        assert curve[0.25] > curve[1.0] > curve[4.0]


def test_the_range_of_the_effect_reaches_zero_where_its_sign_is_open(before, after):
    section = readings(before, after).section()
    sign = section.signs[0]
    assert 1 < sign.resolved < sign.ratio
    ranges = {row.ratio: row for row in section.ranges}
    assert ranges[1.0].lower == ranges[1.0].upper == pytest.approx(sign.naive_effect)
    for ratio, row in ranges.items():
        assert (row.lower > 0) == (ratio < sign.ratio)


def test_without_a_strong_form_there_are_no_rows_of_it():
    users = users_of(strong_share=0.0)
    table = readings(users, users_of(1, strong_share=0.0), truth=False)
    section = table.section()
    assert {row.estimator for row in section.shares} == {"naive", "weighted", "doubly_robust"}
    assert table.effects() == []
    assert section.strong_asked == {"control": 0, "treatment": 0}
    assert section.bounds[0].lower == pytest.approx(users["answers_satisfied"].sum() / users["asked"].sum())
    assert "truth = true" in section.bounds[2].reasons["true"]
    assert "truth = true" in section.signs[0].reasons["true_effect"]


def test_what_cannot_be_told_has_a_reason(before):
    """Nobody of the treatment answers."""
    silent = before.assign(**{name: 0 for name in before.columns if "answer" in name or "satisfied" in name})
    table = readings(before, silent)
    rows = {row.estimator: row for row in table.section().shares if row.arm == "treatment"}
    assert {row.reasons["share"] for row in rows.values()} == {"nobody answered"}
    assert {row.reasons["effect"] for row in table.effects()} == {"treatment: nobody answered"}
    assert table.section().signs[0].reasons == {"ratio": "an arm has no answers of one kind, or too few"}


def test_one_user_has_a_share_without_an_error(before):
    row = readings(before.iloc[:1], before.iloc[:1]).section().shares[0]
    assert row.share is not None
    assert (row.standard_error, row.low) == (None, None)
    assert "too few answers" in row.reasons["standard_error"]


def test_a_slice_without_users_adds_nothing(before):
    whole = AnswerGroups.of(before)
    np.testing.assert_array_equal((whole + AnswerGroups.of(before.iloc[:0])).sums, whole.sums)


def test_a_test_in_which_nobody_is_asked_has_reasons_alone(before):
    """Not even a warning of a division."""
    nobody = before.assign(**{name: 0 * before[name] for name in before.columns if name != "user_id"})
    section = readings(nobody, nobody).section()
    assert {row.share for row in section.shares} == {None}
    assert {row.reasons["share"] for row in section.shares} == {"nobody answered"}
    assert section.bounds[0].reasons == {"lower": "nobody was asked", "true": "nobody was asked"}
    assert section.signs[0].ratio is None
