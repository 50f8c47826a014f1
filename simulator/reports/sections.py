"""Sections of a report beyond its scorecard: health, novelty, segments, answering, P2N and distribution.

Non-finite numbers are `null`, and `reasons` says why, under the field's name. `arm` is a treatment, `baseline` the
control; `low` and `high` are the ends of a 95% interval.
"""

from collections.abc import Sequence
from typing import Final, Literal, final

from pydantic import Field

from simulator.reports.answer_forms import AnswerForms, ShareEstimator
from simulator.reports.document import Number, Row

SPLIT_ALARM: Final = 0.001
"""p-value below which a test of the split raises an alarm; for several tests it is divided by their number."""


class _Row(Row):
    """A row with reasons for numbers that are null."""

    reasons: dict[str, str] = Field(default_factory=dict)


@final
class SplitCheck(_Row):
    """Sample ratio of one day or segment against the plan.

    Attributes:
        within: `day 3`, or a feature and its level.
        users: Users per arm; on a day, those who were active.
        p_value: p-value of a chi-square test.
        alarm: Whether the p-value is below .001 after Bonferroni over the slices of its kind.
    """

    within: str
    users: dict[str, int]
    p_value: Number
    alarm: bool

    @property
    def day(self) -> int | None:
        """The day of the test, counted from 0; None for a segment."""
        kind, _, day = self.within.partition(" ")
        return int(day) if kind == "day" and day.isdigit() else None


def split_alarm(checks: Sequence[SplitCheck]) -> float:
    """Compute the p-value below which one of several slices of a split is an alarm (Bonferroni).

    Args:
        checks: Slices of one kind; those without a p-value do not count.
    """
    return SPLIT_ALARM / max(1, sum(check.p_value is not None for check in checks))


@final
class MixedAssignment(_Row):
    """Users whose rows name more than one arm."""

    users: int
    share: float
    verdict: Literal["pass", "warn", "fail"]


@final
class Resplits(_Row):
    """A/A tests by random splits of the same users, all under control.

    Attributes:
        metric: Key of the metric.
        splits: Number of splits.
        rejected: Share of p-values below .05.
        ks_p_value: Kolmogorov-Smirnov test of the p-values against the uniform distribution.
        passed: Whether the share is within 3.29 Monte Carlo standard errors of .05, and the p-values look uniform.
    """

    metric: str
    splits: int
    rejected: Number
    ks_p_value: Number
    passed: bool | None


@final
class Novelty(_Row):
    """Test of whether an effect fades: effect of the first days less that of the last days.

    Attributes:
        metric: Key of a main metric.
        days: Number of first and of last days.
        contrast: Effect of the first days less effect of the last ones, in `unit`; above 0 the treatment fades.
        p_value: Two-sided p-value.
        true_contrast: True contrast, with every user under both arms.
    """

    metric: str
    arm: str
    baseline: str
    unit: str
    days: int
    contrast: Number
    low: Number
    high: Number
    p_value: Number
    true_contrast: Number


@final
class TooGood(_Row):
    """A lift that is so large and significant that an error is likelier than a success.

    Attributes:
        z: Lift over its standard error.
    """

    metric: str
    arm: str
    lift: float
    z: float


@final
class Heterogeneity(_Row):
    """Test of whether the effect is the same in all levels of a feature.

    Attributes:
        feature: Name of the feature.
        levels: Levels that are large enough to be compared.
        wald: F statistic of all interactions together.
        p_value: p-value of that statistic.
        p_adjusted: p-value after Benjamini and Hochberg over all such tests of the report.
    """

    feature: str
    metric: str
    arm: str
    baseline: str
    levels: int
    wald: Number
    p_value: Number
    p_adjusted: Number


@final
class AnswerRates(_Row):
    """Share of questionnaires answered in both arms.

    Attributes:
        differs: Whether the difference is significant at 1%; then the answers of both arms cannot be compared directly.
    """

    arm: str
    baseline: str
    control: Number
    treatment: Number
    difference: Number
    low: Number
    high: Number
    p_value: Number
    differs: bool


