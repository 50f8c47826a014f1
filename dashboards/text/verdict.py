"""The result in sentences: can the split be trusted, what changed, what is true, which corrections are on."""

import math
from collections.abc import Sequence
from typing import Final

from dashboards.text import formatting
from simulator.reports.report import MetricRow, Report
from simulator.reports.sections import SPLIT_ALARM

_LEVEL: Final = 0.05
"""Adjusted p-values from here on leave a metric unclear, whatever its own interval says."""
_POWER: Final = 1.96 + 0.84
"""Standard errors of an effect that 80% of two-sided tests at 5% find."""


def verdict(report: Report) -> list[str]:
    """The sentences that stand above everything else, as plain text."""
    treatments = [arm.name for arm in report.arms[1:]]
    return [
        *_trust(report),
        *_stop(report),
        *_over_trainings(report),
        *(_outcome(report, arm) for arm in treatments),
        *_guardrails(report),
        *_agreement(report),
        _split(report),
        _corrections(report),
    ]


def split_is_off(report: Report) -> bool:
    """True where bucket sizes raise the sample-ratio alarm."""
    p = report.health.srm_p_value
    return p is not None and p < SPLIT_ALARM


def _trust(report: Report) -> list[str]:
    """What has to be said before any effect."""
    sentences: list[str] = []
    if split_is_off(report):
        p = formatting.p_value(report.health.srm_p_value)
        sentences.append(f"Do not trust the effects: bucket sizes differ from plan (sample ratio p = {p}).")
    if report.health.a_a:
        sentences.append("A/A test: all arms run the same policy, so every difference is chance.")
    return sentences


def _over_trainings(report: Report) -> list[str]:
    """True effects of policies that were trained several times, with their intervals over trainings."""
    rows = [row for row in report.trainings if row.metric in formatting.HEADLINE]
    lifts_of: dict[str, list[str]] = {}
    for row in rows:
        who = f"{row.treatment} against {row.baseline}, mean of {len(row.lifts)} trainings"
        lifts_of.setdefault(who, []).append(
            f"{row.metric} {formatting.lift(row.mean)} ({formatting.interval(row.low, row.high)})"
        )
    return [f"{who}: true effect {', '.join(lifts)}." for who, lifts in lifts_of.items()]


def _outcome(report: Report, arm: str) -> str:
    """One treatment on the headline metrics, estimate and truth."""
    keys = formatting.headline_keys(report)
    rows = {row.metric: row for row in report.valid_metrics() if row.arm == arm}
    headline = [rows[key] for key in keys if key in rows]
    if not headline:
        return f"{arm_and_policy(report, arm)}: no headline metric in this report."
    findings = "; ".join(_finding(row) for row in headline)
    arms = f"{arm_and_policy(report, arm)} against {arm_and_policy(report, headline[0].baseline)}"
    return f"{arms}: {findings}.{_truth(headline)}{_users_needed(report, headline)}"


def arm_and_policy(report: Report, arm: str) -> str:
    """Name an arm and, in brackets, its policy if that has another name."""
    policy = next((summary.policy for summary in report.arms if summary.name == arm), arm)
    return arm if policy == arm else f"{arm} ({policy})"


def _finding(row: MetricRow) -> str:
    """One metric: its lift, and whether it is clear by its interval and, adjusted for several metrics, by its p."""
    if row.relative_effect is None or row.ci_low is None or row.ci_high is None:
        field = "relative_effect" if row.relative_effect is None else "sequential_low"
        return f"{row.metric} missing ({formatting.why(row.reasons, field)})"
    span = f"{row.metric} {formatting.lift(row.relative_effect)} ({formatting.interval(row.ci_low, row.ci_high)})"
    if row.ci_low <= 0 <= row.ci_high:
        return f"{span}, no clear change"
    if _lost(row):
        return (
            f"{span}, no clear change among several metrics (adjusted p = {formatting.p_value(row.adjusted_p_value)})"
        )
    return f"{span}, {_direction(row, up=row.ci_low > 0)}"


def _lost(row: MetricRow) -> bool:
    """True where the adjustment for several metrics takes a clear change away."""
    return row.adjusted_p_value is not None and row.adjusted_p_value >= _LEVEL


def _direction(row: MetricRow, *, up: bool) -> str:
    """Better or worse where the metric has a good direction, else higher or lower."""
    if row.better == "neither":
        return "higher" if up else "lower"
    return "better" if up == (row.better == "up") else "worse"


def _truth(rows: Sequence[MetricRow]) -> str:
    """The true effects of the same metrics."""
    simulated = [row for row in rows if row.true_relative_effect is not None]
    if not simulated:
        return " The true effect was not simulated."
    return (
        f" True effect: {', '.join(f'{row.metric} {formatting.lift(row.true_relative_effect)}' for row in simulated)}."
    )


