"""Whether a test got it right: which intervals hold the true effect, in sentences."""

from collections.abc import Sequence

from dashboards.text import formatting
from dashboards.text.decision import Finding, findings, short_name
from simulator.reports.report import Report


def has_truth(report: Report) -> bool:
    """True where at least one true effect was simulated."""
    return any(row.true_relative_effect is not None for row in report.metrics)


def held(report: Report) -> list[str]:
    """How many intervals hold the truth, which do not, and how often that is expected."""
    judged = [each for each in findings(report) if each.truth]
    if not judged:
        return ["The true effect of this test was not simulated: set truth = true in its spec and run it again."]
    main = [each for each in judged if each.row.metric in formatting.HEADLINE]
    missed = [each for each in judged if each.truth == "missed"]
    several = len(report.arms) > 2
    sentences = [
        *([f"Of the main metrics, {_part(main)} the true effect."] if main else []),
        f"Of all metrics, {_part(judged)} it. Of 95% intervals about 1 in 20 misses by chance.",
    ]
    return [*sentences, *(_miss(each, several) for each in missed)]


def _part(rows: Sequence[Finding]) -> str:
    n = sum(each.truth == "covered" for each in rows)
    return f"{n} of {formatting.plural(len(rows), 'interval')} {'holds' if n == 1 else 'hold'}"


def _miss(finding: Finding, several: bool) -> str:
    """One interval that is wrong, and on which side the truth lies."""
    row = finding.row
    where = "above" if (row.true_relative_effect or 0.0) > (row.ci_high or 0.0) else "below"
    who = f"{short_name(row)} of {row.arm}" if several else short_name(row)
    interval = formatting.interval(row.ci_low, row.ci_high)
    return f"Missed: {who}. The truth, {formatting.lift(row.true_relative_effect)}, lies {where} {interval}."
