"""The scorecard as a table with interval bars, for the dashboard and for `report.html`; every text is escaped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

from markupsafe import Markup

from dashboards.html_pages.decision_cards import card_template
from dashboards.html_pages.interval_bars import IntervalBar, Scale, interval_bar
from dashboards.text import formatting
from dashboards.text.decision import Finding, findings
from simulator.reports.report import Report

CAPTION: Final = (
    "Lift is relative to the control. A bar is the interval, its dot the estimate, the upright line no change; each bar"
    " has its own scale, with no change in the middle. The star is the true effect, from running every user under both"
    " arms; a ring is around a star that the interval missed. Colour marks what is clearly good or bad for the metric."
)
_GOOD: Final = {"up": "higher is better", "down": "lower is better", "neither": ""}


@final
@dataclass(frozen=True)
class _Row:
    """One metric and treatment."""

    metric: str
    good: str
    arm: str
    control: str
    treatment: str
    lift: str
    kind: str
    change: str
    bar: IntervalBar | None
    interval: str
    p: str
    adjusted: bool
    true_lift: str
    truth: str


def render_scorecard(report: Report) -> Markup:
    """Render main metrics, guardrails and all others, treatments one below the other within a metric."""
    groups = [(title, [_row(each) for each in rows]) for title, rows in _groups(findings(report)) if rows]
    several = len(report.arms) > 2
    html = card_template("scorecard.html").render(groups=groups, several=several, caption=CAPTION)
    return Markup(html)  # noqa: S704 (the template escapes)


def _groups(rows: Sequence[Finding]) -> list[tuple[str, list[Finding]]]:
    """The metrics by what they are for; a main metric that is a guardrail too stays a main one."""
    main = [each for each in rows if each.row.metric in formatting.HEADLINE]
    guards = [each for each in rows if each.row.metric not in formatting.HEADLINE and each.row.margin is not None]
    rest = [each for each in rows if each.row.metric not in formatting.HEADLINE and each.row.margin is None]
    return [("Main metrics", main), ("Guardrails", guards), ("Other metrics", rest)]


def _row(finding: Finding) -> _Row:
    row = finding.row
    missing = finding.change == "missing"
    field = "relative_effect" if row.relative_effect is None else "sequential_low"
    change = {"unclear": "no clear change"}.get(finding.change, finding.change)
    guard = {"passed": "guardrail kept", "failed": "guardrail broken", "unclear": "guardrail open"}
    return _Row(
        metric=row.label,
        good=_GOOD[row.better],
        arm=row.arm,
        control=formatting.number(row.control),
        treatment=formatting.number(row.treatment),
        lift=formatting.lift(row.relative_effect),
        kind="worse" if row.guardrail == "failed" else finding.change,
        change=f"{change}, {guard[row.guardrail]}" if row.guardrail else change,
        bar=interval_bar(finding, _even_scale(finding)),
        interval=formatting.why(row.reasons, field) if missing else formatting.interval(row.ci_low, row.ci_high),
        p=formatting.p_value(finding.p_value) if finding.p_name else "",
        adjusted=finding.p_name == "adjusted p",
        true_lift="" if row.true_relative_effect is None else formatting.lift(row.true_relative_effect),
        truth={"covered": "inside", "missed": "missed"}.get(finding.truth, ""),
    )


def _even_scale(finding: Finding) -> Scale:
    """A scale with no change in its middle."""
    row = finding.row
    ends = [abs(end) for end in (row.ci_low, row.ci_high, row.true_relative_effect) if end is not None]
    reach = 1.1 * max(ends, default=0.0) or 0.01
    return Scale(-reach, reach)
