"""`power.html`: one file that shows from disk, without network, how large a test has to be."""

from typing import Final

from dashboards.figures.panels import Panel
from dashboards.figures.power import smallest_effect
from dashboards.html_pages.page import Line, Page, render_page, section_of, section_of_table
from dashboards.tables.sections import SectionTable
from dashboards.text import formatting
from simulator.reports.power import NeedRow, PairedRow, PowerPlan

CAPTION: Final = (
    "Dotted lines are plain, solid ones adjusted by the time before the test (CUPED). The cross is the test as the spec"
    " has it, the dotted level the effect that is wanted. Doubling users divides the smallest effect by 1.41; doubling"
    " days helps only with what differs from day to day within a user."
)
NEED_HEADINGS: Final = ("Days", "Users, plain", "Users, CUPED")
NEED_CAPTION: Final = "In brackets: what the pilot's own error leaves open (95%)."
BEFORE_HEADINGS: Final = ("Days before", "Variance left", "Users, CUPED")
BEFORE_CAPTION: Final = (
    "What adjusting by so many days before the test leaves of the variance, and the users it then takes."
)
VARIANCE_HEADINGS: Final = ("Method", "Between users", "Day to day", "Share between")
HERE_HEADINGS: Final = ("Metric", "Smallest lift, plain", "Smallest lift, CUPED")


def render_power(plan: PowerPlan) -> str:
    """Render the page; the same plan gives the same text."""
    figure = Panel("power", "Smallest effect", CAPTION, smallest_effect(plan))
    sections = [section_of(figure), *map(section_of_table, tables(plan))]
    verdict_lines = [Line(text) for text in verdict(plan)]
    return render_page(Page(f"{plan.name}: how large a test?", facts(plan), verdict_lines, sections))


def facts(plan: PowerPlan) -> str:
    """What was planned, in a line."""
    return (
        f"{plan.metric} {formatting.lift(plan.effect)}, power {plan.power:.0%}, false findings {plan.alpha:.0%};"
        f" {plan.arm} against {plan.baseline}; {plan.pilot_users:,} simulated users of world {plan.world}."
    )


def verdict(plan: PowerPlan) -> list[str]:
    """Users for the effect, and what paired truth takes, in sentences."""
    needs = [row for row in plan.needs if row.days == plan.days]
    users_by_method = " or ".join(f"{row.users:,} users ({row.method})" for row in needs)
    return [f"{plan.days} days take {users_by_method}; the spec has {plan.users:,}.", _paired(plan, plan.paired)]


def _users(row: NeedRow) -> str:
    """Users for the effect, with what the pilot leaves open."""
    if row.users_low is None or row.users_high is None:
        return formatting.count(row.users)
    return f"{formatting.count(row.users)} ({formatting.count(row.users_low)} to {formatting.count(row.users_high)})"


def _paired(plan: PowerPlan, paired: PairedRow) -> str:
    """What it takes where every user lives under both arms."""
    if paired.users is None:
        return f"Paired truth: {formatting.why(paired.reasons, 'users')}."
    took = "" if paired.seconds is None else f", {formatting.number(paired.seconds)} seconds of simulation"
    return (
        "With every user under both arms and the same noise, which no live platform can, "
        f"{formatting.lift(plan.effect)}"
        f" is three standard errors at {paired.users:,} users{took}.{_measured(plan, paired)}"
    )


def _measured(plan: PowerPlan, paired: PairedRow) -> str:
    """The pilot's own effect, and the users at which it is three standard errors."""
    if paired.relative_effect is None or paired.standard_error is None or paired.resolved_users is None:
        return ""
    effect = f"{formatting.lift(paired.relative_effect)} (standard error {paired.standard_error:.3%})"
    return f" {plan.arm}'s own effect of {effect} is at {paired.resolved_users:,}."


def tables(plan: PowerPlan) -> list[SectionTable]:
    """Users by days, components of variance, and every metric where the spec stands."""
    users = {(row.days, row.method): _users(row) for row in plan.needs}
    before = [(str(row.days), formatting.share(row.variance_left), formatting.count(row.users)) for row in plan.before]
    days = sorted({row.days for row in plan.needs})
    needs = [(str(day), users[day, "plain"], users.get((day, "cuped"), formatting.MISSING)) for day in days]
    parts = [
        (r.method, *map(formatting.number, (r.between, r.within)), formatting.share(r.user_share))
        for r in plan.variance
    ]
    effects = {(row.metric, row.method): formatting.share(row.relative_effect) for row in plan.here}
    keys = dict.fromkeys(row.metric for row in plan.here)
    here = [(key, *(effects.get((key, how), formatting.MISSING) for how in ("plain", "cuped"))) for key in keys]
    return [
        SectionTable("Users for the effect", NEED_HEADINGS, needs, NEED_CAPTION),
        *([SectionTable("Days before the test", BEFORE_HEADINGS, before, BEFORE_CAPTION)] if before else []),
        SectionTable("Where the variance lies", VARIANCE_HEADINGS, parts, ""),
        SectionTable("Every metric, as the spec is", HERE_HEADINGS, here, ""),
    ]
