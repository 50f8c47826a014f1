"""The validation of a world: what `validation.json` holds, and how it is read.

A section that could not be measured is `null`, and `reasons` says why under its name. Every comparison has what was
simulated, what is real, and simulated over real.
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
    """One figure in the world and in reality; a rate, a share, seconds or a count, as its name says."""

    simulated: Number
    real: Number
    ratio: Number

    @staticmethod
    def of(simulated: float, real: float) -> "Compared":
        """Simulated beside real; numbers that are not finite become null.

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
        compared: The rate; the real one is published.
    """

    regime: Regime
    group: str
    rate: str
    views: int
    compared: Compared


@final
class WatchTime(Row):
    """How long views of one bucket of durations last, under `base` and in the standard log.

    Attributes:
        bucket: Durations in seconds, such as `30-60`.
        edges_s: Seconds that part the bins; one more than there are bins.
        simulated: Share of views in each bin; sums to 1.
        real: The same in the real rows.
        simulated_views: Views behind `simulated`.
        real_views: Views behind `real`.
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
    """How the fit predicts rows it has not seen; labels are `click`, `long_view` and `like`.

    Attributes:
        auc: Area under the ROC curve per label.
        log_loss: In nats, per label.
        reference_log_loss: That of a gradient-boosted reference on the same rows, per label.
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
    """A classifier told to separate simulated rows under `base` from real ones.

    Attributes:
        auc: Over all rows, each judged by a fold that has not seen its user; 0.5 is indistinguishable.
        auc_by_fold: Of each fold.
        rows_per_side: Simulated rows, and as many real ones.
        importances: Share of the classifier's gain that each column brought; sums to 1.
    """

    auc: float
    auc_by_fold: list[float]
    rows_per_side: int
    importances: dict[str, float]


@final
class AnsweringEstimate(Row):
    """One way to estimate the satisfied share.

    Attributes:
        estimate: Satisfied share that it gives.
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
        asked: Questionnaires.
        answer_rate: Share answered.
        true: Share satisfied if all asked had answered.
        estimates: Per estimator, such as `naive`.
        predicted_sign: Sign that theory predicts for the naive bias.
        as_predicted: Whether the biases are as theory says.
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
    """A world with known parameters, simulated and fitted again.

    Attributes:
        parameters: Parameters compared.
        share_within_two_se: Share of them found within two standard errors.
        missed: Names of the others.
    """

    parameters: int
    share_within_two_se: float
    missed: list[str]


@final
class PresetRow(Row):
    """What a preset of the questionnaire gives under `base`.

    Attributes:
        share_asked: Of the views that may bring a questionnaire.
        share_answered: Of those asked.
        answered_per_view: Of all views.
        share_negative: Of the answers.
        answers: How many there were.
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
        name: Dotted path of what was measured.
        value: Null where it was not measured.
        target: In words.
        passed: Null where it was not measured.
    """

    name: str
    value: Number
    target: str
    passed: bool | None


@final
class Validation(Document):
    """Everything that `askew validate` found.

    Attributes:
        world: Its name.
        data: Name of the folder of real rows.
        users: Users simulated.
        seed: Of the simulation.
        real_rows: Rows of the standard log used, exact duplicates left out.
        heldout: Prediction of unseen rows.
        regimes: Per regime and rate.
        by_group: Per grouping.
        watch_time: Per bucket of durations.
        two_sample_auc: `two_sample.auc`.
        two_sample: Simulated rows against real ones.
        per_user: How users differ.
        hate_concentration: Cumulative share of hates by cumulative share of haters, the most hateful first, in tenths.
        activity: Coming and going.
        answering: Bias of the questionnaire's estimators.
        recovery: Parameters found again.
        presets: Per preset of the questionnaire.
        checks: Values against targets.
        faults: Why the gate refuses the world; empty if it does not.
        sound: Whether the gate lets the world through.
        reasons: Why a section is null, by its name.
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
