"""The rows of a live test in words: there is no truth to stand beside them."""

from typing import Final

from dashboards.text import formatting
from dashboards.text.decision import change_of, split_is_off
from simulator.reports.report import Report

HEADINGS: Final = (
    "Metric",
    "Arm",
    "Control",
    "Treatment",
    "Lift",
    "Interval",
    "Change",
    "p",
    "Adjusted p",
    "Guardrail",
    "Difference",
    "Standard error",
    "Method",
)
"""One heading per cell of a line."""


def live_lines(report: Report) -> list[tuple[str, ...]]:
    """Make a line per metric and treatment."""
    return [
        (
            row.label,
            row.arm,
            formatting.number(row.control),
            formatting.number(row.treatment),
            formatting.lift(row.relative_effect),
            formatting.interval(row.ci_low, row.ci_high),
            change_of(row),
            formatting.p_value(row.p_value),
            "" if row.adjusted_p_value is None else formatting.p_value(row.adjusted_p_value),
            "" if row.guardrail is None else row.guardrail,
            formatting.number(row.effect),
            formatting.number(row.standard_error),
            "plain" if row.method == "plain" else "adjusted",
        )
        for row in report.metrics
    ]


def live_brief(report: Report) -> str:
    """Say in a few words what became of each metric of each treatment."""
    if split_is_off(report):
        return "the split is off: do not trust the effects"
    sides: dict[str, list[str]] = {}
    several = len(report.arms) > 2
    for row in report.metrics:
        sides.setdefault(change_of(row), []).append(f"{row.arm}/{row.metric}" if several else row.metric)
    return "; ".join(f"{', '.join(metrics)} {change}" for change, metrics in sides.items())


def live_facts(report: Report) -> str:
    """How many users there are in each arm."""
    users = ", ".join(f"{arm.name} {formatting.count(arm.users)}" for arm in report.arms)
    split = formatting.p_value(report.health.srm_p_value)
    return f"{formatting.count(report.users)} users: {users} (sample ratio p = {split})."
