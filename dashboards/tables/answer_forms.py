"""Tables of the satisfied share by each estimator, its bounds, and its sensitivity to who answers."""

from dashboards.tables.sections import BOUNDS, ESTIMATORS, SectionTable, points, span
from dashboards.text import formatting
from simulator.reports.answer_forms import SatisfiedShare, ShareBounds
from simulator.reports.report import Report


def shares(report: Report) -> SectionTable:
    """Each arm's share by each estimator beside the truth of the same."""
    forms = report.answering.forms if report.answering else None
    lines = [_share(row) for row in forms.shares] if forms else []
    lines += [_bounds(row) for row in forms.bounds if row.baseline is None] if forms else []
    caption = (
        "The share that would say satisfied of the views that were asked about, had all been answered; the true share"
        " is of the same views. Errors: users in 100 hash groups, one left out at a time. Strong form only: its answers"
        " as they are. Straight line: the silent are like those whom the strong form moved to answer. Probit: answering"
        " and saying are normal, and the form moves all alike. Manski: nothing but that the form does not change what"
        " is said."
    )
    headings = ("Estimator", "Arm", "Share", "Standard error", "95% interval", "True share")
    return SectionTable("Satisfied share by estimator", headings, lines, caption)


def sensitivity(report: Report) -> SectionTable:
    """How much likelier to answer the satisfied would have to be for the effect to turn, and how much they are."""
    forms = report.answering.forms if report.answering else None
    true = {row.arm: row.ratio for row in forms.ratios} if forms else {}
    lines = [
        (
            sign.arm,
            points(sign.naive_effect),
            _ratio(sign.ratio),
            _ratio(sign.resolved),
            _ratio(true.get(sign.baseline)),
            _ratio(true.get(sign.arm)),
            points(sign.true_effect),
        )
        for sign in (forms.signs if forms else [])
    ]
    caption = (
        "If the satisfied are G times as likely to answer as others, the odds of satisfied among all asked are those of"
        " the answers over G. Sign open from: the g from which the effect may be 0 or of another sign, where each arm's"
        " G may lie anywhere from 1/g to g; the same G in both arms never turns it. True G: as simulated."
    )
    headings = (
        "Arm",
        "Effect on answers",
        "Sign open from g",
        "With 95% interval",
        "True G, control",
        "True G",
        "True effect",
    )
    return SectionTable("How safe is the sign of the effect?", headings, lines, caption)


def _share(row: SatisfiedShare) -> tuple[str, ...]:
    return (
        ESTIMATORS[row.estimator],
        row.arm,
        formatting.share(row.share) if row.share is not None else formatting.why(row.reasons, "share"),
        points(row.standard_error).removeprefix("+"),
        span(row.low, row.high, formatting.share),
        formatting.share(row.true),
    )


def _bounds(row: ShareBounds) -> tuple[str, ...]:
    inner, outer = (span(*ends, formatting.share) for ends in ((row.lower, row.upper), (row.low, row.high)))
    return (BOUNDS, row.arm, inner, "", outer, formatting.share(row.true))


def _ratio(value: float | None) -> str:
    return formatting.MISSING if value is None else f"{value:.2f}"
