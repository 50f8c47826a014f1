"""A plan on a terminal: users it takes by days, the smallest effect of each metric, and what paired truth takes."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from simulator.reports.power import PairedRow, PowerPlan


def power_tables(plan: PowerPlan) -> Group:
    """What `askew power` prints."""
    return Group(_needs(plan), Text(variance_line(plan)), Text(), _here(plan), Text(), Text(paired_line(plan)))


def variance_line(plan: PowerPlan) -> str:
    """Why days help little or much."""
    said = [f"{row.method} {row.user_share:.0%}" for row in plan.variance]
    return (
        f"share of one day's variance that lies between users, which more days do not average away: {', '.join(said)} "
        f"({plan.pilot_users:,} users, {len(plan.variance[0].measured)} days simulated)"
    )


def paired_line(plan: PowerPlan) -> str:
    """What it takes where the truth can be run."""
    paired = plan.paired
    if paired.users is None:
        return f"paired truth: {paired.reasons.get('users', 'not told')}"
    took = "" if paired.seconds is None else f", {_seconds(paired.seconds)} at the pilot's speed"
    return (
        f"paired truth (every user under both arms): {plan.effect:+.2%} is 3 standard errors at {paired.users:,} users"
        f"{took}{_own(plan, paired)}"
    )


def _own(plan: PowerPlan, paired: PairedRow) -> str:
    """The pilot's own effect."""
    if paired.relative_effect is None or paired.standard_error is None or paired.resolved_users is None:
        return ""
    took = "" if paired.resolved_seconds is None else f", {_seconds(paired.resolved_seconds)}"
    return (
        f"; {plan.arm}'s own {paired.relative_effect:+.3%} (standard error {paired.standard_error:.3%}) at"
        f" {paired.resolved_users:,}{took}"
    )


def _seconds(value: float) -> str:
    """A span of time."""
    return f"{value:,.0f} s" if value < 7200 else f"{value / 3600:,.1f} h"


def _needs(plan: PowerPlan) -> Table:
    """Users by days and method."""
    title = f"users to find {plan.effect:+.2%} {plan.metric} with {plan.power:.0%} power at {plan.alpha:.0%}, all arms"
    table = Table(title=Text(f"{plan.name}: {title}"), title_justify="left", box=None)
    methods = [row.method for row in plan.variance]
    table.add_column("days")
    for method in methods:
        table.add_column(method, justify="right")
    users = {(row.days, row.method): row.users for row in plan.needs}
    for days in sorted({row.days for row in plan.needs}):
        here = " <- the spec's" if days == plan.days else ""
        table.add_row(f"{days}{here}", *(f"{users[days, method]:,}" for method in methods))
    return table


def _here(plan: PowerPlan) -> Table:
    """The smallest effect of each metric where you are."""
    title = f"smallest effect found with {plan.power:.0%} power by {plan.users:,} users in {plan.days} days"
    table = Table(title=Text(title), title_justify="left", box=None)
    table.add_column("metric")
    for method in ("plain", "cuped"):
        table.add_column(method, justify="right")
    effects = {(row.metric, row.method): row.relative_effect for row in plan.here}
    for metric in dict.fromkeys(row.metric for row in plan.here):
        cells = (effects.get((metric, method)) for method in ("plain", "cuped"))
        table.add_row(Text(metric), *("n/a" if effect is None else f"{effect:.2%}" for effect in cells))
    return table
