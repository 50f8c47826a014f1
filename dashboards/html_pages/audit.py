"""`audit.html`: one file that shows from disk, without network, how far each way of reading a test can be believed."""

from typing import Final

from dashboards.figures.audit import quantiles, rates, shown_rows
from dashboards.figures.panels import Panel
from dashboards.html_pages.page import Line, Page, Section, render_page
from dashboards.tables.sections import SectionTable
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
    """Render the page; the same audit gives the same text."""
    tests = list(dict.fromkeys((row.source, row.arm) for row in audit.rows))
    sections = [_section(audit, source, arm) for source, arm in tests]
    return render_page(Page(f"Audit of {audit.name}", facts(audit), [Line(text) for text in verdict(audit)], sections))


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
    shared = "; one catalogue and one set of trained policies for all fresh seeds" if audit.kept_policies else ""
    return f"{audit.users:,} users, {audit.days} days, world {audit.world}, seed {audit.seed}{shared}."


def verdict(audit: Audit) -> list[str]:
    """Which right methods miss their coverage, and which wrong ones there are, in sentences."""
    short = [
        row for row in audit.rows if row.wrong is None and row.coverage_high is not None and row.coverage_high < 0.95
    ]
    names = "; ".join(f"{row.metric}, {row.method} ({row.source}): {formatting.share(row.coverage)}" for row in short)
    coverage = (
        f"Covers less than 95%: {names}." if short else "No method that is meant to be right covers less than 95%."
    )
    reasons = dict.fromkeys((row.method, row.wrong) for row in audit.rows if row.wrong)
    return [coverage, *(f"Wrong on purpose: {m.replace('_', ' ')} {why}." for m, why in reasons)]


def _section(audit: Audit, source: str, arm: str) -> Section:
    """Show one source and treatment: rates, quantiles, table."""
    rows = [row for row in audit.rows if (row.source, row.arm) == (source, arm)]
    drawn = shown_rows(audit, source, arm)
    key = f"{source.replace(' ', '-')}-{list(dict.fromkeys(row.arm for row in audit.rows)).index(arm)}"
    title = f"{arm} against {rows[0].baseline}, {rows[0].replications:,} {source}"
    panels = [
        Panel(f"rates-{key}", title, RATES_CAPTION, rates(drawn)),
        Panel(f"quantiles-{key}", title, QUANTILES_CAPTION, quantiles(drawn)),
    ]
    return Section(title, panels, SectionTable(title, HEADINGS, [cells(row) for row in rows], ""))


def _rate(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return formatting.MISSING
    return f"{value:.1%} ({100 * low:.1f} to {100 * high:.1f})"
