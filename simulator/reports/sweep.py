"""What a sweep has to say: `sweep.json`, the scorecards of one test under several values of an assumed parameter."""

from typing import ClassVar, Final, Literal, final

from simulator.reports.document import Document, Kind, Number, Row
from simulator.reports.report import MetricRow


@final
class SweptParameter(Row):
    """The parameter whose value nobody knows.

    Attributes:
        name: Such as `returning.satisfaction`.
        meaning: What it does, with its unit.
        source: Why the world assumes what it assumes.
        value: What the test assumes without a sweep.
        low: Lower end of the plausible range, or None.
        high: Upper end, or None.
    """

    name: str
    meaning: str
    source: str
    value: float
    low: Number
    high: Number

    def holds(self, value: float) -> bool:
        """True within the plausible range; an open end holds everything.

        >>> SweptParameter(name="x", meaning="", source="", value=0.1, low=0.0, high=None).holds(9.0)
        True
        """
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@final
class SweepPoint(Row):
    """One finished value.

    Attributes:
        value: Of the parameter.
        path: Its run folder, relative to that of the sweep.
        users: Users of the run.
        metrics: The scorecard of its report: each estimate with its 95% interval beside the true effect.
    """

    value: float
    path: str
    users: int
    metrics: list[MetricRow]


@final
class Sweep(Document):
    """The same test under several values of one assumed parameter: same seed, same users, same noise.

    Attributes:
        name: Of the spec.
        seed: Shared by all values.
        days: Days of each test.
        world: Whose parameter is swept.
        parameter: What is swept.
        values: All values asked for, ascending.
        points: Those that are finished, ascending; fewer than `values` where the sweep was interrupted.
    """

    file: ClassVar = "sweep.json"
    kind: ClassVar = Kind("a sweep", "askew run", "write it anew: `askew run` with --resume")
    format: Literal[1] = 1
    name: str
    seed: int
    days: int
    world: str
    parameter: SweptParameter
    values: list[float]
    points: list[SweepPoint]

    @property
    def treatments(self) -> list[str]:
        """Every arm that is compared with the control."""
        return list(dict.fromkeys(row.arm for point in self.points for row in point.metrics))

    @property
    def notes(self) -> list[str]:
        """One line for each value outside the plausible range."""
        span = f"{_end(self.parameter.low)} to {_end(self.parameter.high)}"
        odd = [value for value in self.values if not self.parameter.holds(value)]
        return [f"{self.parameter.name} = {value:g} lies outside its plausible range, {span}" for value in odd]


load_sweep: Final = Sweep.load


def _end(value: Number) -> str:
    """An end of a range; None is open."""
    return "any" if value is None else f"{value:g}"
