"""Results of the validation of a world, `validation.json`.

A section that could not be measured is `null`, and `reasons` says why under its name. Every comparison has the
simulated value, the real value, and their ratio.
"""

from typing import ClassVar, Final, Literal, final

from pydantic import Field

from simulator.reports.document import Document, Kind, Number, Row

FORMAT: Final = 1
"""Version of `validation.json`."""
FILE: Final = "validation.json"

Regime = Literal["random", "base"]
Grouping = Literal["duration", "activity", "hour"]


@final
class Compared(Row):
    """Simulated and real value of one figure: a rate, a share, seconds or a count."""

    simulated: Number
    real: Number
    ratio: Number

    @staticmethod
    def of(simulated: float, real: float) -> "Compared":
        """Compare a simulated with a real value; numbers that are not finite become null.

        >>> Compared.of(0.3, 0.6).ratio, Compared.of(0.3, 0.0).ratio
        (0.5, None)
        """
        ratio = simulated / real if real else float("nan")
        return Compared(simulated=_finite(simulated), real=_finite(real), ratio=_finite(ratio))


@final
class GroupRow(Row):
    """One rate in one group of views.

    Attributes:
        regime: `random` or `base`.
        group: Class of duration (s), activity degree, or hour of day.
        rate: `click`, `long_view` or `complete`.
        views: Simulated views in the group.
        compared: Simulated and published rate.
    """

    regime: Regime
    group: str
    rate: str
    views: int
    compared: Compared


@final
class WatchTime(Row):
    """Distributions of watch time in one bucket of durations, under `base` and in the standard log.

    Attributes:
        bucket: Durations in seconds, such as `30-60`.
        edges_s: Edges of the bins in seconds.
        simulated: Share of views in each bin; sums to 1.
        real: Share of real views in each bin.
        simulated_views: Number of simulated views.
        real_views: Number of real views.
        ks: Largest distance of the two cumulative shares at the edges (Kolmogorov-Smirnov).
    """

    bucket: str
    edges_s: list[float]
    simulated: list[float]
    real: list[float]
    simulated_views: int
    real_views: int
    ks: Number


@final
class HeldOutSection(Row):
    """Prediction of held-out rows; labels are `click`, `long_view` and `like`.

    Attributes:
        auc: Area under the ROC curve per label.
        log_loss: Log loss in nats, per label.
        reference_log_loss: Log loss of a gradient-boosted reference on the same rows, per label.
        watch_spearman: Rank correlation of predicted mean and real watch time.
        pit: Share of the rows in each tenth of the predicted distribution of watch time; a tenth each if calibrated.
        pit_max_deviation: Largest distance of those shares from a tenth.
        ks_by_duration: Per bucket of durations, distance of predicted and real distributions of watch time.
    """

    auc: dict[str, Number]
    log_loss: dict[str, Number]
    reference_log_loss: dict[str, Number]
    watch_spearman: Number
    pit: list[float]
    pit_max_deviation: Number
    ks_by_duration: dict[str, Number]


@final
class TwoSample(Row):
    """A classifier trained to separate simulated rows under `base` from real ones.

    Attributes:
        auc: AUC over all rows, by models that have not seen the row's user; 0.5 is indistinguishable.
        auc_by_fold: AUC of each fold.
        rows_per_side: Number of simulated rows, and of real rows.
        importances: Share of each column in the classifier's gain; sums to 1.
    """

    auc: float
    auc_by_fold: list[float]
    rows_per_side: int
    importances: dict[str, float]


@final
class AnsweringEstimate(Row):
    """One estimator of the satisfied share.

    Attributes:
        estimate: Estimated satisfied share.
        bias: Estimate less truth.
        se: Standard error of the bias.
    """

    estimate: Number
    bias: Number
    se: Number


@final
class AnsweringRow(Row):
    """The satisfied share at one strength of selective answering.

    Attributes:
        slope: Logit of answering gained per unit of satisfaction.
        asked: Number of questionnaires.
        answer_rate: Share answered.
        true: Satisfied share if all asked had answered.
        estimates: Estimates by estimator, such as `naive`.
        predicted_sign: Sign that theory predicts for the naive bias.
        as_predicted: Whether the biases agree with theory.
    """

    slope: float
    asked: int
    answer_rate: Number
    true: Number
    estimates: dict[str, AnsweringEstimate]
    predicted_sign: Literal[-1, 0, 1]
    as_predicted: bool


@final
class RecoveryReport(Row):
    """Parameter recovery: a world is simulated and its parameters are fitted again.

    Attributes:
        parameters: Number of parameters.
        share_within_two_se: Share of parameters within two standard errors.
        missed: Names of the other parameters.
    """

    parameters: int
    share_within_two_se: float
    missed: list[str]


@final
class PresetRow(Row):
    """Funnel of a preset of the questionnaire under `base`.

    Attributes:
        share_asked: Share of eligible views that were asked about.
        share_answered: Share of questionnaires that were answered.
        answered_per_view: Answers per view.
        share_negative: Share of negative answers.
        answers: Number of answers.
    """

    share_asked: Number
    share_answered: Number
    answered_per_view: Number
    share_negative: Number
    answers: int


@final
class Check(Row):
    """One measured value against its target.

    Attributes:
        name: Dotted path of the measured value.
        value: Measured value; null if it was not measured.
        target: Target in words.
        passed: Whether the target was reached; null if it was not measured.
    """

    name: str
    value: Number
    target: str
    passed: bool | None


@final
class Validation(Document):
    """Results of `askew validate`.

    Attributes:
        world: Name of the world.
        data: Name of the folder of real rows.
        users: Number of simulated users.
        seed: Seed of the simulation.
        real_rows: Number of rows of the standard log, without exact duplicates.
        heldout: Prediction of held-out rows.
        regimes: Rates per regime.
        by_group: Rates per grouping.
        watch_time: Watch time per bucket of durations.
        two_sample_auc: `two_sample.auc`.
        two_sample: Classifier of simulated against real rows.
        per_user: Spread of rates between users.
        hate_concentration: Cumulative share of hates by cumulative share of haters, the most hateful first, in tenths.
        activity: Sessions, views per session and returns.
        answering: Bias of the questionnaire's estimators.
        recovery: Parameter recovery.
        presets: Funnel per preset of the questionnaire.
        checks: Values against targets.
        faults: Reasons why the gate refuses the world; empty if it does not.
        sound: Whether the gate accepts the world.
        reasons: Reason why a section is null, by its name.
    """

    file: ClassVar = FILE
    kind: ClassVar = Kind("a validation", "askew validate --out", "validate the world again")
    format: Literal[1] = 1
    world: str
    data: str
    users: int
    seed: int
    real_rows: int
    heldout: HeldOutSection | None
    regimes: dict[Regime, dict[str, Compared]]
    by_group: dict[Grouping, list[GroupRow]]
    watch_time: list[WatchTime]
    two_sample_auc: Number
    two_sample: TwoSample | None
    per_user: dict[str, Compared]
    hate_concentration: list[float]
    activity: dict[str, Compared]
    answering: list[AnsweringRow] | None
    recovery: RecoveryReport | None
    presets: dict[str, PresetRow]
    checks: list[Check] = Field(default_factory=list[Check])
    faults: list[str] = Field(default_factory=list[str])
    sound: bool = False
    reasons: dict[str, str] = Field(default_factory=dict[str, str])


load_validation: Final = Validation.load


def _finite(value: float) -> Number:
    """The number, or None if it is not finite."""
    return float(value) if abs(value) < float("inf") else None
