"""The decision: what a test says of each treatment, in one word. Page, report and terminal go by it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from dashboards.text import formatting
from simulator.reports.report import MetricRow, Number, Report
from simulator.reports.sections import SPLIT_ALARM

_LEVEL: Final = 0.05
"""Adjusted p-values from here on leave a metric unclear, whatever its own interval says."""
Word: TypeAlias = Literal["Better", "Worse", "Mixed", "No clear change", "Do not trust"]
Change: TypeAlias = Literal["better", "worse", "higher", "lower", "unclear", "missing"]


@final
@dataclass(frozen=True)
class Finding:
    """What became of one metric under one treatment.

    Attributes:
        row: With the interval that the run's design makes valid.
        change: What the test concludes.
        truth: Whether the interval holds the true lift: covered, missed, or empty where that is not known.
        interval_name: What kind of interval it is.
        p_name: What kind of p-value is given; empty where none is valid.
        p_value: That p-value.
    """

    row: MetricRow
    change: Change
    truth: str
    interval_name: str
    p_name: str
    p_value: Number


@final
@dataclass(frozen=True)
class Decision:
    """What a test says of one treatment.

    Attributes:
        arm: The treatment.
        title: Treatment and control with their policies.
        word: The decision.
        reason: Why nothing can be concluded, or what became of guardrails, in a sentence; else empty.
        headline: AUT, AVT and P2N, as far as the report has them.
        others: What became of all other metrics, in a sentence.
        health: Whether the split can be trusted, in a sentence.
        sound: Whether nothing about the health needs a look.
    """

    arm: str
    title: str
    word: Word
    reason: str
    headline: tuple[Finding, ...]
    others: str
    health: str
    sound: bool


def decide(report: Report) -> list[Decision]:
    """One decision per treatment, in the order of the arms."""
    return [_decide(report, arm.name) for arm in report.arms[1:]]


def valid_rows(report: Report) -> list[MetricRow]:
    """The scorecard with the intervals that hold: over all looks where a metric is looked at, else for one."""
    unprotected = report.looks is None or report.looks.method == "fixed"
    return report.valid_metrics() if unprotected else [row.over_all_looks() for row in report.metrics]


def findings(report: Report) -> list[Finding]:
    """Every metric and treatment: main metrics, guardrails, then the others; treatments in the order of the arms."""
    order = formatting.metric_keys(report)
    return [_finding(report, row) for row in sorted(valid_rows(report), key=lambda row: order.index(row.metric))]


def split_is_off(report: Report) -> bool:
    """True where bucket sizes raise the sample-ratio alarm."""
    p = report.health.srm_p_value
    return p is not None and p < SPLIT_ALARM


def arm_and_policy(report: Report, arm: str) -> str:
    """Name an arm and, in brackets, its policy if that has another name."""
    policy = next((summary.policy for summary in report.arms if summary.name == arm), arm)
    return arm if policy == arm else f"{arm} ({policy})"


def change_of(row: MetricRow) -> Change:
    """Name what became of a metric by its interval and, adjusted for several metrics, by its p."""
    if row.relative_effect is None or row.ci_low is None or row.ci_high is None:
        return "missing"
    if row.ci_low <= 0 <= row.ci_high or lost_among_several(row):
        return "unclear"
    if row.better == "neither":
        return "higher" if row.ci_low > 0 else "lower"
    return "better" if (row.ci_low > 0) == (row.better == "up") else "worse"


def lost_among_several(row: MetricRow) -> bool:
    """True where the adjustment for several metrics takes a clear change away."""
    return row.adjusted_p_value is not None and row.adjusted_p_value >= _LEVEL


def truth_in_interval(row: MetricRow) -> str:
    """Say whether the 95% interval covers the true lift; empty where either is missing."""
    if row.ci_low is None or row.ci_high is None or row.true_relative_effect is None:
        return ""
    return "covered" if row.ci_low <= row.true_relative_effect <= row.ci_high else "missed"


def short_name(row: MetricRow) -> str:
    """A metric's label without what explains it.

    The comma of a number is no such end: `Hates per 1,000 views` stays whole.
    """
    return row.label.partition(", ")[0]


def _finding(report: Report, row: MetricRow) -> Finding:
    looked = row.sequential_low is not None or "sequential_low" in row.reasons
    protected = looked and report.looks is not None and report.looks.method != "fixed"
    interval = "95% interval over all looks" if protected else "95% interval"
    if row.adjusted_p_value is not None:
        p_name, p = "adjusted p", row.adjusted_p_value
    else:
        p_name, p = "p", row.p_value
    if report.stopped is not None or p is None:  # p-values hold for one look only
        p_name, p = "", None
    return Finding(row, change_of(row), truth_in_interval(row), interval, p_name, p)


def _decide(report: Report, arm: str) -> Decision:
    """One treatment."""
    mine = [each for each in findings(report) if each.row.arm == arm]
    headline = tuple(each for each in mine if each.row.metric in formatting.HEADLINE)
    fault = _fault(report, headline)
    rows = [each.row for each in mine]
    word: Word = "Do not trust" if fault else _weigh(headline, rows)
    reason = fault or _guarded(rows)
    health, sound = _health(report)
    baseline = mine[0].row.baseline if mine else report.arms[0].name
    title = f"{arm_and_policy(report, arm)} against {arm_and_policy(report, baseline)}"
    return Decision(arm, title, word, reason, headline, _others(report, mine), health, sound)


def _fault(report: Report, headline: Sequence[Finding]) -> str:
    """Why nothing can be concluded; empty if it can."""
    if split_is_off(report):
        p = formatting.equals_p("sample ratio p", report.health.srm_p_value)
        return f"Bucket sizes differ from plan ({p}): find out why before reading any effect."
    mixed = report.health.mixed_assignment
    if mixed is not None and mixed.verdict == "fail":
        return f"{formatting.plural(mixed.users, 'user')} met more than one arm, so the arms are not apart."
    if all(each.change == "missing" for each in headline):
        return "There is no estimate of AUT, AVT or P2N."
    if report.health.a_a and any(each.change not in ("unclear", "missing") for each in headline):
        return "All arms run the same policy, so a clear difference is chance or a fault of the test."
    return ""


def _weigh(headline: Sequence[Finding], rows: Sequence[MetricRow]) -> Word:
    """The word by main metrics and guardrails: a broken guardrail counts as worse."""
    better = any(each.change == "better" for each in headline)
    worse = any(each.change == "worse" for each in headline) or any(row.guardrail == "failed" for row in rows)
    if better and worse:
        return "Mixed"
    return "Better" if better else "Worse" if worse else "No clear change"


def _guarded(rows: Sequence[MetricRow]) -> str:
    """What became of each guardrail; empty without any."""
    words = {
        "passed": "{} kept",
        "failed": "{} broken, the loss is larger than {}",
        "unclear": "{} open, a loss of {} is not ruled out",
    }
    parts = [words[row.guardrail].format(short_name(row), _percent(row.margin)) for row in rows if row.guardrail]
    return f"Guardrails: {'; '.join(parts)}." if parts else ""


def _percent(margin: Number) -> str:
    return formatting.MISSING if margin is None else f"{100 * margin:.3g}%"


def _others(report: Report, mine: Sequence[Finding]) -> str:
    """The metrics that are not the main three, by what became of them."""
    rest = [each for each in mine if each.row.metric not in formatting.HEADLINE and each.row.better != "neither"]
    if not rest:
        return ""
    if report.stopped is not None:
        return "Other metrics are not judged: their intervals do not hold after an early stop."
    moved = {side: [short_name(each.row) for each in rest if each.change == side] for side in ("worse", "better")}
    parts = [f"{len(names)} {side} ({', '.join(names)})" for side, names in moved.items() if names]
    total = formatting.plural(len(rest), "other metric")
    return (
        f"Of {total} {' and '.join(parts)}, each by its own interval." if parts else f"None of {total} moved clearly."
    )


def _health(report: Report) -> tuple[str, bool]:
    """The split, repeated splits and days in a sentence, and whether all of it is fine."""
    health = report.health
    clauses: list[tuple[str, bool]] = []
    if health.a_a:
        clauses.append(("A/A test: all arms run the same policy", True))
    p = formatting.equals_p("p", health.srm_p_value)
    off = split_is_off(report)
    known = health.srm_p_value is not None
    clauses.append((f"users split {'not ' if off else ''}as planned ({p})" if known else "split not checked", not off))
    days = sum(check.alarm for check in health.split_by_day)
    if days:
        clauses.append((f"split off plan on {formatting.plural(days, 'day')}", False))
    failed = [each.metric for each in health.resplits if each.passed is False]
    if health.resplits:
        words = (
            f"repeated A/A splits wrong too often for {listed(failed)}" if failed else "repeated A/A splits as expected"
        )
        clauses.append((words, not failed))
    sentence = "; ".join(words for words, _ in clauses)
    return f"{sentence[0].upper()}{sentence[1:]}.", all(fine for _, fine in clauses)


def listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them.

    >>> listed(["AUT", "AVT", "P2N"])
    'AUT, AVT and P2N'
    """
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)
