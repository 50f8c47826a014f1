"""The decision on each treatment: its word, its reasons, and the intervals it goes by."""

import pytest

from dashboards.text.decision import decide, findings, valid_rows

CLEAR_UP = {"relative_effect": 0.02, "ci_low": 0.01, "ci_high": 0.03}
CLEAR_DOWN = {"relative_effect": -0.02, "ci_low": -0.03, "ci_high": -0.01}
UNCLEAR = {"relative_effect": 0.0, "ci_low": -0.01, "ci_high": 0.01}


def with_metrics(report, arm="treatment", **changes):
    """The report with fields of some metrics changed, by key."""
    rows = [
        row.model_copy(update=changes[row.metric]) if row.metric in changes and row.arm == arm else row
        for row in report.metrics
    ]
    return report.model_copy(update={"metrics": rows})


def with_health(report, **changes):
    return report.model_copy(update={"health": report.health.model_copy(update=changes)})


@pytest.mark.parametrize(
    ("aut", "avt", "word"),
    [
        (CLEAR_UP, UNCLEAR, "Better"),
        (UNCLEAR, CLEAR_DOWN, "Worse"),
        (CLEAR_UP, CLEAR_DOWN, "Mixed"),
        (UNCLEAR, UNCLEAR, "No clear change"),
    ],
)
def test_the_word_follows_from_the_main_metrics(report, aut, avt, word):
    (decision,) = decide(with_metrics(report, AUT=aut, AVT=avt, P2N=UNCLEAR))
    assert decision.word == word
    assert [each.row.metric for each in decision.headline] == ["AUT", "AVT", "P2N"]


def test_a_fall_is_better_where_less_is_good(report):
    (decision,) = decide(with_metrics(report, AUT=CLEAR_DOWN | {"better": "down"}, AVT=UNCLEAR, P2N=UNCLEAR))
    assert decision.word == "Better"
    assert decision.headline[0].change == "better"


@pytest.mark.parametrize(
    ("aut", "guardrail", "word"),
    [
        (CLEAR_UP, "failed", "Mixed"),
        (UNCLEAR, "failed", "Worse"),
        (CLEAR_UP, "unclear", "Better"),
        (CLEAR_UP, "passed", "Better"),
    ],
)
def test_a_broken_guardrail_counts_as_worse(report, aut, guardrail, word):
    guarded = {"guardrail": guardrail, "margin": 0.02}
    (decision,) = decide(with_metrics(report, AUT=aut, AVT=UNCLEAR, P2N=UNCLEAR, LT7=guarded))
    assert decision.word == word
    said = {
        "failed": "broken, the loss is larger than 2%",
        "unclear": "a loss of 2% is not ruled out",
        "passed": "kept",
    }
    assert decision.reason.startswith("Guardrails: LT7 ")
    assert said[guardrail] in decision.reason


def test_a_split_that_is_off_is_not_trusted_whatever_the_metrics_say(report):
    (decision,) = decide(with_health(with_metrics(report, AUT=CLEAR_UP), srm_p_value=1e-7))
    assert decision.word == "Do not trust"
    assert "Bucket sizes differ from plan" in decision.reason
    assert not decision.sound


def test_users_in_two_arms_are_not_trusted(report):
    mixed = report.health.mixed_assignment.model_copy(update={"users": 40, "verdict": "fail"})
    (decision,) = decide(with_health(report, mixed_assignment=mixed))
    assert (decision.word, decision.reason[:8]) == ("Do not trust", "40 users")


def test_an_a_a_test_may_not_find_anything(report):
    quiet = with_health(with_metrics(report, AUT=UNCLEAR, AVT=UNCLEAR, P2N=UNCLEAR), a_a=True)
    assert decide(quiet)[0].word == "No clear change"
    assert decide(with_metrics(quiet, AUT=CLEAR_UP))[0].word == "Do not trust"


def test_no_estimate_is_no_decision(report):
    bare = report.model_copy(update={"metrics": [row for row in report.metrics if row.metric == "LT7"]})
    assert decide(bare)[0].word == "Do not trust"


def test_each_treatment_has_its_own_decision(samples):
    report = samples.sample_report(("good", "bad"))
    report = with_metrics(report, "good", AUT=CLEAR_UP, AVT=UNCLEAR, P2N=UNCLEAR)
    report = with_metrics(report, "bad", AUT=CLEAR_DOWN, AVT=UNCLEAR, P2N=UNCLEAR)
    assert [(each.arm, each.word) for each in decide(report)] == [("good", "Better"), ("bad", "Worse")]


def test_a_change_lost_among_several_metrics_is_not_clear(report):
    lost = with_metrics(report, AUT=CLEAR_UP | {"adjusted_p_value": 0.06}, AVT=UNCLEAR, P2N=UNCLEAR)
    (decision,) = decide(lost)
    assert decision.word == "No clear change"
    assert (decision.headline[0].p_name, decision.headline[0].p_value) == ("adjusted p", 0.06)


def test_where_a_run_looks_its_intervals_hold_over_all_looks(report):
    looked = {"sequential_low": -0.004, "sequential_high": 0.044}
    (row,) = (row for row in valid_rows(with_metrics(report, AUT=CLEAR_UP | looked)) if row.metric == "AUT")
    assert (row.ci_low, row.ci_high) == (-0.004, 0.044)
    (finding,) = (each for each in findings(with_metrics(report, AUT=CLEAR_UP | looked)) if each.row.metric == "AUT")
    assert (finding.change, finding.interval_name) == ("unclear", "95% interval over all looks")
    fixed = report.looks.model_copy(update={"method": "fixed"})
    once = with_metrics(report, AUT=CLEAR_UP | looked).model_copy(update={"looks": fixed})
    assert next(row for row in valid_rows(once) if row.metric == "AUT").ci_low == 0.01


def test_after_an_early_stop_no_p_is_given_and_unlooked_metrics_are_not_judged(samples):
    (decision,) = decide(samples.stopped_report())
    assert {each.p_name for each in decision.headline} == {""}
    assert "do not hold after an early stop" in decision.others


def test_the_other_metrics_have_a_line(report):
    changes = dict.fromkeys(("LT7", "hates_per_1000_views"), UNCLEAR)
    (decision,) = decide(with_metrics(report, click_rate=CLEAR_UP, skip_rate=CLEAR_UP, **changes))
    assert (
        decision.others == "Of 4 other metrics 1 worse (Skip rate) and 1 better (Click rate), each by its own interval."
    )
    (still,) = decide(with_metrics(report, click_rate=UNCLEAR, skip_rate=UNCLEAR, **changes))
    assert still.others == "None of 4 other metrics moved clearly."


def test_truth_is_inside_or_missed(report):
    (decision,) = decide(with_metrics(report, AUT=CLEAR_UP | {"true_relative_effect": 0.05}))
    assert [each.truth for each in decision.headline] == ["missed", "covered", "covered"]
