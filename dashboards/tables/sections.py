"""Tables of the sections beyond the scorecard, in words: every cell is text, ready to be escaped and shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

from dashboards.text import formatting
from simulator.reports.answer_forms import ShareBounds
from simulator.reports.report import Estimate, MetricRow, Number, Report
from simulator.reports.sections import SPLIT_ALARM, AnswerEffect, LeeBounds, Resplits, SplitCheck

ESTIMATORS: Final = {
    "naive": "naive: of the answers",
    "weighted": "weighted by chance of answering",
    "doubly_robust": "doubly robust",
    "strong": "strong form only",
    "line": "straight line in the answer rate",
    "probit": "probit of answering and saying",
}
BOUNDS: Final = "bounds (Manski)"
DOUBTFUL: Final = 0.01
"""A p-value of the A/A re-splits' uniformity below this is not called ok; the alarm itself is at 0.001."""


@final
@dataclass(frozen=True)
class SectionTable:
    """A table with its title and a sentence on how to read it.

    Attributes:
        title: Heading.
        headings: Of its columns.
        lines: Cells, one per heading.
        caption: Below it.
    """

    title: str
    headings: tuple[str, ...]
    lines: list[tuple[str, ...]]
    caption: str


def points(value: Number) -> str:
    """A difference of shares in percentage points.

    >>> points(0.0123), points(None)
    ('+1.23 pp', 'missing')
    """
    return formatting.MISSING if value is None else f"{100 * value:+.2f} pp".replace("-", "\N{MINUS SIGN}")


def health_checks(report: Report) -> SectionTable:
    """Every check of the split in one line."""
    health = report.health
    lines = [
        ("Bucket sizes", f"p = {formatting.p_value(health.srm_p_value)}", _ok(_srm_ok(health.srm_p_value))),
        *_slices("Active users day by day", health.split_by_day),
        *_slices("Users within segments", health.split_by_segment),
    ]
    mixed = health.mixed_assignment
    if mixed is not None:
        lines.append(("Users in two arms", f"{mixed.users:,} ({mixed.share:.2%})", mixed.verdict))
    lines += [_resplit(row) for row in health.resplits]
    if health.a_a:
        significant = ", ".join(health.a_a_significant) or "none"
        lines.append(("A/A: metrics significant at 5%", significant, _ok(not health.a_a_significant)))
    if health.resplits:
        lifts = ", ".join(f"{each.arm}/{each.metric}" for each in health.too_good) or "none"
        lines.append(("Lifts too good to be true", lifts, _ok(not health.too_good)))
    caption = (
        f"Bucket sizes alarm below p = {SPLIT_ALARM}, days and segments below that divided by their number. A/A"
        " re-splits divide the same users anew 200 times, where nothing can differ: about 5% should come out"
        " significant, their p-values evenly spread (p of that below 0.01 is borderline, below 0.001 an alarm). A lift"
        " above 20% that is more than 10 standard errors from 0 is to be checked before it is believed."
    )
    return SectionTable("Health checks", ("Check", "Found", "Verdict"), lines, caption)


def methods(report: Report) -> SectionTable:
    """Every metric by every method, one below the other."""
    lines = [
        (row.metric, row.arm, name, *_by_method(estimate))
        for row in report.metrics
        for name, estimate in (("adjusted", row), ("CUPED", row.cuped), ("plain", row.plain))
        if estimate is not None and (name != "adjusted" or row.method != "plain")
    ]
    caption = (
        "Adjusted: both sides of the metric before the test as covariates, errors by leaving out groups of users."
        " CUPED: their ratio as one covariate, errors by the delta method. Plain: no covariates. The scorecard shows"
        " the first that there is. The error is the standard error of the logarithm of 1 + lift."
    )
    return SectionTable(
        "One effect by each method", ("Metric", "Arm", "Method", "Lift", "95% interval", "Error", "p"), lines, caption
    )


