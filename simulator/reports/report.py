"""The report of a run, `report.json`.

Non-finite numbers are `null`, and `reasons` says why, under the field's name.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, final

from pydantic import Field, model_validator

from simulator.errors import RunFolderError as RunFolderError  # noqa: PLC0414 (for readers of reports)
from simulator.reports.document import Document, Kind, Number, Row
from simulator.reports.looks import LookRow as LookRow  # noqa: PLC0414 (for readers of reports)
from simulator.reports.looks import Looks, SecondOpinion, Stop
from simulator.reports.sections import (
    Answering,
    Heterogeneity,
    MixedAssignment,
    Novelty,
    P2NSide,
    QuantileEffect,
    Resplits,
    SplitCheck,
    TooGood,
    TrainingRow,
)

AUDIT_BEGUN: Final = "audit-plan.json"
"""File that every audit's folder has from the start and no run's folder has."""
FORMAT: Final = 1
"""Version of `report.json`."""
_BY_ARM: Final = ("metrics", "daily", "totals", "segments", "questionnaire", "p2n", "distribution", "worlds")
"""Lists whose rows are each about an arm."""


@final
class ArmSummary(Row):
    """Summary of one bucket."""

    name: str
    policy: str
    users: int
    share: float


@final
class Estimate(Row):
    """Lift by one method, with its 95% interval and errors.

    Attributes:
        relative_effect: Lift over the size of control.
        ci_low: Lower end of its 95% interval.
        ci_high: Upper end of its 95% interval.
        p_value: Two-sided p-value, on the scale of the interval.
        standard_error: Standard error of the difference, in the metric's unit; None in reports of older versions.
        log_standard_error: Standard error of the logarithm of 1 + lift; None in reports of older versions.
    """

    relative_effect: Number
    ci_low: Number
    ci_high: Number
    p_value: Number
    standard_error: Number = None
    log_standard_error: Number = None


@final
class MetricRow(Row):
    """Effect of one treatment against control on one metric.

    Attributes:
        metric: Key, such as `AUT`.
        label: Label for display, with the unit.
        arm: The treatment arm.
        baseline: The control arm.
        control: Mean of the control bucket, unadjusted, in `unit`.
        treatment: Mean of the treatment bucket, unadjusted.
        adjusted_control: Mean of control adjusted by the covariates of `method`; the lift is relative to it.
        adjusted_treatment: Mean of treatment, adjusted likewise.
        effect: Absolute difference estimated by `method`.
        effect_low: Lower end of its 95% interval.
        effect_high: Upper end of its 95% interval.
        relative_effect: Lift over the size of control estimated by `method`; .01 is +1%.
        ci_low: Lower end of the lift's 95% interval.
        ci_high: Upper end of the lift's 95% interval.
        p_value: Two-sided p-value, on the scale of the lift's interval; of the difference's without a lift.
        standard_error: Standard error of `effect`, in `unit`; None in reports of older versions.
        log_standard_error: Standard error of the logarithm of 1 + lift; None in reports of older versions.
        method: `adjusted` (by both sides of the metric before the test) or `plain`; `cuped` in older reports.
        plain: The estimate without covariates; equals the main one if `method` is `plain`.
        cuped: The estimate with one covariate, the ratio before the test; None without a pre-period.
        true_control: The metric with every user under control, or None without truth.
        true_treatment: The metric with every user under treatment, or None without truth.
        true_relative_effect: Lift with every user under both arms, or None without truth.
        true_relative_effect_se: Standard error of that lift over users and shared noise (paired).
        unit: Unit of control and treatment.
        better: Direction of an improvement.
        day: Day of the test for a daily row, None for the whole test.
        feature: Feature of a segment row, None for all users.
        segment: Level of that feature.
        segment_p_adjusted: p-value after Benjamini and Hochberg over the levels of the feature.
        reasons: Reason why a number is null, by field; also warnings under `note`.
        adjusted_p_value: For main metrics: p-value adjusted for the number of main metrics and treatments.
        margin: For guardrails: the acceptable relative loss.
        guardrail: `passed` if the valid interval of the lift rules out a larger loss, `failed` if a smaller one.
        sequential_low: For main metrics and guardrails: lower end of the lift's interval over all looks.
        sequential_high: Upper end of that interval.
    """

    metric: str
    label: str
    arm: str
    baseline: str
    control: Number
    treatment: Number
    adjusted_control: Number = None
    adjusted_treatment: Number = None
    effect: Number
    effect_low: Number = None
    effect_high: Number = None
    relative_effect: Number
    ci_low: Number
    ci_high: Number
    p_value: Number
    standard_error: Number = None
    log_standard_error: Number = None
    method: Literal["adjusted", "cuped", "plain"]
    plain: Estimate
    cuped: Estimate | None = None
    true_control: Number = None
    true_treatment: Number = None
    true_relative_effect: Number = None
    true_relative_effect_se: Number = None
    unit: str
    better: Literal["up", "down", "neither"]
    day: int | None = None
    feature: str | None = None
    segment: str | None = None
    segment_p_adjusted: Number = None
    reasons: dict[str, str] = Field(default_factory=dict)
    adjusted_p_value: Number = None
    margin: Number = None
    guardrail: Literal["passed", "failed", "unclear"] | None = None
    sequential_low: Number = None
    sequential_high: Number = None

    def updated(self, values: Mapping[str, object], reasons: Mapping[str, str]) -> "MetricRow":
        """Replace fields, and add reasons for fields that are null."""
        return self.model_copy(update={**values, "reasons": {**self.reasons, **reasons}})

    def over_all_looks(self) -> "MetricRow":
        """Replace the row's interval by that over all looks, if it has one."""
        if self.sequential_low is None and "sequential_low" not in self.reasons:
            return self
        return self.model_copy(update={"ci_low": self.sequential_low, "ci_high": self.sequential_high})


