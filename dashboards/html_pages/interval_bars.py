"""An interval as a small picture: bar and estimate above, the true effect in a lane of its own below."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from dashboards.text import formatting
from dashboards.text.decision import Finding
from simulator.reports.report import Number

_MARGIN: Final = 0.08
"""Empty part at either end, so that no mark is cut."""


@final
@dataclass(frozen=True)
class Scale:
    """What is drawn from the left end to the right."""

    left: float
    right: float

    def place(self, value: float) -> str:
        """Where a value stands, in percent of the width."""
        return self.width(self.left, value)

    def width(self, low: float, high: float) -> str:
        """The way between two values, in percent of the width."""
        return f"{100 * (high - low) / (self.right - self.left):.2f}%"


@final
@dataclass(frozen=True)
class IntervalBar:
    """Places of the marks in percent of the width; None for a mark that is not there.

    Attributes:
        low: Lower end of the interval.
        width: From there to its upper end.
        estimate: The lift.
        zero: No change.
        truth: The true lift.
        missed: Whether the interval leaves the true lift out.
        label: The same in words, for who cannot see it.
    """

    low: str
    width: str
    estimate: str
    zero: str
    truth: str | None
    missed: bool
    label: str


def interval_bar(finding: Finding, scale: Scale | None = None) -> IntervalBar | None:
    """Place the marks of a metric; None where there is no estimate.

    Args:
        finding: The metric under a treatment.
        scale: Shared with others; its own by default.
    """
    row = finding.row
    if row.relative_effect is None or row.ci_low is None or row.ci_high is None:
        return None
    scale = scale or scale_of([finding])
    truth = row.true_relative_effect
    return IntervalBar(
        low=scale.place(row.ci_low),
        width=scale.width(row.ci_low, row.ci_high),
        estimate=scale.place(row.relative_effect),
        zero=scale.place(0.0),
        truth=None if truth is None else scale.place(truth),
        missed=finding.truth == "missed",
        label=f"{row.label}: {formatting.lift(row.relative_effect)}, {in_words(finding)}",
    )


def scale_of(findings: Sequence[Finding]) -> Scale:
    """Make a scale that holds all intervals, true lifts and 0, with room at both ends."""
    ends = [end for each in findings for end in _ends(each) if end is not None]
    low, high = min(0.0, *ends, 0.0), max(0.0, *ends, 0.0)
    room = _MARGIN * (high - low) or 0.01
    return Scale(low - room, high + room)


def _ends(finding: Finding) -> tuple[Number, ...]:
    row = finding.row
    return (row.ci_low, row.relative_effect, row.ci_high, row.true_relative_effect)


def in_words(finding: Finding) -> str:
    """The interval and, where it is known, the truth."""
    row = finding.row
    span = f"{finding.interval_name} {formatting.interval(row.ci_low, row.ci_high)}"
    return f"{span}; {truth_in_words(finding)}"


def truth_in_words(finding: Finding) -> str:
    """The true lift and whether the interval holds it.

    A miss says on which side the truth lies.
    """
    row = finding.row
    if row.true_relative_effect is None:
        return "truth not simulated"
    lift = f"truth {formatting.lift(row.true_relative_effect)}"
    if not finding.truth or row.ci_high is None:
        return lift
    if finding.truth == "covered":
        return f"{lift}: inside"
    return f"{lift}: missed, {'above' if row.true_relative_effect > row.ci_high else 'below'} the interval"
