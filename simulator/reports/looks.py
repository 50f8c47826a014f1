"""Report sections on interim looks and on the cross-check; import them from `simulator.reports.report`."""

from typing import Literal, final

from pydantic import Field

from simulator.reports.document import Number, Row


@final
class LookRow(Row):
    """One look at a main metric or guardrail: all days so far, averaged per day.

    Attributes:
        days: Days of the test so far.
        relative_effect: Cumulative lift, by CUPED where the scorecard's is.
        ci_low: Lower end of the interval that holds for a single look.
        ci_high: Upper end.
        group_low: Lower end of the group-sequential interval.
        group_high: Upper end.
        always_low: Lower end of the always-valid interval.
        always_high: Upper end.
        true_relative_effect: Cumulative lift with every user under both arms.
        information: Information so far, relative to that of the last look.
        crossed: Whether the interval of the method chosen leaves out 0.
        reasons: Why a number is null, by field.
    """

    metric: str
    arm: str
    days: int
    relative_effect: Number
    ci_low: Number
    ci_high: Number
    group_low: Number
    group_high: Number
    always_low: Number
    always_high: Number
    true_relative_effect: Number
    information: Number
    crossed: bool | None
    reasons: dict[str, str] = Field(default_factory=dict)


@final
class Looks(Row):
    """Looks at the main metrics and guardrails while the test ran.

    Attributes:
        method: Method whose interval decides.
        spending: Shape of the group-sequential bounds.
        alpha: Two-sided error over all looks.
        rows: Rows by treatment, metric and day.
    """

    method: Literal["group-sequential", "always-valid", "fixed"]
    spending: Literal["obrien-fleming", "pocock"]
    alpha: float
    rows: list[LookRow]


@final
class Stop(Row):
    """A test that ended early.

    Attributes:
        days: Days played.
        planned: Days planned.
        reason: Reason in words.
    """

    days: int
    planned: int
    reason: str


@final
class SecondOpinion(Row):
    """Comparison of the scorecard with the results of another library.

    Attributes:
        engine: Library and version.
        rows: Estimates compared, plain and CUPED.
        effect_difference: Largest difference of an effect, relative to its standard error.
        error_difference: Largest relative difference of a standard error.
        reason: Reason why there is no comparison; empty otherwise.
    """

    engine: str
    rows: int
    effect_difference: Number
    error_difference: Number
    reason: str = ""
