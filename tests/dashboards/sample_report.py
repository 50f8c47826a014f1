"""Reports as a run would write them, with made-up numbers that follow from the metric, arm and day alone."""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from simulator.reports.report import (
    ArmSummary,
    DayTotal,
    Estimate,
    Health,
    LookRow,
    Looks,
    MetricRow,
    QuestionnaireRow,
    Report,
    SecondOpinion,
    Stop,
)

CONTROL: Final = "control"
DAYS: Final = 7
SEGMENTS: Final = ("full_active", "high_active", "middle_active", "low_active", "UNKNOWN")


@dataclass(frozen=True)
class SampleMetric:
    """What a sample row of a metric looks like."""

    key: str
    label: str
    unit: str
    better: str
    level: float
    lift: float
    error: float


METRICS: Final = (
    SampleMetric("LT7", "LT7, active days", "days/user", "up", 4.812, 0.0021, 0.0019),
    SampleMetric("AVT", "AVT, watch s per view", "s/view", "up", 17.43, -0.0087, 0.0031),
    SampleMetric("AUT", "AUT, watch s per user-day", "s/user/day", "up", 312.4567, 0.0182, 0.0064),
    SampleMetric("P2N", "P2N, positives per hate", "ratio", "up", 78.25, 0.061, 0.038),
    SampleMetric("click_rate", "Click rate", "clicks/view", "up", 0.4312, 0.0121, 0.0024),
    SampleMetric("skip_rate", "Skip rate", "skips/view", "down", 0.2931, -0.0172, 0.0041),
    SampleMetric("hates_per_1000_views", "Hates per 1,000 views", "hates/1000 views", "down", 0.41, -0.052, 0.036),
    SampleMetric("answer_rate", "Questionnaires answered", "answers/shown", "neither", 0.081, 0.033, 0.021),
)


def estimate(lift: float, error: float) -> Estimate:
    return Estimate(relative_effect=lift, ci_low=lift - 1.96 * error, ci_high=lift + 1.96 * error, p_value=0.0312)


def metric_row(metric: SampleMetric, arm: str, *, shift: float = 0.0, wider: float = 1.0, **place) -> MetricRow:
    """An adjusted row whose plain estimate lies a little off, and whose truth lies inside the interval."""
    error = metric.error * wider
    lift = metric.lift + shift
    main, plain = estimate(lift, error), estimate(lift + 0.4 * error, 1.4 * error)
    return MetricRow(
        metric=metric.key,
        label=metric.label,
        arm=arm,
        baseline=CONTROL,
        control=metric.level,
        treatment=metric.level * (1 + lift),
        adjusted_control=metric.level * 0.99,
        adjusted_treatment=metric.level * 0.99 * (1 + lift),
        effect=metric.level * lift,
        effect_low=metric.level * (lift - 1.96 * error),
        effect_high=metric.level * (lift + 1.96 * error),
        **main.model_dump(),
        method="adjusted",
        plain=plain,
        cuped=estimate(lift + 0.1 * error, 1.1 * error),
        true_control=metric.level,
        true_treatment=metric.level * (1 + lift - 0.6 * error),
        true_relative_effect=lift - 0.6 * error,
        true_relative_effect_se=error / 4,
        unit=metric.unit,
        better=metric.better,
        **place,
    )


def without_estimate(row: MetricRow, reason: str) -> MetricRow:
    """The same row where nothing could be estimated."""
    nothing = Estimate(relative_effect=None, ci_low=None, ci_high=None, p_value=None)
    fields = ("effect", "relative_effect", "ci_low", "ci_high", "p_value", "true_relative_effect")
    gone = dict.fromkeys((*fields, "true_relative_effect_se", "effect_low", "effect_high"))
    return row.model_copy(
        update={**gone, "plain": nothing, "cuped": None, "method": "plain", "reasons": dict.fromkeys(fields, reason)}
    )


def without_truth(row: MetricRow) -> MetricRow:
    names = ("true_control", "true_treatment", "true_relative_effect", "true_relative_effect_se")
    return row.model_copy(update=dict.fromkeys(names))


def wave(*parts: object) -> float:
    """A number in [-1, 1] that depends on its parts alone."""
    text = "/".join(map(str, parts))
    return sum((i + 1) * ord(letter) for i, letter in enumerate(text)) % 201 / 100 - 1


