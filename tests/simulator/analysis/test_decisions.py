"""Adjusted p-values against worked examples, guardrails against their intervals."""

from typing import Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

import simulator
from simulator.analysis.decisions import DecisionRules, adjust
from simulator.metrics import METRICS
from simulator.reports.report import Estimate, MetricRow

NOTHING = Estimate(relative_effect=None, ci_low=None, ci_high=None, p_value=None)


def row(
    metric: str, p: float | None, low: float | None = -0.005, high: float | None = 0.02, arm: str = "b"
) -> MetricRow:
    named = METRICS[metric]
    return MetricRow(
        metric=metric,
        label=named.label,
        arm=arm,
        baseline="a",
        control=1.0,
        treatment=1.0,
        effect=0.0,
        relative_effect=0.0,
        ci_low=low,
        ci_high=high,
        p_value=p,
        method="plain",
        plain=NOTHING,
        unit=named.unit,
        better=named.better,
        reasons={} if p is not None else {"p_value": "no hates"},
    )


def test_holm_is_that_of_the_textbook():
    """Four tests: the smallest times 4, the next times 3, and so on; never falling, never above 1."""
    assert adjust([0.01, 0.04, 0.03, 0.005], "holm") == pytest.approx([0.03, 0.06, 0.06, 0.02], abs=1e-12)


def test_benjamini_and_hochbergs_own_example():
    """JRSS B 1995, section 4.1: fifteen p-values of a trial; at 5% the first four are claimed, by Bonferroni three."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1,
    ]
    adjusted = adjust(p, "benjamini-hochberg")
    assert [q <= 0.05 for q in adjusted] == [True] * 4 + [False] * 11
    assert adjusted[3] == pytest.approx(0.0095 * 15 / 4, abs=1e-12)
    assert sum(q <= 0.05 for q in adjust(p, "holm")) == 3


def test_the_family_is_the_main_metrics_of_all_treatments():
    rows = [row(metric, p, arm=arm) for arm, p in (("b", 0.01), ("c", 0.04)) for metric in ("AUT", "P2N", "views")]
    judged = DecisionRules("holm").judge(rows)
    assert [r.adjusted_p_value for r in judged] == [0.04, 0.04, None, pytest.approx(0.08), pytest.approx(0.08), None]


def test_a_metric_that_could_not_be_tested_does_not_count():
    judged = DecisionRules("holm").judge([row("AUT", 0.03), row("P2N", None)])
    assert [r.adjusted_p_value for r in judged] == [0.03, None]
    assert judged[1].reasons["adjusted_p_value"] == "no hates"


def test_no_adjustment_leaves_rows_alone():
    rows = [row("AUT", 0.03)]
    assert DecisionRules().judge(rows) == rows


@pytest.mark.parametrize(
    ("metric", "low", "high", "verdict"),
    [
        ("LT7", -0.005, 0.02, "passed"),
        ("LT7", -0.015, 0.02, "unclear"),
        ("LT7", -0.03, -0.011, "failed"),
        ("LT7", -0.008, -0.002, "passed"),
        ("skip_rate", -0.02, 0.005, "passed"),
        ("skip_rate", -0.02, 0.015, "unclear"),
        ("skip_rate", 0.011, 0.03, "failed"),
        ("LT7", None, None, "unclear"),
    ],
)
def test_a_guardrail_is_judged_by_the_end_of_its_interval(metric: str, low, high, verdict: str):
    judged = DecisionRules(guardrails={metric: 0.01}).judge([row(metric, 0.5, low, high)])[0]
    assert (judged.guardrail, judged.margin) == (verdict, 0.01)


def test_a_guardrail_needs_a_good_direction():
    with pytest.raises(ValueError, match="want a metric with a good direction"):
        DecisionRules(guardrails={"answer_rate": 0.01}).judge([row("answer_rate", 0.5)])


def test_anybodys_frame_is_judged_through_the_package():
    rng = np.random.default_rng(2)
    users = pd.DataFrame(
        {"user_id": np.arange(600), "arm": list("abc") * 200, "days": 7, "watch_s": rng.lognormal(3, 1, 600)}
    )
    rows = simulator.analyse(users, [METRICS["AUT"]], "a", ["b", "c"], DecisionRules("holm", {"AUT": 0.05}))
    assert [r.adjusted_p_value for r in rows] == adjust([r.p_value for r in rows], "holm")
    assert all(r.guardrail for r in rows)
    with pytest.raises(AttributeError, match="No simulator attribute analyze"):
        simulator.analyze  # noqa: B018


@pytest.mark.parametrize("multiplicity", ["bonferroni", "Holm", ""])
def test_an_unknown_adjustment_is_refused(multiplicity):
    judging = DecisionRules()
    object.__setattr__(judging, "multiplicity", multiplicity)  # the tests' shape checks would stop it before
    with pytest.raises(ValueError, match="given, want one of holm, benjamini-hochberg, none"):
        judging.__post_init__()


@pytest.mark.parametrize("margin", [-0.5, 0.0, 1.0, 2.0, float("nan")])
def test_a_margin_is_a_share(margin):
    with pytest.raises(ValueError, match=r"guardrail 'AUT': margin .* given, want a share between 0 and 1: 0.01 is 1%"):
        DecisionRules(guardrails={"AUT": margin})


def test_a_guardrail_without_a_row_is_refused():
    with pytest.raises(ValueError, match="guardrail 'LT7' given, want one of the metrics that are compared: AUT"):
        DecisionRules(guardrails={"LT7": 0.01}).judge([row("AUT", 0.03)])


@pytest.mark.parametrize(("ours", "theirs"), [("holm", "holm"), ("benjamini-hochberg", "fdr_bh")])
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_p_values_are_adjusted_as_by_statsmodels(
    ours: Literal["holm", "benjamini-hochberg"], theirs: str, p_values: list[float]
):
    assert adjust(p_values, ours) == pytest.approx(multipletests(p_values, method=theirs)[1].tolist(), rel=1e-12)
