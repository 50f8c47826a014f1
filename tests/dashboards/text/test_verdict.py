"""The sentences above the result."""

from dashboards.tables.comparison import sides
from dashboards.tables.scorecard import score_lines
from dashboards.text.decision import split_is_off
from dashboards.text.verdict import brief, verdict
from simulator.reports.sections import TrainingRow


def outcome(report) -> str:
    return next(line for line in verdict(report) if line.startswith("treatment"))


def with_metric(report, key, **changes):
    rows = [row.model_copy(update=changes) if row.metric == key else row for row in report.metrics]
    return report.model_copy(update={"metrics": rows})


def test_each_treatment_has_its_sentence_with_estimate_and_truth(report):
    assert outcome(report) == (
        "treatment (satisfaction) against control (base): Mixed. AUT +1.82% (+0.57% to +3.07%), better; "
        "AVT −0.87% (−1.48% to −0.26%), worse; P2N +6.10% (−1.35% to +13.55%), no clear change. "
        "True effect: AUT +1.44% (inside), AVT −1.06% (inside), P2N +3.82% (inside)."
    )


def test_less_is_better_where_the_metric_says_so(report):
    assert "AVT −0.87% (−1.48% to −0.26%), better" in outcome(with_metric(report, "AVT", better="down"))
    assert "AVT −0.87% (−1.48% to −0.26%), lower" in outcome(with_metric(report, "AVT", better="neither"))


def test_an_interval_that_touches_zero_is_not_clear(report):
    assert "AUT +1.82% (0% to +3.07%), no clear change" in outcome(with_metric(report, "AUT", ci_low=0.0))


def test_a_change_that_is_lost_among_several_metrics_is_not_clear(report):
    """Its own interval leaves out zero, its adjusted p-value does not."""
    lost, kept = (with_metric(report, "AUT", ci_low=0.001, adjusted_p_value=p) for p in (0.06, 0.04))
    assert "no clear change among several metrics (adjusted p = 0.06" in outcome(lost)
    assert "AUT +1.82% (+0.10% to +3.07%), better" in outcome(kept)
    assert "AUT better" in brief(kept)
    assert "AUT better" not in brief(lost)


def test_a_missing_estimate_gives_its_reason(samples):
    sentence = outcome(samples.report_with_nulls())
    assert "P2N missing (no hates in a bucket)" in sentence
    assert "True effect" not in sentence
    assert "not simulated" in sentence


def test_a_broken_split_comes_before_everything(report):
    health = report.health.model_copy(update={"srm_p_value": 2e-5})
    broken = report.model_copy(update={"health": health})
    assert split_is_off(broken)
    assert "Do not trust. Bucket sizes differ from plan" in verdict(broken)[0]
    assert not split_is_off(report)


def test_an_a_a_test_says_so(samples):
    assert any(line.startswith("A/A test: all arms run the same policy") for line in verdict(samples.a_a_report()))


def test_adjustments_are_named(report, samples):
    assert "use what users did before the test" in " ".join(verdict(report))
    assert "use nothing from before the test" in " ".join(verdict(samples.bare_report()))


def test_a_report_without_headline_metrics_still_has_a_verdict(report):
    rows = [row for row in report.metrics if row.metric == "LT7"]
    bare = report.model_copy(update={"metrics": rows})
    assert outcome(bare) == (
        "treatment (satisfaction) against control (base): Do not trust. There is no estimate of AUT, AVT or P2N."
    )


def test_what_the_intervals_bear_is_named(report, samples):
    assert "Adjusted p: Holm" in " ".join(verdict(report))
    assert "are group-sequential ones, which hold over all 7 looks" in " ".join(verdict(report))
    assert "not corrected for several metrics and arms or early looks" in " ".join(verdict(samples.bare_report()))


def test_a_test_that_stopped_says_so_and_guardrails_have_a_sentence(samples):
    said = verdict(samples.stopped_report())
    assert said[0].startswith("Stopped after 5 of 7 days. AUT of treatment")
    assert "Guardrails: LT7 kept." in said[1]


def test_the_second_opinion_is_told_or_why_there_is_none(report):
    assert any(line.startswith("Second opinion by statsmodels 0.15.0 on 26 estimates") for line in verdict(report))
    none = report.second_opinion.model_copy(update={"effect_difference": None, "reason": "too many users"})
    assert "No second opinion: too many users." in verdict(report.model_copy(update={"second_opinion": none}))


def test_chance_in_training_has_a_sentence(report):
    rows = [
        TrainingRow(
            treatment=treatment,
            baseline="emer",
            metric=metric,
            label=metric,
            seeds=[0, 1],
            lifts=[0.0, 0.02],
            mean=0.01,
            standard_error=0.01,
            low=-0.1171,
            high=0.1371,
        )
        for treatment in ("easq", "part")
        for metric in ("AUT", "click_rate", "AVT")
    ]
    said = [line for line in verdict(report.model_copy(update={"trainings": rows})) if "trainings" in line]
    ends = "\N{MINUS SIGN}11.71% to +13.71%"
    assert said == [
        f"{treatment} against emer, mean of 2 trainings: true effect AUT +1.00% ({ends}), AVT +1.00% ({ends})."
        for treatment in ("easq", "part")
    ]
    assert not any("trainings" in line for line in verdict(report))


def stopped_with(samples, **ends):
    """The stopped report whose AUT is better by the interval for one look."""
    report = samples.stopped_report()
    one_look = {"relative_effect": 0.02, "ci_low": 0.01, "ci_high": 0.03, "adjusted_p_value": 0.001, **ends}
    rows = [row.model_copy(update=one_look) if row.metric == "AUT" else row for row in report.metrics]
    return report.model_copy(update={"metrics": rows})


def test_after_an_early_stop_the_interval_over_all_looks_is_quoted(samples):
    report = stopped_with(samples, sequential_low=-0.004, sequential_high=0.044)
    said = " ".join(verdict(report))
    assert "AUT +2.00% (−0.40% to +4.40%), no clear change" in said
    assert "other intervals and p hold for one look only" in said
    assert "AUT" in next(part for part in brief(report).split(", ") if "unclear" in part)
    shown = (sides({"run": report})[0].cells["AUT"].interval, score_lines(report)[0].interval)
    assert shown == ("−0.40% to +4.40%",) * 2
    ended = report.model_copy(update={"stopped": None})
    assert "AUT" in next(
        part for part in brief(ended).split(", ") if "unclear" in part
    )  # it was looked at all the same
    unlooked = ended.model_copy(update={"looks": None})
    assert "AUT better" in brief(unlooked)


def test_without_an_interval_over_all_looks_an_early_stop_says_why(samples):
    reasons = {"sequential_low": "no error to spend at this look"}
    report = stopped_with(samples, sequential_low=None, sequential_high=None, reasons=reasons)
    assert "AUT missing (no error to spend at this look)" in " ".join(verdict(report))
    assert "AUT missing" in brief(report)
