"""Health checks of a test: bucket sizes, differences before the test, users in two arms, suspicious lifts.

Each check is a function of counts or rows, next to the function that makes its warning.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import numpy as np
from scipy.stats import chisquare

from simulator.metrics import MAIN
from simulator.reports.report import MetricRow
from simulator.reports.sections import SPLIT_ALARM, MixedAssignment, SplitCheck, TooGood, split_alarm
from simulator.spec.experiment import ArmSpec

SUSPICIOUS_Z: Final = 10.0
SUSPICIOUS_LIFT: Final = 0.2
"""A lift of at least this size and at least `SUSPICIOUS_Z` standard errors from 0 is suspicious: changes of a live
product move such metrics by a few percent (Kohavi, Deng, Longbotham and Xu, KDD 2014,
https://doi.org/10.1145/2623330.2623341). The two limits are ours."""
MOST_MIXED: Final = 0.01
"""Share of users in more than one arm from which a test fails; below it there is a warning."""
_FEWEST_EXPECTED: Final = 5.0
"""Smallest expected number of users in an arm for the chi-square test."""
_SURE: Final = 1.959964


def planned_users(arms: Sequence[ArmSpec], n: int) -> dict[str, float]:
    """Expected number of users per arm, of `n` users."""
    total = sum(arm.share for arm in arms)
    return {arm.name: n * arm.share / total for arm in arms}


def srm_p_value(n_users: dict[str, int], planned: dict[str, float]) -> float:
    """Sample ratio mismatch: Pearson's chi-square of bucket sizes against the plan, for any number of arms.

    Fabijan et al., KDD 2019, https://doi.org/10.1145/3292500.3330722.

    >>> round(srm_p_value({"a": 821, "b": 790}, {"a": 805.5, "b": 805.5}), 4)
    0.4399
    """
    result = chisquare(np.array(list(n_users.values())), np.array([planned[arm] for arm in n_users]))
    return float(result.pvalue)


def srm_warning(p_value: float, n_users: dict[str, int], planned: dict[str, float]) -> list[str]:
    """One line if bucket sizes differ from the plan."""
    if p_value >= SPLIT_ALARM:
        return []
    sizes = ", ".join(f"{arm} {n_users[arm]} of {planned[arm]:.0f} planned" for arm in n_users)
    return [f"sample ratio mismatch (p = {p_value:.2g}): {sizes}; do not read the scorecard"]


def p_values_of(rows: Sequence[MetricRow]) -> dict[str, float | None]:
    """p-value of each row, by `arm/metric`."""
    return {f"{row.arm}/{row.metric}": row.p_value for row in rows}


def before_warnings(p_values: dict[str, float | None]) -> list[str]:
    """One line for each significant difference before the test (Bonferroni)."""
    return [
        f"{name} differed from control before the test (p = {p:.2g})"
        for name, p in p_values.items()
        if p is not None and p * len(p_values) < SPLIT_ALARM
    ]


def notes_of(rows: Sequence[MetricRow]) -> list[str]:
    """Notes on main metrics."""
    noted = [row for row in rows if row.metric in MAIN and "note" in row.reasons]
    return [f"{row.metric}, {row.arm} against {row.baseline}: {row.reasons['note']}" for row in noted]


def split_checks(arms: Sequence[ArmSpec], slices: Mapping[str, Mapping[str, int]]) -> list[SplitCheck]:
    """Check the sample ratio within each slice, with an alarm by Bonferroni over the slices.

    Args:
        arms: Planned arms, control first.
        slices: Number of users per arm, by name of the slice.
    """
    checks = [_split_check(arms, name, users) for name, users in slices.items()]
    limit = split_alarm(checks)
    return [check.model_copy(update={"alarm": check.p_value is not None and check.p_value < limit}) for check in checks]


def split_warnings(by_day: Sequence[SplitCheck], by_segment: Sequence[SplitCheck]) -> list[str]:
    """One line for the days with an alarm, and one for the segments."""
    days_off = [check.within for check in by_day if check.alarm]
    segments_off = [check.within for check in by_segment if check.alarm]
    lines: list[str] = []
    if days_off:
        lines.append(
            f"active users per arm are not as planned on {', '.join(days_off)}: "
            "either the treatment changes who comes, or rows of users are lost"
        )
    if segments_off:
        lines.append(f"sample ratio mismatch within {', '.join(segments_off)}; do not read those segments")
    return lines


def too_good(rows: Sequence[MetricRow]) -> list[TooGood]:
    """Find main metrics whose lift is beyond `SUSPICIOUS_LIFT` and `SUSPICIOUS_Z` (Twyman's law)."""
    main = [(row, _z(row)) for row in rows if row.metric in MAIN]
    return [
        TooGood(metric=row.metric, arm=row.arm, lift=row.relative_effect, z=z)
        for row, z in main
        if z is not None and abs(z) > SUSPICIOUS_Z
        if row.relative_effect is not None and abs(row.relative_effect) > SUSPICIOUS_LIFT
    ]


def too_good_warnings(rows: Sequence[TooGood]) -> list[str]:
    """One line for each suspicious lift."""
    return [
        f"{row.metric}, {row.arm}: a lift of {row.lift:+.1%}, {abs(row.z):.0f} standard errors from 0, "
        "is unusually large; check before believing"
        for row in rows
    ]


def significant(rows: Sequence[MetricRow]) -> list[str]:
    """Main metrics that are significant at 5%, as `arm/metric`."""
    main = (row for row in rows if row.metric in MAIN)
    return [f"{row.arm}/{row.metric}" for row in main if row.p_value is not None and row.p_value < 0.05]


def mixed_assignment(mixed: int, users: int) -> MixedAssignment:
    """Judge the number of users in more than one arm: none pass, fewer than 1% are a warning.

    >>> [mixed_assignment(n, 1000).verdict for n in (0, 9, 10)]
    ['pass', 'warn', 'fail']
    """
    share = mixed / users if users else 0.0
    return MixedAssignment(users=mixed, share=share, verdict=_verdict(share))


def mixed_warnings(mixed: MixedAssignment) -> list[str]:
    """One line if there are users in two arms."""
    if mixed.verdict == "pass":
        return []
    remedy = "do not read the scorecard" if mixed.verdict == "fail" else "each is counted in one of them"
    return [f"{mixed.users} users ({mixed.share:.2%}) have rows under more than one arm; {remedy}"]


def _split_check(arms: Sequence[ArmSpec], within: str, n_users: Mapping[str, int]) -> SplitCheck:
    """Check one slice, without its alarm."""
    users = {arm.name: n_users.get(arm.name, 0) for arm in arms}
    planned = planned_users(arms, sum(users.values()))
    if min(planned.values()) < _FEWEST_EXPECTED:
        reasons = {"p_value": f"fewer than {_FEWEST_EXPECTED:.0f} users were expected in an arm"}
        return SplitCheck(within=within, users=users, p_value=None, alarm=False, reasons=reasons)
    return SplitCheck(within=within, users=users, p_value=srm_p_value(users, planned), alarm=False)


def _z(row: MetricRow) -> float | None:
    """Effect over its standard error, from the 95% interval."""
    if row.effect is None or row.effect_low is None or row.effect_high is None or row.effect_high <= row.effect_low:
        return None
    return row.effect / ((row.effect_high - row.effect_low) / (2 * _SURE))


def _verdict(share: float) -> Literal["pass", "warn", "fail"]:
    """Verdict on a share of users in two arms."""
    if share == 0:
        return "pass"
    return "warn" if share < MOST_MIXED else "fail"
