"""All-arm worlds beside the mixed one: what arms that learn do to each other, as a table."""

from typing import Final

from dashboards.tables.sections import SectionTable
from dashboards.text import formatting
from simulator.reports.report import Report, WorldRow

HEADINGS: Final = ("Metric", "Arm", "Everybody", "Bucket", "Same users alone", "Lift in the test", "Bias", "± error")
CAPTION: Final = (
    "An arm that learns during the test learns from what the test lets it see, so its bucket may differ from the same"
    " users in a world where everybody meets that arm. The bias is the lift in the test less the lift of the same split"
    " without interference; no larger test removes it."
)


def interference(report: Report) -> SectionTable:
    """Make the table of the page; without lines where no arm learns, as the test then selects from the worlds."""
    learns = any(row.interference_bias_se for row in report.worlds)
    return SectionTable("Do the arms interfere?", HEADINGS, lines(report) if learns else [], CAPTION)


def lines(report: Report) -> list[tuple[str, ...]]:
    """Make one line per metric and arm."""
    return [_cells(row, control=row.arm == report.arms[0].name) for row in report.worlds]


def _cells(row: WorldRow, *, control: bool) -> tuple[str, ...]:
    """Format one arm on one metric; a control has no lift."""
    values = map(formatting.number, (row.all_arm, row.bucket, row.bucket_alone))
    lifts = (row.mixed_effect, row.interference_bias, row.interference_bias_se)
    return (row.metric, row.arm, *values, *("" if control else formatting.lift(lift) for lift in lifts))
