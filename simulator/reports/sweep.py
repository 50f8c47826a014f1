"""Results of a sweep, `sweep.json`: scorecards of one test under several values of an assumed parameter."""

from typing import ClassVar, Final, Literal, final

from simulator.reports.document import Document, Kind, Number, Row
from simulator.reports.report import MetricRow


@final
class SweptParameter(Row):
    """The swept parameter.

    Attributes:
        name: Name, such as `returning.satisfaction`.
        meaning: What it does, with its unit.
        source: Reason for the assumed value.
        value: Value of the test without a sweep.
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
        """Whether a value is within the plausible range; an open end has no limit.

        >>> SweptParameter(name="x", meaning="", source="", value=0.1, low=0.0, high=None).holds(9.0)
        True
        """
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


@final
class SweepPoint(Row):
    """Results of one finished value.

    Attributes:
        value: Value of the parameter.
        path: Run folder, relative to the sweep's folder.
        users: Users of the run.
        metrics: Scorecard of its report.
    """

    value: float
    path: str
    users: int
    metrics: list[MetricRow]


@final
class Sweep(Document):
    """The same test under several values of one assumed parameter: same seed, same users, same noise.

    Attributes:
        name: Name of the spec.
        seed: Seed of all values.
        days: Days of each test.
        world: World of the parameter.
        parameter: The swept parameter.
        values: All values, ascending.
        points: Results of finished values, ascending; fewer than `values` if the sweep was interrupted.
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
        """Names of the arms that are compared with control."""
        return list(dict.fromkeys(row.arm for point in self.points for row in point.metrics))

    @property
    def notes(self) -> list[str]:
        """One line for each value outside the plausible range."""
        plausible_range = f"{_end(self.parameter.low)} to {_end(self.parameter.high)}"
        implausible_values = [value for value in self.values if not self.parameter.holds(value)]
        return [
            f"{self.parameter.name} = {value:g} lies outside its plausible range, {plausible_range}"
            for value in implausible_values
        ]


load_sweep: Final = Sweep.load


def _end(value: Number) -> str:
    """Text of an end of a range; None is open."""
    return "any" if value is None else f"{value:g}"