@final
class Health(Row):
    """Whether the split can be trusted.

    Attributes:
        srm_p_value: Chi-square test of bucket sizes against planned shares; below .001 is an alarm.
        users_planned: Expected users per arm.
        users_seen: Assigned users per arm.
        a_a: True when all arms have the same policy and options.
        pre_period: p-value of each treatment's difference before the test, by `arm/metric`.
        warnings: Warnings, one line each.
        split_by_day: Active users per arm, by day.
        split_by_segment: Users per arm within levels of features.
        mixed_assignment: Users in more than one arm.
        resplits: A/A tests by re-splits of the run's users, one entry per main metric.
        a_a_significant: Main metrics that are significant at 5% although all arms are equal.
        novelty: Effects that fade or grow.
        too_good: Lifts that are suspiciously large.
    """

    srm_p_value: Number
    users_planned: dict[str, float]
    users_seen: dict[str, int]
    a_a: bool
    pre_period: dict[str, Number]
    warnings: list[str]
    split_by_day: list[SplitCheck] = Field(default_factory=list[SplitCheck])
    split_by_segment: list[SplitCheck] = Field(default_factory=list[SplitCheck])
    mixed_assignment: MixedAssignment | None = None
    resplits: list[Resplits] = Field(default_factory=list[Resplits])
    a_a_significant: list[str] = Field(default_factory=list)
    novelty: list[Novelty] = Field(default_factory=list[Novelty])
    too_good: list[TooGood] = Field(default_factory=list[TooGood])


@final
class QuestionnaireRow(Row):
    """Questionnaire funnel of one arm's bucket, and the satisfied share by each estimator.

    Attributes:
        arm: Name of the bucket's arm.
        eligible: Views that may bring a questionnaire.
        exposed: Questionnaires shown.
        answered: Answers given.
        satisfied: Answers `satisfied`.
        uncertain: Answers `uncertain`.
        dissatisfied: Answers `dissatisfied`.
        naive: Satisfied share of answers.
        weighted: Satisfied share of answers, weighted by inverse estimated answering propensities.
        doubly_robust: Weighted share, corrected by a model of the answers.
        true: Share of eligible views that truly satisfied; this is another quantity than the estimators'.
        true_asked: Share of asked views that would be answered `satisfied` if all were: the estimators' target.
        reasons: Reason why a number is null, by field.
    """

    arm: str
    eligible: int
    exposed: int
    answered: int
    satisfied: int
    uncertain: int
    dissatisfied: int
    naive: Number
    weighted: Number
    doubly_robust: Number = None
    true: Number
    true_asked: Number = None
    reasons: dict[str, str] = Field(default_factory=dict)


@final
class DayTotal(Row):
    """Value of a metric in one arm's bucket on one day; days before the test are negative.

    Attributes:
        true_value: Value with every user under the arm, None without truth.
    """

    arm: str
    day: int
    metric: str
    value: Number
    true_value: Number = None


