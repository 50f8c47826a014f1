"""What a plan has to say: `power.json`, the smallest effect a test can see, and what it takes to see one."""

from typing import Annotated, ClassVar, Final, Literal, TypeAlias, final

from pydantic import Field

from simulator.reports.document import Document, Kind, Number, Row

Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**53)]
"""As large as a figure can draw it."""


@final
class VarianceRow(Row):
    """Where the variance of a user's mean over days comes from; relative to the metric, squared.

    Attributes:
        method: `plain` or `cuped`.
        between: Of users' long-run levels: no number of days averages it away.
        within: Of one day around its user's level.
        user_share: `between` over `between + within`: the share of one day's variance that days do not help with.
        measured: Variance of the mean over the pilot's first 1, 2, ... days.
        fitted: The same by `between + within / days`.
    """

    method: Literal["plain", "cuped"]
    between: float
    within: float
    user_share: float
    measured: list[float]
    fitted: list[float]


@final
class DetectableRow(Row):
    """The smallest lift that a test of this size finds with the wanted power."""

    metric: str
    method: Literal["plain", "cuped"]
    users: Count
    days: Count
    relative_effect: float


@final
class NeedRow(Row):
    """Users, over all arms in their planned shares, that it takes to find the wanted effect.

    Attributes:
        method: `plain` or `cuped`.
        days: Of the test.
        users: By the variance of the pilot.
        users_low: Lower end of the 95% interval that the pilot's own error leaves; None in plans of older versions.
        users_high: Upper end.
    """

    method: Literal["plain", "cuped"]
    days: int
    users: int
    users_low: int | None = None
    users_high: int | None = None


@final
class BeforeRow(Row):
    """What a longer time before the test brings.

    Attributes:
        days: Before the test.
        variance_left: Variance of the metric, adjusted by what users did in those days, over that without adjustment.
        users: That it takes at the spec's days, adjusted.
    """

    days: int
    variance_left: float
    users: int


@final
class PairedRow(Row):
    """What it takes where every user lives under both arms with the same noise, which no live platform can.

    Attributes:
        relative_effect: The pilot's true lift.
        standard_error: Of that lift, over the pilot's users.
        users: Simulated users at which the wanted effect is three standard errors, were arms as far apart as these.
        seconds: What simulating them takes at the pilot's speed; None where no pilot was run.
        resolved_users: Users at which the pilot's own true lift is three standard errors.
        resolved_seconds: What simulating those takes.
        reasons: Why a number is null, by field.
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
    """How large a test has to be.

    Attributes:
        name: Of the spec.
        world: Of the spec.
        users: Of the spec: here you are.
        days: Of the spec.
        pilot_users: Simulated for the variances.
        metric: That the effect is wanted of.
        label: Of the metric, for people.
        arm: The treatment whose paired truth is measured, and whose share counts.
        baseline: The control.
        effect: Lift to find.
        power: Chance of finding it.
        alpha: Chance of a false finding, two-sided.
        variance: Of the metric, by method.
        here: Smallest lift of every metric at the spec's users and days.
        grid: Smallest lift of the metric against users and days.
        needs: Users for the effect, by method and days.
        paired: The same with paired truth.
        before: What 1, 2, ... days before the test bring, as far as the pilot has them.
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
