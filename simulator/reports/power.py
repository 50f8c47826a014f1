"""Results of a power analysis, `power.json`: detectable effects, and the users and days that an effect needs."""

from typing import Annotated, ClassVar, Final, Literal, TypeAlias, final

from pydantic import Field

from simulator.reports.document import Document, Kind, Number, Row

Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**53)]
"""Whole number up to the largest that a figure can draw."""


@final
class VarianceRow(Row):
    """Components of the variance of a user's mean over days, relative to the metric squared.

    Attributes:
        method: `plain` or `cuped`.
        between: Variance of users' long-run levels, which more days do not reduce.
        within: Variance of one day around its user's level.
        user_share: `between` over `between + within`: the share of one day's variance that more days do not reduce.
        measured: Variance of the mean over the pilot's first 1, 2, ... days.
        fitted: Variance of the mean by `between + within / days`.
    """

    method: Literal["plain", "cuped"]
    between: float
    within: float
    user_share: float
    measured: list[float]
    fitted: list[float]


@final
class DetectableRow(Row):
    """Smallest lift that a test of this size detects with the planned power."""

    metric: str
    method: Literal["plain", "cuped"]
    users: Count
    days: Count
    relative_effect: float


@final
class NeedRow(Row):
    """Users, over all arms in their planned shares, that a test needs to detect the effect.

    Attributes:
        method: `plain` or `cuped`.
        days: Days of the test.
        users: Number of users, by the variance of the pilot.
        users_low: Lower end of a 95% interval for the error of the pilot; None in plans of older versions.
        users_high: Upper end of that interval.
    """

    method: Literal["plain", "cuped"]
    days: int
    users: int
    users_low: int | None = None
    users_high: int | None = None


@final
class BeforeRow(Row):
    """Gain from a longer pre-period.

    Attributes:
        days: Days of the pre-period.
        variance_left: Variance of the metric adjusted by those days, over the variance without adjustment.
        users: Users that the test needs at the spec's days, adjusted.
    """

    days: int
    variance_left: float
    users: int


@final
class PairedRow(Row):
    """Users and seconds that paired truth needs: every user under both arms with the same noise.

    Attributes:
        relative_effect: The pilot's true lift.
        standard_error: Standard error of that lift, over the pilot's users.
        users: Simulated users at which the effect is three standard errors, with the pilot's arms.
        seconds: Seconds to simulate them at the pilot's speed; None if no pilot was run.
        resolved_users: Users at which the pilot's own true lift is three standard errors.
        resolved_seconds: Seconds to simulate those.
        reasons: Reason why a number is null, by field.
    """

    relative_effect: Number
    standard_error: Number
    users: int | None
    seconds: Number
    resolved_users: int | None
    resolved_seconds: Number
    reasons: dict[str, str] = Field(default_factory=dict)


@final
class PowerPlan(Document):
    """Size that a test needs.

    Attributes:
        name: Name of the spec.
        world: World of the spec.
        users: Users of the spec.
        days: Days of the spec.
        pilot_users: Users of the pilot.
        metric: Key of the metric.
        label: Label of the metric.
        arm: The treatment whose paired truth is measured, and whose share counts.
        baseline: The control.
        effect: Lift to detect.
        power: Probability of detecting it.
        alpha: Two-sided probability of a false positive.
        variance: Variance components of the metric, by method.
        here: Smallest lift of every metric at the spec's users and days.
        grid: Smallest lift of the metric against users and days.
        needs: Users for the effect, by method and days.
        paired: Users and seconds with paired truth.
        before: Gain from 1, 2, ... days before the test, as far as the pilot has them.
    """

    file: ClassVar = "power.json"
    kind: ClassVar = Kind("a plan", "askew power --out", "write it anew with `askew power`")
    format: Literal[1] = 1
    name: str
    world: str
    users: Count
    days: Count
    pilot_users: int
    metric: str
    label: str
    arm: str
    baseline: str
    effect: float
    power: float
    alpha: float
    variance: list[VarianceRow]
    here: list[DetectableRow]
    grid: list[DetectableRow]
    needs: list[NeedRow]
    paired: PairedRow
    before: list[BeforeRow] = Field(default_factory=list[BeforeRow])


load_power: Final = PowerPlan.load