@final
class AnswerEffect(_Row):
    """Effect on the satisfied share by one estimator, as a difference of shares.

    Attributes:
        estimator: See `SatisfiedShare`; those by forms need questionnaires in the strong form.
        true_effect: True effect on the share that would answer `satisfied` if all asked views were answered, with every
            user under both arms.
    """

    estimator: ShareEstimator
    arm: str
    baseline: str
    control: Number
    treatment: Number
    effect: Number
    low: Number
    high: Number
    p_value: Number
    true_control: Number
    true_treatment: Number
    true_effect: Number


@final
class LeeBounds(_Row):
    """Bounds of the effect among views that are answered under either arm.

    Attributes:
        trimmed: Share of answers removed from the arm that answers more.
        lower: Lower bound of the effect.
        upper: Upper bound of the effect.
        low: Lower end of a 95% interval of the effect, for any effect within the bounds.
    """

    arm: str
    baseline: str
    trimmed: Number
    lower: Number
    upper: Number
    low: Number
    high: Number


@final
class AnsweredByFeeling(_Row):
    """Answer rate in a tenth of the asked views, by true satisfaction.

    Attributes:
        arm: Arm of the world that was simulated; `all arms` for the mixed world.
        satisfaction: Upper edge of true satisfaction in this tenth.
    """

    arm: str
    decile: int
    satisfaction: float
    asked: int
    rate: float


@final
class Calibration(_Row):
    """Estimated and true answer probability, among views with about the same estimate."""

    asked: int
    estimated: float
    true: float
    answered: float


@final
class Answering(_Row):
    """Selective answering in this run.

    Attributes:
        forms: Shares by both forms of the questionnaire; None in reports of older versions.
    """

    rates: list[AnswerRates]
    effects: list[AnswerEffect]
    bounds: list[LeeBounds]
    by_feeling: list[AnsweredByFeeling]
    calibration: list[Calibration]
    forms: AnswerForms | None = None


@final
class P2NSide(_Row):
    """One side of P2N, per user and day.

    Attributes:
        side: `positives` or `negatives`.
        control: Value of control per user and day.
        lift: Lift over control.
        users_control: Users of the control bucket with at least one.
        users_treatment: Users of the treatment bucket with at least one.
    """

    side: Literal["positives", "negatives"]
    arm: str
    baseline: str
    control: Number
    treatment: Number
    lift: Number
    low: Number
    high: Number
    p_value: Number
    true_lift: Number
    users_control: int
    users_treatment: int


@final
class QuantileEffect(_Row):
    """Effect on a quantile of users' daily watch seconds.

    Attributes:
        effect: Effect in seconds.
        lift: Lift over control's quantile, with its interval on a log scale; null if a quantile is 0.
    """

    arm: str
    baseline: str
    quantile: float
    control: Number
    treatment: Number
    effect: Number
    low: Number
    high: Number
    true_control: Number
    true_treatment: Number
    true_effect: Number
    lift: Number
    lift_low: Number
    lift_high: Number
    true_lift: Number


@final
class TrainingRow(_Row):
    """True lift of a policy over another, both trained several times.

    Attributes:
        treatment: Common part of the names of its arms.
        baseline: Common part of the names of the control's arms.
        metric: Key of the metric.
        label: Label for display.
        seeds: `training_seed` of each training.
        lifts: True lift over the control of the same seed.
        mean: Mean of the lifts.
        standard_error: Standard error of the mean: the lifts' standard deviation by the root of their number. It
            includes the chance among users, whom all trainings share, as far as it differs between trainings.
        low: Lower end of the mean's 95% interval (Student's t); with two trainings it is 13 standard errors below.
        high: Upper end of that interval.
    """

    treatment: str
    baseline: str
    metric: str
    label: str
    seeds: list[int]
    lifts: list[float]
    mean: float
    standard_error: float
    low: float
    high: float