def _by_method(estimate: MetricRow | Estimate) -> tuple[str, ...]:
    """Lift, interval, error and p-value of one method."""
    return (
        formatting.lift(estimate.relative_effect),
        formatting.interval(estimate.ci_low, estimate.ci_high),
        formatting.number(estimate.log_standard_error),
        formatting.p_value(estimate.p_value),
    )


def novelty(report: Report) -> SectionTable:
    """Whether effects fade."""
    rows = report.health.novelty
    lines = [
        (
            row.metric,
            row.arm,
            _with_unit(row.contrast, row.unit),
            span(row.low, row.high, formatting.number),
            formatting.p_value(row.p_value),
            _with_unit(row.true_contrast, row.unit),
        )
        for row in rows
    ]
    n = rows[0].days if rows else 0
    caption = (
        f"The effect of the first {n} days less the effect of the last {n}, user by user. Above 0 a gain fades"
        " (novelty); below 0 it grows (learning)."
        if n
        else "A test of fewer than 4 days has no early and late part to compare."
    )
    headings = ("Metric", "Arm", "First less last days", "95% interval", "p", "True")
    return SectionTable("Does the effect last?", headings, lines, caption)


def heterogeneity(report: Report) -> SectionTable:
    """Whether effects differ between segments."""
    lines = [
        (
            formatting.feature_words(row.feature),
            row.metric,
            row.arm,
            str(row.levels),
            formatting.number(row.wald),
            formatting.p_value(row.p_value),
            formatting.p_value(row.p_adjusted),
        )
        for row in report.heterogeneity
    ]
    caption = (
        "One test per feature and metric of whether the effect is the same in all its segments; a small p says that"
        " it is not. Adjusted for the number of tests (Benjamini-Hochberg)."
    )
    headings = ("Feature", "Metric", "Arm", "Segments", "F", "p", "Adjusted p")
    return SectionTable("Is the effect the same for everybody?", headings, lines, caption)


def p2n(report: Report) -> SectionTable:
    """Both sides of P2N."""
    lines = [
        (
            row.side,
            row.arm,
            formatting.number(row.control),
            formatting.number(row.treatment),
            formatting.lift(row.lift),
            formatting.interval(row.low, row.high),
            formatting.p_value(row.p_value),
            formatting.lift(row.true_lift),
            f"{formatting.count(row.users_control)} / {formatting.count(row.users_treatment)}",
        )
        for row in report.p2n
    ]
    notes = [row.reasons["note"] for row in report.p2n if "note" in row.reasons]
    caption = "P2N divides likes, follows, comments and forwards by hates; here is each side per user and day."
    headings = ("Side", "Arm", "Control", "Treatment", "Lift", "95% interval", "p", "True lift", "Users with any")
    return SectionTable("P2N taken apart", headings, lines, " ".join([caption, *(f"Note: {note}." for note in notes)]))


def trainings(report: Report) -> SectionTable:
    """True lifts over trainings."""
    lines = [
        (
            row.metric,
            f"{row.treatment} against {row.baseline}",
            formatting.lift(row.mean),
            f"{row.standard_error:.2%}",
            formatting.interval(row.low, row.high),
            ", ".join(f"{seed}: {formatting.lift(lift)}" for seed, lift in zip(row.seeds, row.lifts, strict=True)),
        )
        for row in report.trainings
    ]
    caption = (
        "True lifts of arms that were trained several times, each over the control of the same training_seed. What"
        " chance in training does is in the interval of their mean (Student's t), and in none over users."
    )
    headings = ("Metric", "Arms", "Mean true lift", "Standard error", "95% interval", "By training seed")
    return SectionTable("What does chance in training do?", headings, lines, caption)


