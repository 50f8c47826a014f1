"""What a report says of the satisfied share beyond the answers: by both forms of the questionnaire, and how safe it is.

Non-finite numbers are `null`, and `reasons` says why, under the field's name. `low` and `high` are the ends of a 95%
interval. The truth, None without it, is that of the same quantity: the share that would say `satisfied` of the views
that were asked about, had all been answered.
"""

from typing import Literal, final

from pydantic import Field

from simulator.reports.document import Number, Row

ShareEstimator = Literal["naive", "weighted", "doubly_robust", "strong", "line", "probit"]


@final
class SatisfiedShare(Row):
    """One arm's satisfied share by one estimator.

    Attributes:
        estimator: Of the answers; weighted by chances of answering; doubly robust; of the answers to the strong form;
            by a straight line in the answer rate; by a probit of answering and saying.
        standard_error: By a delete-a-group jackknife over users.
        true: In the same bucket.
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
        lower: What it is at least, whatever the silent would say.
        upper: What it is at most.
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
    """How many times as likely to answer the satisfied of a bucket truly are, and the share that follows."""

    arm: str
    ratio: Number
    true: Number
    reasons: dict[str, str] = Field(default_factory=dict)


@final
class EffectAtRatio(Row):
    """A treatment's effect on the share, with each arm's ratio anywhere from 1 / `ratio` to `ratio`.

    Attributes:
        lower: What it is at least.
        upper: What it is at most.
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
    """How large ratios have to be before the effect may have another sign.

    Attributes:
        naive_effect: Of the answers, as a difference of shares.
        ratio: At which the range of the estimated effect reaches 0.
        resolved: At which its 95% interval does; 1 if it does already.
        true_effect: With every user under both arms.
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
    """All of it.

    Attributes:
        strong_asked: Questionnaires in the strong form, by arm.
        strong_answered: Those answered.
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