def sample_report(treatments: tuple[str, ...] = ("treatment",), name: str = "demo") -> Report:
    """A finished test with a pre-period, the control and the given treatments."""
    arms = (CONTROL, *treatments)
    n = 20_000 / len(arms)
    return Report(
        name=name,
        seed=7,
        days=DAYS,
        pre_days=7,
        users=20_000,
        world="kuairand-pure",
        views_scale=0.1,
        arms=[_arm(arm, place, n) for place, arm in enumerate(arms)],
        metrics=[_score(metric, arm, place) for place, arm in enumerate(treatments) for metric in METRICS],
        daily=[_daily(metric, arm, day) for arm in treatments for day in range(DAYS) for metric in METRICS],
        totals=[_total(metric, arm, day) for arm in arms for day in range(-7, DAYS) for metric in METRICS],
        segments=[_segment(metric, arm, name) for name in SEGMENTS for arm in treatments for metric in METRICS[1:3]],
        health=_health(arms, n),
        questionnaire=[_questionnaire(arm, place) for place, arm in enumerate(arms)],
        **_beside().sections(CONTROL, treatments),
        multiplicity="holm",
        looks=_looks(treatments),
        second_opinion=SecondOpinion(
            engine="statsmodels 0.15.0", rows=26, effect_difference=8.7e-14, error_difference=7.8e-15
        ),
    )


def _beside() -> ModuleType:
    """The module beside this one that makes the sections (tests are no packages)."""
    if "sample_sections" not in sys.modules:
        spec = importlib.util.spec_from_file_location("sample_sections", Path(__file__).with_name("sample_sections.py"))
        sys.modules["sample_sections"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["sample_sections"])
    return sys.modules["sample_sections"]


def _looks(treatments: tuple[str, ...]) -> Looks:
    rows = [_look(metric, arm, days) for arm in treatments for metric in METRICS[1:4] for days in range(1, DAYS + 1)]
    return Looks(method="group-sequential", spending="obrien-fleming", alpha=0.05, rows=rows)


def _look(metric: SampleMetric, arm: str, days: int) -> LookRow:
    error = metric.error * (DAYS / days) ** 0.5
    lift = metric.lift + 0.5 * error * wave(metric.key, arm, days)
    group = None if days == 1 else (1 + days / DAYS) * error
    return LookRow(
        metric=metric.key,
        arm=arm,
        days=days,
        relative_effect=lift,
        ci_low=lift - 1.96 * error,
        ci_high=lift + 1.96 * error,
        group_low=None if group is None else lift - group,
        group_high=None if group is None else lift + group,
        always_low=lift - 3.1 * error,
        always_high=lift + 3.1 * error,
        true_relative_effect=metric.lift,
        information=days / DAYS,
        crossed=group is not None and abs(lift) > group,
        reasons={} if group is not None else {"group_low": "no error to spend at this look"},
    )


def stopped_report() -> Report:
    """The test ended after five of seven days; its guardrail held, one p-value is no longer small."""
    report = sample_report()
    main = {"adjusted_p_value": 0.0936, "sequential_low": -0.031, "sequential_high": 0.052}
    rows = [row.model_copy(update=main) if row.metric in ("AUT", "AVT", "P2N") else row for row in report.metrics]
    guarded = {"margin": 0.01, "guardrail": "passed"}
    rows = [row.model_copy(update=guarded) if row.metric == "LT7" else row for row in rows]
    stop = Stop(days=5, planned=7, reason="AUT of treatment: the interval, +0.10% to +2.00%, leaves out 0")
    return report.model_copy(update={"metrics": rows, "stopped": stop, "days": 5})


def _arm(arm: str, place: int, n: float) -> ArmSummary:
    policies = ("base", "satisfaction")
    return ArmSummary(name=arm, policy=policies[min(place, 1)], users=round(n) + 17 * place, share=n / 20_000)


def _score(metric: SampleMetric, arm: str, place: int) -> MetricRow:
    return metric_row(metric, arm, shift=place * 2 * metric.error)


def _daily(metric: SampleMetric, arm: str, day: int) -> MetricRow:
    return metric_row(metric, arm, shift=wave(metric.key, arm, day) * 1.5 * metric.error, wider=2.2, day=day)


def _segment(metric: SampleMetric, arm: str, segment: str) -> MetricRow:
    shift = wave(metric.key, arm, segment) * 2 * metric.error
    return metric_row(metric, arm, shift=shift, wider=2.0, segment=segment)


