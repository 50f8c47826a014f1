"""Chance in training: lifts over the control of the same training, their mean and its error, by hand."""

import numpy as np
import pytest

from simulator.analysis.training_variance import trained_arms, training_rows
from simulator.reports.report import Estimate, MetricRow
from simulator.spec.experiment import ArmSpec


def arm(name, policy="base", seed=0, **options):
    return ArmSpec(name=name, policy=policy, options=options, training_seed=seed)


def row(name, lift, metric="AUT"):
    plain = Estimate(relative_effect=None, ci_low=None, ci_high=None, p_value=None)
    return MetricRow(
        metric=metric,
        label=f"{metric}, s",
        arm=name,
        baseline="a-0",
        control=1.0,
        treatment=1.0,
        effect=0.0,
        relative_effect=0.0,
        ci_low=None,
        ci_high=None,
        p_value=None,
        method="plain",
        plain=plain,
        true_relative_effect=lift,
        unit="s",
        better="up",
    )


TWICE = [arm("a-0"), arm("b-0", "easq"), arm("a-1", seed=1), arm("b-1", "easq", seed=1)]
LIFTS = [row("b-0", 0.1), row("a-1", 0.25), row("b-1", 0.5)]


def test_each_training_is_set_beside_the_controls_of_the_same_seed():
    (found,) = training_rows(TWICE, LIFTS)
    assert (found.treatment, found.baseline, found.metric, found.label) == ("b", "a", "AUT", "AUT, s")
    assert found.seeds == [0, 1]
    assert found.lifts == pytest.approx([0.1, 0.2])  # 1.5 / 1.25 - 1
    assert found.mean == pytest.approx(0.15)
    assert found.standard_error == pytest.approx(0.05)  # |.1 - .2| / 2
    assert found.high - found.mean == pytest.approx(0.05 * 12.706, rel=1e-4)  # t of one degree of freedom
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_the_interval_of_a_mean_holds_it_in_95_of_100_draws():
    rng = np.random.default_rng(5)
    n, held = 2_000, 0
    for lifts in rng.normal(0.01, 0.03, (n, 3)):
        arms = [arm("popular", "popular"), *(arm(f"b-{seed}", "easq", seed=seed) for seed in range(3))]
        (found,) = training_rows(arms, [row(f"b-{seed}", lift) for seed, lift in enumerate(lifts)])
        held += found.low <= 0.01 <= found.high
    assert abs(held / n - 0.95) < 3.5 * (0.95 * 0.05 / n) ** 0.5


def test_the_order_of_the_arms_does_not_matter_but_for_the_control():
    assert training_rows([TWICE[0], *reversed(TWICE[1:])], LIFTS[::-1]) == training_rows(TWICE, LIFTS)


def test_a_control_that_was_trained_once_stands_beside_every_training():
    arms = [arm("popular", "popular"), arm("b-0", "easq"), arm("b-1", "easq", seed=7)]
    (found,) = training_rows(arms, [row("b-0", 0.1), row("b-1", 0.5)])
    assert (found.treatment, found.baseline) == ("b", "popular")
    assert (found.seeds, found.lifts) == ([0, 7], [pytest.approx(0.1), pytest.approx(0.5)])


def test_a_training_without_a_control_of_its_seed_is_left_out():
    arms = [*TWICE, arm("b-2", "easq", seed=2)]
    assert training_rows(arms, [*LIFTS, row("b-2", 9.0)]) == training_rows(TWICE, LIFTS)
    assert training_rows([*TWICE[:3], arm("b-2", "easq", seed=2)], [*LIFTS[:2], row("b-2", 9.0)]) == []


def test_every_metric_with_truth_has_its_row():
    known = [row(each.arm, 0.0, "AVT") for each in LIFTS]
    found = training_rows(TWICE, [*LIFTS, *known, *[row(each.arm, None, "P2N") for each in LIFTS]])
    assert [each.metric for each in found] == ["AUT", "AVT"]
    assert (found[1].mean, found[1].standard_error) == (0.0, 0.0)


def test_options_are_told_apart():
    arms = [arm("a-0"), arm("b-0", top=1), arm("c-0", top=2), arm("b-1", seed=1, top=1), arm("c-1", seed=1, top=2)]
    found = training_rows(arms, [row(each.name, 0.1) for each in arms[1:]])
    assert [(each.treatment, each.baseline) for each in found] == [("b", "a-0"), ("c", "a-0")]


@pytest.mark.parametrize(
    "arms",
    [
        [arm("a-0"), arm("b-0", "easq")],
        [arm("a-0"), arm("a-1"), arm("a-2")],  # all the same: an A/A test
        [arm("a-0"), arm("a-1", seed=1)],  # the control's own trainings have nothing to be set beside
        [arm("a-0"), arm("b-0", "easq"), arm("b-1", "easq")],  # one training, served twice
    ],
)
def test_arms_trained_once_have_no_rows(arms):
    assert training_rows(arms, [row(each.name, 0.1) for each in arms[1:]]) == []


def test_arms_whose_names_have_nothing_in_common_go_by_the_first():
    arms = [arm("x"), arm("easq", "easq"), arm("y", seed=1), arm("other", "easq", seed=1)]
    (found,) = training_rows(arms, [row(each.name, 0.1) for each in arms[1:]])
    assert (found.treatment, found.baseline) == ("easq", "x")


def test_names_that_would_be_the_same_go_by_the_first():
    arms = [arm("t-0"), arm("t-1", "easq"), arm("t-2", seed=1), arm("t-3", "easq", seed=1)]
    (found,) = training_rows(arms, [row(each.name, 0.1) for each in arms[1:]])
    assert (found.treatment, found.baseline) == ("t-1", "t-0")


def test_what_an_arm_is_called_no_set_is_called():
    arms = [arm("a-0"), arm("b", "popular"), arm("b-0", "easq"), arm("b-1", "easq", seed=1), arm("a-1", seed=1)]
    assert trained_arms(arms) == {"a": {0: "a-0", 1: "a-1"}, "b": {0: "b"}, "b-0": {0: "b-0", 1: "b-1"}}


def test_a_control_whose_metric_fell_to_nothing_is_left_out():
    assert training_rows(TWICE, [row("b-0", 0.1), row("a-1", -1.0), row("b-1", 0.5)]) == []
