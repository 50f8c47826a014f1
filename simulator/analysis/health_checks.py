"""Checks of a split beyond its overall sizes: by day, by segment, lifts too good to be true.

Each is a small function of counts or rows; `simulator.analysis.health` holds the checks that every test has had.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from simulator.analysis.health import ALARM, planned_users, srm_p_value
from simulator.metrics import MAIN
from simulator.reports.report import MetricRow
from simulator.reports.sections import SplitCheck, TooGood
from simulator.spec.experiment import ArmSpec

SUSPICIOUS_Z: Final = 10.0
SUSPICIOUS_LIFT: Final = 0.2
"""A lift that is both this large and this many standard errors from 0 is one to check: changes of a live product move
such metrics by a few percent (Kohavi, Deng, Longbotham and Xu, KDD 2014, https://doi.org/10.1145/2623330.2623341); the
two limits are ours."""
_FEWEST_EXPECTED: Final = 5.0
"""Expected users in an arm below which the chi-square test says nothing."""
_SURE: Final = 1.959964


def split_checks(arms: Sequence[ArmSpec], slices: Mapping[str, Mapping[str, int]]) -> list[SplitCheck]:
    """Sample ratio within each of several slices, with Bonferroni's alarm over them.

    Args:
        arms: As planned, control first.
        slices: Users per arm, by name of the slice.
    """
    checks = [_split_check(arms, name, users) for name, users in slices.items()]
    n = sum(check.p_value is not None for check in checks)
    return [
        check.model_copy(update={"alarm": check.p_value is not None and check.p_value * n < ALARM}) for check in checks
    ]


def split_warnings(by_day: Sequence[SplitCheck], by_segment: Sequence[SplitCheck]) -> list[str]:
    """One line for the days and one for the segments that raise an alarm."""
    days = [check.within for check in by_day if check.alarm]
    levels = [check.within for check in by_segment if check.alarm]
    lines: list[str] = []
    if days:
        lines.append(
            f"active users per arm are not as planned on {', '.join(days)}: "
            "either the treatment changes who comes, or rows of users are lost"
        )
    if levels:
        lines.append(f"sample ratio mismatch within {', '.join(levels)}; do not read those segments")
    return lines


def too_good(rows: Sequence[MetricRow]) -> list[TooGood]:
    """Main metrics whose lift is beyond `SUSPICIOUS_LIFT` and `SUSPICIOUS_Z` (Twyman's law)."""
    main = [(row, _z(row)) for row in rows if row.metric in MAIN]
    return [
        TooGood(metric=row.metric, arm=row.arm, lift=row.relative_effect, z=z)
        for row, z in main
        if z is not None and abs(z) > SUSPICIOUS_Z
        if row.relative_effect is not None and abs(row.relative_effect) > SUSPICIOUS_LIFT
    ]


def too_good_warnings(found: Sequence[TooGood]) -> list[str]:
    """One line each."""
    return [
        f"{each.metric}, {each.arm}: a lift of {each.lift:+.1%}, {abs(each.z):.0f} standard errors from 0, "
        "is unusually large; check before believing"
        for each in found
    ]


def significant(rows: Sequence[MetricRow]) -> list[str]:
    """Main metrics that differ at 5%, as `arm/metric`."""
    main = (row for row in rows if row.metric in MAIN)
    return [f"{row.arm}/{row.metric}" for row in main if row.p_value is not None and row.p_value < 0.05]


def _split_check(arms: Sequence[ArmSpec], within: str, seen: Mapping[str, int]) -> SplitCheck:
    """One slice, its alarm still off."""
    users = {arm.name: seen.get(arm.name, 0) for arm in arms}
    planned = planned_users(arms, sum(users.values()))
    if min(planned.values()) < _FEWEST_EXPECTED:
        reasons = {"p_value": f"fewer than {_FEWEST_EXPECTED:.0f} users were expected in an arm"}
        return SplitCheck(within=within, users=users, p_value=None, alarm=False, reasons=reasons)
    return SplitCheck(within=within, users=users, p_value=srm_p_value(users, planned), alarm=False)


def _z(row: MetricRow) -> float | None:
    """Effect over its standard error, read off the 95% interval."""
    if row.effect is None or row.effect_low is None or row.effect_high is None or row.effect_high <= row.effect_low:
        return None
    return row.effect / ((row.effect_high - row.effect_low) / (2 * _SURE))
