"""Tables in words: every cell is text, ready to be escaped and shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from dashboards.text import formatting
from dashboards.text.decision import findings, truth_in_interval
from simulator.reports.report import MetricRow, Number, QuestionnaireRow, Report

TEXT_COLUMNS: Final = frozenset(
    {"Metric", "Arm", "Policy", "Method", "Target", "Verdict", "Check", "Found", "Feature", "Side", "Estimator"}
    | {"Did", "Questionnaire", "Parameter", "Table", "Figure", "Meaning", "Source", "Change", "Truth"}
)
"""Headings of columns that hold names; all others hold numbers."""


@final
@dataclass(frozen=True)
class ScoreLine:
    """One metric and treatment of the scorecard.

    Attributes:
        metric: Label with the unit.
        arm: The treatment.
        control: Mean of the control bucket, as it was.
        treatment: Mean of the treatment bucket, as it was.
        lift: Estimated lift.
        interval: Its 95% interval.
        change: What the test concludes: better, worse, higher, lower, unclear or missing.
        true_lift: Lift with every user under both arms.
        truth: Whether the interval covers the true lift: covered, missed, or empty where that is not known.
        p_value: Two-sided.
        adjusted_p: The same adjusted for the number of main metrics and treatments.
        sequential: Interval of the lift that holds over all looks.
        method: How the lift was estimated.
        adjusted_control: The mean that the lift is relative to.
        adjusted_treatment: The mean that is compared with it.
    """

    metric: str
    arm: str
    control: str
    treatment: str
    lift: str
    interval: str
    change: str
    true_lift: str
    truth: str
    p_value: str
    adjusted_p: str
    sequential: str
    method: str
    adjusted_control: str
    adjusted_treatment: str


SCORE_HEADINGS: Final = (
    "Metric",
    "Arm",
    "Control",
    "Treatment",
    "Lift",
    "95% interval",
    "Change",
    "True lift",
    "Truth",
    "p",
    "Adjusted p",
    "Over all looks",
    "Method",
    "Adjusted control",
    "Adjusted treatment",
)
"""One heading per field of `ScoreLine`."""


def score_lines(report: Report) -> list[ScoreLine]:
    """Make the scorecard: headline metrics, guardrails, then the others; treatments in the order of the arms."""
    return [_score_line(finding.row, finding.change) for finding in findings(report)]


def _score_line(row: MetricRow, change: str) -> ScoreLine:
    return ScoreLine(
        metric=row.label,
        arm=row.arm,
        control=formatting.number(row.control),
        treatment=formatting.number(row.treatment),
        lift=formatting.lift(row.relative_effect),
        interval=formatting.interval(row.ci_low, row.ci_high),
        change=change,
        true_lift=with_error(row.true_relative_effect, row.true_relative_effect_se),
        truth=truth_in_interval(row),
        p_value=formatting.p_value(row.p_value),
        adjusted_p="" if row.adjusted_p_value is None else formatting.p_value(row.adjusted_p_value),
        sequential="" if row.sequential_low is None else formatting.interval(row.sequential_low, row.sequential_high),
        method="plain" if row.method == "plain" else "adjusted",
        adjusted_control=formatting.number(row.adjusted_control),
        adjusted_treatment=formatting.number(row.adjusted_treatment),
    )


def with_error(value: Number, error: Number) -> str:
    """A true lift and its standard error."""
    return formatting.lift(value) if error is None or value is None else f"{formatting.lift(value)} ± {error:.2%}"


def score_notes(report: Report) -> list[str]:
    """One line per row of the scorecard that has something to explain: what is missing, and warnings."""
    return [f"{_name(row)}: {_said(row)}" for row in report.metrics if row.reasons]


def answer_notes(report: Report) -> list[str]:
    """One line per arm whose questionnaire has something to explain."""
    return [f"{row.arm}: {_said(row)}" for row in report.questionnaire if row.reasons]


def missing_notes(rows: Sequence[MetricRow]) -> list[str]:
    """One line per null estimate: which, and why."""
    return [
        f"{_name(row)}: {formatting.MISSING}, {formatting.why(row.reasons, 'relative_effect')}"
        for row in rows
        if row.relative_effect is None
    ]


def _said(row: MetricRow | QuestionnaireRow) -> str:
    """All reasons of a row; those that say the same are said once."""
    return "; ".join(dict.fromkeys(row.reasons.values()))


def _name(row: MetricRow) -> str:
    day = [] if row.day is None else [f"day {row.day}"]
    segment = [] if row.segment is None else [formatting.segment_words(row.segment)]
    return ", ".join([row.label.partition(", ")[0], row.arm, *day, *segment])


@final
@dataclass(frozen=True)
class BucketLine:
    """One arm of the test."""

    arm: str
    policy: str
    share: str
    planned: str
    seen: str


BUCKET_HEADINGS: Final = ("Arm", "Policy", "Planned share", "Users planned", "Users seen")
"""One heading per field of `BucketLine`."""


def bucket_lines(report: Report) -> list[BucketLine]:
    """The arms, control first."""
    health = report.health
    return [
        BucketLine(
            arm=arm.name,
            policy=arm.policy,
            share=formatting.share(arm.share),
            planned=formatting.count(health.users_planned.get(arm.name)),
            seen=formatting.count(health.users_seen.get(arm.name)),
        )
        for arm in report.arms
    ]


@final
@dataclass(frozen=True)
class AnswerLine:
    """One arm's questionnaire: counts down the funnel, then the satisfied share each way."""

    arm: str
    eligible: str
    asked: str
    answered: str
    satisfied: str
    uncertain: str
    dissatisfied: str
    naive: str
    weighted: str
    robust: str
    true_asked: str
    true: str


ANSWER_HEADINGS: Final = (
    "Arm",
    "May be asked",
    "Asked",
    "Answered",
    "Satisfied",
    "Uncertain",
    "Dissatisfied",
    "Naive share",
    "Weighted share",
    "Doubly robust",
    "True: all asked",
    "Truly satisfied (latent)",
)
"""One heading per field of `AnswerLine`."""


def answer_lines(report: Report) -> list[AnswerLine]:
    """The questionnaire per arm."""
    return [_answer_line(row) for row in report.questionnaire]


def _answer_line(row: QuestionnaireRow) -> AnswerLine:
    return AnswerLine(
        arm=row.arm,
        eligible=formatting.count(row.eligible),
        asked=formatting.count(row.exposed),
        answered=formatting.count(row.answered),
        satisfied=formatting.count(row.satisfied),
        uncertain=formatting.count(row.uncertain),
        dissatisfied=formatting.count(row.dissatisfied),
        naive=formatting.share(row.naive),
        weighted=formatting.share(row.weighted),
        robust=formatting.share(row.doubly_robust),
        true_asked=formatting.share(row.true_asked),
        true=formatting.share(row.true),
    )