def _total(metric: SampleMetric, arm: str, day: int) -> DayTotal:
    lift = metric.lift if arm != CONTROL and day >= 0 else 0.0
    true = metric.level * (1 + lift + 0.01 * wave(metric.key, day))
    return DayTotal(
        arm=arm, day=day, metric=metric.key, value=true * (1 + 0.004 * wave(arm, day, metric.key)), true_value=true
    )


def _health(arms: tuple[str, ...], n: float) -> Health:
    checks = {f"{arm}/{metric}": (wave(arm, metric) + 1) / 2 for arm in arms[1:] for metric in ("AUT", "AVT", "P2N")}
    return Health(
        srm_p_value=0.4398,
        users_planned=dict.fromkeys(arms, n),
        users_seen={arm: round(n) + 17 * place for place, arm in enumerate(arms)},
        a_a=False,
        pre_period=checks,
        warnings=["segments left out, under 100 users in a bucket: 2_14_day_new"],
        **_beside().health_sections(arms),
    )


def _questionnaire(arm: str, place: int) -> QuestionnaireRow:
    return QuestionnaireRow(
        arm=arm,
        eligible=1_432_118 + 9_101 * place,
        exposed=14_321 + 80 * place,
        answered=1_161 + 70 * place,
        satisfied=840 + 60 * place,
        uncertain=190 + 4 * place,
        dissatisfied=131 + 6 * place,
        naive=0.7235 + 0.01 * place,
        weighted=0.6412 + 0.012 * place,
        doubly_robust=0.6387 + 0.011 * place,
        true_asked=0.6192 + 0.013 * place,
        true=0.6241 + 0.014 * place,
    )


def a_a_report() -> Report:
    """Both arms run the same policy: every true effect is exactly zero."""
    report = sample_report(("again",))
    zero = {"true_relative_effect": 0.0, "true_relative_effect_se": 0.0}
    return report.model_copy(
        update={
            "arms": [arm.model_copy(update={"policy": "base"}) for arm in report.arms],
            "metrics": [row.model_copy(update=zero) for row in report.metrics],
            "health": report.health.model_copy(update={"a_a": True}),
        }
    )


def report_with_nulls() -> Report:
    """P2N could not be told, neither over the test nor on day 3; nobody in the control answered; no truth."""
    report = sample_report()
    return report.model_copy(
        update={
            "metrics": [_lost(row, row.metric == "P2N") for row in report.metrics],
            "daily": [_lost(row, row.metric == "P2N" and row.day == 3) for row in report.daily],
            "segments": [_lost(row, row.segment == "UNKNOWN") for row in report.segments],
            "totals": [_hidden(total, total.metric == "P2N" and total.day == 3) for total in report.totals],
            "health": report.health.model_copy(
                update={"srm_p_value": None, "pre_period": {"treatment/AUT": None, "treatment/AVT": 0.5}}
            ),
            "questionnaire": [_silent(report.questionnaire[0]), report.questionnaire[1]],
        }
    )


def _lost(row: MetricRow, lost: bool) -> MetricRow:
    return without_truth(without_estimate(row, "no hates in a bucket") if lost else row)


def _hidden(total: DayTotal, lost: bool) -> DayTotal:
    return total.model_copy(update={"true_value": None, **({"value": None} if lost else {})})


def _silent(row: QuestionnaireRow) -> QuestionnaireRow:
    nobody = dict.fromkeys(("answered", "satisfied", "uncertain", "dissatisfied"), 0)
    unknown = dict.fromkeys(("naive", "weighted"))
    return row.model_copy(update={**nobody, **unknown, "reasons": dict.fromkeys(unknown, "nobody answered")})


def bare_report() -> Report:
    """A test of one day without pre-period, truth, segments, questionnaire or any check beyond bucket sizes."""
    report = sample_report()
    nothing = {name: [] for name in ("split_by_day", "split_by_segment", "resplits", "novelty", "too_good")}
    nothing["mixed_assignment"] = None
    return report.model_copy(
        update={
            "days": 1,
            "pre_days": 0,
            "metrics": [without_truth(row).model_copy(update={"method": "plain"}) for row in report.metrics],
            "daily": [],
            "totals": [],
            "segments": [],
            "questionnaire": [],
            **{name: [] for name in ("heterogeneity", "p2n", "distribution")},
            "answering": None,
            "multiplicity": "none",
            "looks": None,
            "second_opinion": None,
            "health": report.health.model_copy(update={"pre_period": {}, "warnings": [], **nothing}),
        }
    )