def _users_needed(report: Report, rows: Sequence[MetricRow]) -> str:
    """How many users would find the true effects that are not clear, at this length and by this method."""
    n = sum(report.health.users_seen.values())
    needs = [
        f"{row.metric} about {formatting.rounded_count(n * times)}"
        for row in rows
        if (row.p_value is None or row.p_value >= _LEVEL or _lost(row)) and (times := _times_as_many(row)) is not None
    ]
    return f" Users that would find it in 4 of 5 tests: {', '.join(needs)}." if needs else ""


def _times_as_many(row: MetricRow) -> float | None:
    """How many times as many users find the true effect with 80% power at 5%; None where that is not known."""
    true, error = row.true_relative_effect, row.log_standard_error
    if not true or error is None or true <= -1:
        return None
    return (_POWER * error / math.log1p(true)) ** 2


def _stop(report: Report) -> list[str]:
    stop = report.stopped
    return [] if stop is None else [f"Stopped after {stop.days} of {stop.planned} days. {stop.reason}."]


def _guardrails(report: Report) -> list[str]:
    rows = [row for row in report.metrics if row.margin is not None]
    outcomes = [f"{row.metric} of {row.arm} {row.guardrail} (margin {row.margin:.2%})" for row in rows]
    return [f"Guardrails: {'; '.join(outcomes)}."] if outcomes else []


def _agreement(report: Report) -> list[str]:
    """How far the second library agrees."""
    opinion = report.second_opinion
    if opinion is None or opinion.effect_difference is None or opinion.error_difference is None:
        return [] if opinion is None else [f"No second opinion: {opinion.reason}."]
    effects, errors = f"{opinion.effect_difference:.0e}", f"{opinion.error_difference:.0e}"
    opening = f"Second opinion by {opinion.engine} on {opinion.rows} estimates"
    return [f"{opening}: effects agree within {effects} standard errors, standard errors within {errors}."]


def _split(report: Report) -> str:
    """Sizes of the buckets against the plan."""
    health = report.health
    if health.srm_p_value is None:
        return "The split was not checked."
    sizes = ", ".join(f"{arm} {formatting.count(n)}" for arm, n in health.users_seen.items())
    plan = "not as planned" if split_is_off(report) else "as planned"
    return f"Users split {plan}: {sizes} (sample ratio p = {formatting.p_value(health.srm_p_value)})."


def _corrections(report: Report) -> str:
    """Which adjustments the intervals carry."""
    cuped = any(row.method != "plain" for row in report.metrics)
    first = "adjusted by the pre-period where marked" if cuped else "not adjusted by the pre-period"
    missing = ["several metrics and arms"] if report.multiplicity == "none" else []
    missing += ["early looks"] if report.looks is None or report.looks.method == "fixed" else []
    open_to = f"; not corrected for {' or '.join(missing)}" if missing else ""
    return f"Intervals are 95%, {first}{open_to}.{_corrected(report)}"


def _corrected(report: Report) -> str:
    """Which corrections stand beside the plain figures."""
    name = {"holm": "Holm", "benjamini-hochberg": "Benjamini-Hochberg"}.get(report.multiplicity)
    corrections = f" Adjusted p: {name}, over the main metrics of all treatments." if name else ""
    if report.looks is None or report.looks.method == "fixed":
        return corrections
    n = len({row.days for row in report.looks.rows})
    method = report.looks.method
    corrections += f" Over all looks: {method} intervals for {n} looks at the main metrics and guardrails."
    if report.stopped is None:
        return corrections
    stopped = "As the test stopped early, these are the ones given; other intervals and p hold for one look only."
    return f"{corrections} {stopped}"


def brief(report: Report) -> str:
    """The verdict in a few words: what became of the headline metrics of each treatment."""
    if split_is_off(report):
        return "split is off: do not trust"
    several = len(report.arms) > 2
    return "; ".join(f"{f'{arm.name}: ' if several else ''}{_sides(report, arm.name)}" for arm in report.arms[1:])


def _sides(report: Report, arm: str) -> str:
    """The headline metrics of a treatment, by what became of them."""
    sides: dict[str, list[str]] = {}
    for row in report.valid_metrics():
        if row.arm == arm and row.metric in formatting.HEADLINE:
            sides.setdefault(change_of(row), []).append(row.metric)
    return ", ".join(f"{'/'.join(sides[side])} {side}" for side in sorted(sides)) or "no headline metric"


def change_of(row: MetricRow) -> str:
    """Name what became of a metric: better, worse, higher, lower, unclear or missing."""
    if row.ci_low is None or row.ci_high is None:
        return "missing"
    return "unclear" if row.ci_low <= 0 <= row.ci_high or _lost(row) else _direction(row, up=row.ci_low > 0)


def truth_in_interval(row: MetricRow) -> str:
    """Say whether the 95% interval covers the true lift; empty where either is missing."""
    if row.ci_low is None or row.ci_high is None or row.true_relative_effect is None:
        return ""
    return "covered" if row.ci_low <= row.true_relative_effect <= row.ci_high else "missed"
