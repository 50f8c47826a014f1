"""`audit.html`: one file that shows from disk, without network, how far each way of reading a test can be believed."""

import html
from typing import Final

from dashboards.figures import audit as audit_figure
from dashboards.html_pages import parts as html_parts
from dashboards.text import formatting
from simulator.reports.audit import Audit, AuditRow

HEADINGS: Final = (
    "Metric",
    "Method",
    "False positives",
    "Coverage",
    "Coverage, population",
    "Power",
    "Exaggeration",
    "Wrong sign",
    "A/A uniform, p",
    "True lift",
)
RATES_CAPTION: Final = (
    "A/A tests give both buckets the same policy, so every finding is false: 5% is right. A/B tests have a known true"
    " effect, and 95% of intervals should hold it. Where the same users are split anew, intervals are a little too wide"
    " for these very users (Neyman), so more than 95% is right. Bars are Monte Carlo bands (Wilson, 95%)."
)
QUANTILES_CAPTION: Final = (
    "If a method is right, p-values of A/A tests are spread evenly, and their quantiles lie on the diagonal. A curve"
    " below it finds effects where there are none."
)


def render_audit(audit: Audit) -> str:
    """The whole page; the same audit gives the same text."""
    title = f"Audit of {audit.name}"
    head = f"<h1>{html.escape(title)}</h1>\n{html_parts.paragraph(facts(audit), 'facts')}"
    keys = list(dict.fromkeys((row.source, row.arm) for row in audit.rows))
    parts = [_part(audit, *key) for key in keys]
    return html_parts.page(title, "\n".join([head, _verdict(audit), *parts]))


def cells(row: AuditRow) -> tuple[str, ...]:
    """One line of the table."""
    return (
        row.metric,
        row.method.replace("_", " ") + (" (wrong)" if row.wrong else ""),
        _rate(row.false_positive_rate, row.false_positive_low, row.false_positive_high),
        _rate(row.coverage, row.coverage_low, row.coverage_high),
        _rate(row.coverage_population, row.coverage_population_low, row.coverage_population_high),
        _rate(row.power, row.power_low, row.power_high),
        formatting.number(row.exaggeration),
        _rate(row.sign_errors, row.sign_errors_low, row.sign_errors_high),
        formatting.p_value(row.uniform_p_value),
        formatting.lift(row.true_relative_effect),
    )


def facts(audit: Audit) -> str:
    """What was audited, in a line."""
    kept = "; one catalogue and one set of trained policies for all fresh seeds" if audit.kept_policies else ""
    return f"{audit.users:,} users, {audit.days} days, world {audit.world}, seed {audit.seed}{kept}."


def verdict(audit: Audit) -> list[str]:
    """Which right methods miss their coverage, and which wrong ones there are, in sentences."""
    short = [
        row for row in audit.rows if row.wrong is None and row.coverage_high is not None and row.coverage_high < 0.95
    ]
    names = "; ".join(f"{row.metric}, {row.method} ({row.source}): {formatting.share(row.coverage)}" for row in short)
    said = f"Covers less than 95%: {names}." if short else "No method that is meant to be right covers less than 95%."
    reasons = dict.fromkeys((row.method, row.wrong) for row in audit.rows if row.wrong)
    return [said, *(f"Wrong on purpose: {m.replace('_', ' ')} {why}." for m, why in reasons)]


def _verdict(audit: Audit) -> str:
    """The sentences in a box."""
    lines = [html_parts.paragraph(line, "sentence") for line in verdict(audit)]
    return '<div class="verdict">\n' + "\n".join(lines) + "\n</div>"


def _part(audit: Audit, source: str, arm: str) -> str:
    """One source and treatment: rates, quantiles, table."""
    rows = [row for row in audit.rows if (row.source, row.arm) == (source, arm)]
    shown = audit_figure.shown_rows(audit, source, arm)
    key = f"{source.replace(' ', '-')}-{list(dict.fromkeys(row.arm for row in audit.rows)).index(arm)}"
    drawn = html_parts.drawing(audit_figure.rates(shown), f"rates-{key}")
    plot = html_parts.drawing(audit_figure.quantiles(shown), f"quantiles-{key}")
    about = f"{arm} against {rows[0].baseline}, {rows[0].replications:,} {source}"
    content = [
        f"{drawn}\n{html_parts.paragraph(RATES_CAPTION, 'caption')}",
        f"{plot}\n{html_parts.paragraph(QUANTILES_CAPTION, 'caption')}",
        html_parts.table(HEADINGS, [cells(row) for row in rows]),
    ]
    return html_parts.section(about, "\n".join(content))


def _rate(value: float | None, low: float | None, high: float | None) -> str:
    """A rate with its band, in percent."""
    if value is None or low is None or high is None:
        return formatting.MISSING
    return f"{value:.1%} ({100 * low:.1f} to {100 * high:.1f})"
