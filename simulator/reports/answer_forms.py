"""Report section on the satisfied share: both forms of the questionnaire, bounds, and sensitivity to answering.

Non-finite numbers are `null`, and `reasons` says why, under the field's name. `low` and `high` are the ends of a 95%
interval. True values are of the same quantity, the share that would answer `satisfied` if all asked answered; they are
None without truth.
"""

from typing import Literal, final

from pydantic import Field

from simulator.reports.document import Number, Row

ShareEstimator = Literal["naive", "weighted", "doubly_robust", "strong", "line", "probit"]


@final
class SatisfiedShare(Row):
    """Satisfied share of one arm by one estimator.

    Attributes:
        estimator: `naive` share of the answers; `weighted` by answer probabilities; `doubly_robust`; `strong` share of
            answers to the strong form; `line` in the answer rate; `probit` of answering and satisfaction.
        standard_error: Standard error by a delete-a-group jackknife over users.
        true: True share in the same bucket.
    """

    arm: str
    estimator: ShareEstimator
    share: Number
    standard_error: Number
    low: Number
    high: Number
    true: Number
    reasons: dict[str, str] = Field(default_factory=dict)


@final
class ShareBounds(Row):
    """Manski's bounds of an arm's share, or of a treatment's effect on it where there is a `baseline`.

    Attributes:
        lower: Lower bound, for any answers of those who did not answer.
        upper: Upper bound.
        low: Lower end of an interval that holds both bounds.
    """

    arm: str
    baseline: str | None
    lower: Number
    upper: Number
    low: Number
    high: Number
    true: Number
    reasons: dict[str, str] = Field(default_factory=dict)


@final
class ShareAtRatio(Row):
    """One arm's share if the satisfied are `ratio` times as likely to answer as the others."""

    arm: str
    ratio: float
    share: Number


@final
class TrueRatio(Row):
    """True ratio of answer rates of satisfied and other users in a bucket, and the true share."""

    arm: str
    ratio: Number
    true: Number
    reasons: dict[str, str] = Field(default_factory=dict)


@final
class EffectAtRatio(Row):
    """A treatment's effect on the share, with each arm's ratio anywhere from 1 / `ratio` to `ratio`.

    Attributes:
        lower: Smallest effect.
        upper: Largest effect.
        low: Lower end of an interval that holds both.
    """

    arm: str
    baseline: str
    ratio: float
    lower: Number
    upper: Number
    low: Number
    high: Number


@final
class SignChange(Row):
    """Ratio of answer rates from which the effect may have another sign.

    Attributes:
        naive_effect: Difference of the satisfied shares of answers.
        ratio: Ratio at which the range of the estimated effect reaches 0.
        resolved: Ratio at which its 95% interval reaches 0; 1 if it does already.
        true_effect: Effect with every user under both arms.
    """

    arm: str
    baseline: str
    naive_effect: Number
    ratio: Number
    resolved: Number
    true_effect: Number
    reasons: dict[str, str] = Field(default_factory=dict)


@final
class AnswerForms(Row):
    """The whole section.

    Attributes:
        strong_asked: Number of questionnaires in the strong form, by arm.
        strong_answered: Number of them that were answered, by arm.
    """

    strong_asked: dict[str, int]
    strong_answered: dict[str, int]
    shares: list[SatisfiedShare]
    bounds: list[ShareBounds]
    curve: list[ShareAtRatio]
    ratios: list[TrueRatio]
    ranges: list[EffectAtRatio]
    signs: list[SignChange]

    @property
    def asks_strongly(self) -> bool:
        """Whether any questionnaire had the strong form."""
        return any(self.strong_asked.values())
