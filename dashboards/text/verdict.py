"""The result in sentences: the decision on each treatment, what is true, and how it was computed."""

import math
from collections.abc import Sequence
from typing import Final

from dashboards.text import formatting
from dashboards.text.decision import Decision, Finding, decide, lost_among_several, split_is_off
from simulator.reports.report import MetricRow, Report

_POWER: Final = 1.96 + 0.84
"""Standard errors of an effect that 80% of two-sided tests at 5% find."""


def verdict(report: Report) -> list[str]:
    """The decision on each treatment, then how it was computed, as plain text."""
    decisions = decide(report)
    sentences = [sentence for decision in decisions for sentence in _told(report, decision)]
    return [*stop(report), *over_trainings(report), *sentences, decisions[0].health, *how_computed(report)]


def how_computed(report: Report) -> list[str]:
    """What the numbers rest on: sizes of the buckets, corrections, and how far a second library agrees."""
    return [_split(report), *_corrections(report), *_agreement(report), *users_needed(report)]


def brief(report: Report) -> str:
    """The decisions in a few words, with what became of the main metrics of each treatment."""
    several = len(report.arms) > 2
    return "; ".join(f"{f'{each.arm}: ' if several else ''}{_in_short(each)}" for each in decide(report))


def stop(report: Report) -> list[str]:
    """That the test ended early, and why."""
    ended = report.stopped
    if ended is None:
        return []
    return [f"Stopped after {ended.days} of {formatting.plural(ended.planned, 'day')}. {ended.reason}."]


def _told(report: Report, decision: Decision) -> list[str]:
    """One decision in sentences: the word, the main metrics and their truth, the others."""
    several = f"{decision.arm}: " if len(report.arms) > 2 else ""
    measured = f" {'; '.join(map(measured_as, decision.headline))}.{_truth(decision.headline)}"
    reason = f" {decision.reason}" if decision.reason else ""
    opening = f"{decision.title}: {decision.word}.{reason}{measured if decision.headline else ''}"
    return [opening, *([f"{several}{decision.others}"] if decision.others else [])]


def _in_short(decision: Decision) -> str:
    """The word and, where they can be trusted, the main metrics by what became of them."""
    if decision.word == "Do not trust":
        return decision.word
    sides: dict[str, list[str]] = {}
    for each in decision.headline:
        sides.setdefault(each.change, []).append(each.row.metric)
    words = ", ".join(f"{'/'.join(names)} {side}" for side, names in sorted(sides.items()))
    return f"{decision.word}: {words or 'no main metric'}"


def measured_as(finding: Finding) -> str:
    """One metric: its lift, interval and p, and what that comes to."""
    row = finding.row
    if finding.change == "missing":
        field = "relative_effect" if row.relative_effect is None else "sequential_low"
        return f"{row.metric} missing ({formatting.why(row.reasons, field)})"
    span = f"{row.metric} {formatting.lift(row.relative_effect)} ({formatting.interval(row.ci_low, row.ci_high)})"
    if finding.change != "unclear":
        return f"{span}, {finding.change}"
    if lost_among_several(row) and not (row.ci_low or 0) <= 0 <= (row.ci_high or 0):
        p = formatting.equals_p("adjusted p", row.adjusted_p_value)
        return f"{span}, no clear change among several metrics ({p})"
    return f"{span}, no clear change"


def _truth(headline: Sequence[Finding]) -> str:
    """The true effects of the same metrics, and whether the intervals hold them."""
    told = [each for each in headline if each.row.true_relative_effect is not None]
    if not told:
        return " The true effect was not simulated."
    lifts = [f"{each.row.metric} {formatting.lift(each.row.true_relative_effect)}{_covered(each)}" for each in told]
    return f" True effect: {', '.join(lifts)}."


def _covered(finding: Finding) -> str:
    return {"covered": " (inside)", "missed": " (missed)"}.get(finding.truth, "")


def users_needed(report: Report) -> list[str]:
    """How many users would find the true effects that are not clear, at this length and by this method."""
    n = sum(report.health.users_seen.values())
    several = len(report.arms) > 2
    needs = [
        f"{each.row.metric}{f' of {decision.arm}' if several else ''} about {formatting.rounded_count(n * times)}"
        for decision in decide(report)
        for each in decision.headline
        if each.change == "unclear" and (times := _times_as_many(each.row)) is not None
    ]
    return [f"Users that would find the true effect in 4 of 5 tests: {', '.join(needs)}."] if needs else []


def _split(report: Report) -> str:
    """Sizes of the buckets against the plan."""
    health = report.health
    if health.srm_p_value is None:
        return "The split was not checked."
    sizes = ", ".join(f"{arm} {formatting.count(n)}" for arm, n in health.users_seen.items())
    plan = "not as planned" if split_is_off(report) else "as planned"
    return f"Users split {plan}: {sizes} ({formatting.equals_p('sample ratio p', health.srm_p_value)})."


def _corrections(report: Report) -> list[str]:
    """Which adjustments intervals and p-values carry."""
    before = any(row.method != "plain" for row in report.metrics)
    missing = ["several metrics and arms"] if report.multiplicity == "none" else []
    missing += ["early looks"] if report.looks is None or report.looks.method == "fixed" else []
    open_to = f"; not corrected for {' or '.join(missing)}" if missing else ""
    past = "use what users did before the test" if before else "use nothing from before the test"
    return [f"Intervals are 95% and {past}{open_to}.{_corrected(report)}"]


def over_trainings(report: Report) -> list[str]:
    """True effects of policies that were trained several times, with their intervals over trainings."""
    rows = [row for row in report.trainings if row.metric in formatting.HEADLINE]
    lifts_of: dict[str, list[str]] = {}
    for row in rows:
        who = f"{row.treatment} against {row.baseline}, mean of {len(row.lifts)} trainings"
        lifts_of.setdefault(who, []).append(
            f"{row.metric} {formatting.lift(row.mean)} ({formatting.interval(row.low, row.high)})"
        )
    return [f"{who}: true effect {', '.join(lifts)}." for who, lifts in lifts_of.items()]


def _times_as_many(row: MetricRow) -> float | None:
    """How many times as many users find the true effect with 80% power at 5%; None where that is not known."""
    true, error = row.true_relative_effect, row.log_standard_error
    if not true or error is None or true <= -1:
        return None
    return (_POWER * error / math.log1p(true)) ** 2


def _agreement(report: Report) -> list[str]:
    """How far the second library agrees."""
    opinion = report.second_opinion
    if opinion is None or opinion.effect_difference is None or opinion.error_difference is None:
        return [] if opinion is None else [f"No second opinion: {opinion.reason}."]
    effects, errors = f"{opinion.effect_difference:.0e}", f"{opinion.error_difference:.0e}"
    opening = f"Second opinion by {opinion.engine} on {opinion.rows} estimates"
    return [f"{opening}: effects agree within {effects} standard errors, standard errors within {errors}."]


def _corrected(report: Report) -> str:
    """Which corrections stand beside the plain figures."""
    name = {"holm": "Holm", "benjamini-hochberg": "Benjamini-Hochberg"}.get(report.multiplicity)
    corrections = f" Adjusted p: {name}, over the main metrics of all treatments." if name else ""
    if report.looks is None or report.looks.method == "fixed":
        return corrections
    n = len({row.days for row in report.looks.rows})
    method = report.looks.method
    looks = formatting.plural(n, "look")
    corrections += f" Intervals of main metrics and guardrails are {method} ones, which hold over all {looks}."
    if report.stopped is None:
        return corrections
    stopped = "As the test stopped early, other intervals and p hold for one look only."
    return f"{corrections} {stopped}"