def answer_rates(report: Report) -> SectionTable:
    """Who answers at all."""
    lines = [
        (
            row.arm,
            formatting.share(row.control),
            formatting.share(row.treatment),
            points(row.difference),
            span(row.low, row.high, points),
            formatting.p_value(row.p_value),
            _ok(not row.differs),
        )
        for row in (report.answering.rates if report.answering else [])
    ]
    caption = (
        "Share of questionnaires answered, to be read before the answers. Where it differs (p below 0.01) the arms'"
        " answers come from different people and views."
    )
    headings = ("Arm", "Control", "Treatment", "Difference", "95% interval", "p", "Verdict")
    return SectionTable("Answer rates", headings, lines, caption)


def answer_effects(report: Report) -> SectionTable:
    """Effects on the satisfied share by each estimator, and Lee's bounds."""
    answering = report.answering
    lines = [_effect(row) for row in answering.effects] if answering else []
    lines += [_bounds("bounds (Lee)", row) for row in answering.bounds] if answering else []
    forms = answering.forms if answering else None
    lines += [_bounds(BOUNDS, row, row.true) for row in forms.bounds if row.baseline] if forms else []
    caption = (
        "Differences of satisfied shares in percentage points (pp), users as the unit. The true effect is that of what"
        " everybody asked would say if all answered. Lee's bounds hold for views that are answered under either arm,"
        " whoever the additional answers come from; Manski's hold for all asked views, whatever the silent would say."
    )
    headings = ("Estimator", "Arm", "Control", "Treatment", "Effect", "95% interval", "p", "True effect")
    return SectionTable("Effect on the satisfied share", headings, lines, caption)


def tables(report: Report) -> list[SectionTable]:
    """All that have lines, in the order in which they are read."""
    makers = (methods, health_checks, trainings, novelty, heterogeneity, p2n, answer_rates, answer_effects)
    return [table for table in (make(report) for make in makers) if table.lines]


def _effect(row: AnswerEffect) -> tuple[str, ...]:
    return (
        ESTIMATORS[row.estimator],
        row.arm,
        formatting.share(row.control),
        formatting.share(row.treatment),
        points(row.effect),
        span(row.low, row.high, points),
        formatting.p_value(row.p_value),
        points(row.true_effect),
    )


def _bounds(name: str, row: LeeBounds | ShareBounds, true: Number = None) -> tuple[str, ...]:
    effect = span(row.lower, row.upper, points)
    shown = points(true) if isinstance(row, ShareBounds) else ""
    return (name, row.arm, "", "", effect, span(row.low, row.high, points), "", shown)


def _resplit(row: Resplits) -> tuple[str, str, str]:
    """One metric's A/A re-splits."""
    name = f"A/A re-splits, {row.metric}"
    if row.rejected is None:
        return (name, formatting.why(row.reasons, "rejected"), formatting.MISSING)
    shares = f"{row.rejected:.1%} significant, p-values uniform: p = {formatting.p_value(row.ks_p_value)}"
    doubtful = row.passed and row.ks_p_value is not None and row.ks_p_value < DOUBTFUL
    return (name, shares, "borderline" if doubtful else _ok(row.passed))


def _slices(name: str, checks: Sequence[SplitCheck]) -> list[tuple[str, str, str]]:
    """The slices that alarm; no line where nothing was checked."""
    if not checks:
        return []
    off = [check.within for check in checks if check.alarm]
    return [(name, ", ".join(off) or f"none of {len(checks)} off plan", _ok(not off))]


def _srm_ok(p_value: Number) -> bool | None:
    return None if p_value is None else p_value >= SPLIT_ALARM


def _ok(passed: bool | None) -> str:
    return {True: "ok", False: "look into it", None: formatting.MISSING}[passed]


def _with_unit(value: Number, unit: str) -> str:
    return formatting.MISSING if value is None else f"{formatting.number(value)} {unit}"


def span(low: Number, high: Number, say: Callable[[Number], str]) -> str:
    """Both ends of an interval; missing where one is."""
    return formatting.MISSING if low is None or high is None else f"{say(low)} to {say(high)}"