@final
class WorldRow(Row):
    """Metric of one arm in the mixed world and in its own world, where it serves all users.

    An arm that learns has less data in the mixed world, so the same users can differ between the worlds (interference).

    Attributes:
        all_arm: Value of all users under the arm.
        bucket: Value of the arm's bucket in the mixed world.
        bucket_alone: Value of the same users in the arm's own world.
        mixed_effect: Lift of the bucket over control's, unadjusted.
        split_effect: Lift of the same users in their arms' own worlds, without interference.
        true_effect: Lift with all users under each arm.
        interference_bias: `mixed_effect` minus `split_effect`.
        interference_bias_se: Its standard error over users (paired); exactly 0 if no arm learns.
        reasons: Reason why a number is null, by field.
    """

    metric: str
    arm: str
    all_arm: Number
    bucket: Number
    bucket_alone: Number
    mixed_effect: Number
    split_effect: Number
    true_effect: Number
    interference_bias: Number
    interference_bias_se: Number
    reasons: dict[str, str] = Field(default_factory=dict)


@final
class Report(Document):
    """Results of a run."""

    file: ClassVar = "report.json"
    kind: ClassVar = Kind(f"a report of format {FORMAT}", "askew run --out", "run `askew report` to write it anew")
    format: Literal[1] = FORMAT
    name: str
    seed: int
    days: Annotated[int, Field(ge=1)]
    pre_days: int
    users: int
    world: str
    views_scale: float
    arms: list[ArmSummary]
    metrics: list[MetricRow]
    daily: list[MetricRow]
    totals: list[DayTotal]
    segments: list[MetricRow]
    health: Health
    questionnaire: list[QuestionnaireRow]
    heterogeneity: list[Heterogeneity] = Field(default_factory=list[Heterogeneity])
    answering: Answering | None = None
    p2n: list[P2NSide] = Field(default_factory=list[P2NSide])
    distribution: list[QuantileEffect] = Field(default_factory=list[QuantileEffect])
    worlds: list[WorldRow] = Field(default_factory=list[WorldRow])
    multiplicity: Literal["holm", "benjamini-hochberg", "none"] = "none"
    looks: Looks | None = None
    stopped: Stop | None = None
    second_opinion: SecondOpinion | None = None
    trainings: list[TrainingRow] = Field(default_factory=list[TrainingRow])

    @model_validator(mode="after")
    def _consistent(self) -> "Report":
        """Check that names of arms differ, and that rows are about known arms and days."""
        names = [arm.name for arm in self.arms]
        if len(set(names)) < max(2, len(names)):
            raise ValueError(f"arms: names {names} given, want two or more, all different")
        for section in _BY_ARM:
            arms = [row.arm for row in getattr(self, section)]
            first_unknown = next((index for index, arm in enumerate(arms) if arm not in names), None)
            if first_unknown is not None:
                raise ValueError(
                    f"{section}.{first_unknown}.arm: {arms[first_unknown]!r} given, want one of {', '.join(names)}"
                )
        for index, check in enumerate(self.health.split_by_day):
            if not re.fullmatch(r"day \d+", check.within):
                raise ValueError(f"health.split_by_day.{index}.within: {check.within!r} given, want such as 'day 3'")
        return self

    def valid_metrics(self) -> list[MetricRow]:
        """Scorecard with the valid intervals: after an early stop, those over all looks."""
        return self.metrics if self.stopped is None else [row.over_all_looks() for row in self.metrics]


load_report: Final = Report.load
parse_report: Final = Report.parse


def find_runs(folder: Path) -> list[Path]:
    """Find run folders, which hold a `spec.toml`, at or below `folder` (two levels), by name.

    Hidden folders and audits, which hold a spec too, are left out.
    """
    if _is_run(folder):
        return [folder]
    folders = (path.parent for pattern in ("*/spec.toml", "*/*/spec.toml") for path in folder.glob(pattern))
    runs = (run for run in folders if _is_run(run))
    return sorted(run for run in runs if not any(name.startswith(".") for name in run.relative_to(folder).parts))


def _is_run(folder: Path) -> bool:
    """Whether a folder holds a run and not an audit."""
    audit = ("audit.json", AUDIT_BEGUN)
    return (folder / "spec.toml").is_file() and not any((folder / name).is_file() for name in audit)
