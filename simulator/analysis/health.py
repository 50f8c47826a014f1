"""Whether the split can be trusted: bucket sizes as planned, and no difference before the test."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import chisquare

from simulator.analysis.scorecard import compare_arms
from simulator.metrics import MAIN, METRICS, PRE, Metric
from simulator.reports.report import Health, MetricRow
from simulator.spec.experiment import ArmSpec

ALARM: Final = 0.001
"""p-value below which bucket sizes, or differences before the test, are alarming (shared out over the latter)."""


def check_health(users: pd.DataFrame, arms: Sequence[ArmSpec], main_rows: Sequence[MetricRow]) -> Health:
    """Look at the split before believing the scorecard.

    Args:
        users: Every assigned user with totals of the test and, under `pre_`, from before it.
        arms: As planned, control first.
        main_rows: The scorecard's rows, whose notes become warnings where they are about a main metric.
    """
    planned = planned_users(arms, len(users))
    seen = {arm.name: int((users["arm"] == arm.name).sum()) for arm in arms}
    srm = srm_p_value(seen, planned)
    before = pre_period_p_values(users, [arm.name for arm in arms])
    return Health(
        srm_p_value=srm,
        users_planned=planned,
        users_seen=seen,
        a_a=all(arm.same_policy(arms[0]) for arm in arms),
        pre_period=before,
        warnings=[*srm_warning(srm, seen, planned), *before_warnings(before), *notes_of(main_rows)],
    )


def planned_users(arms: Sequence[ArmSpec], n: int) -> dict[str, float]:
    """Expected users per arm of `n` in all."""
    total = sum(arm.share for arm in arms)
    return {arm.name: n * arm.share / total for arm in arms}


def srm_p_value(seen: dict[str, int], planned: dict[str, float]) -> float:
    """Sample ratio mismatch: Pearson's chi-square of bucket sizes against the plan, for any number of arms.

    Fabijan et al., KDD 2019, https://doi.org/10.1145/3292500.3330722.

    >>> round(srm_p_value({"a": 821, "b": 790}, {"a": 805.5, "b": 805.5}), 4)
    0.4399
    """
    result = chisquare(np.array(list(seen.values())), np.array([planned[arm] for arm in seen]))
    return float(result.pvalue)


def pre_period_p_values(
    users: pd.DataFrame, arms: Sequence[str], metrics: Sequence[Metric] = tuple(METRICS[key] for key in MAIN)
) -> dict[str, float | None]:
    """p-value of each treatment's difference in each metric before the test, by `arm/metric`.

    None where it cannot be told, and no entries for metrics of which not all is known from before the test.
    """
    known = [metric for metric in metrics if all(PRE + column in users.columns for column in metric.columns)]
    columns = dict.fromkeys(column for metric in known for column in metric.columns)
    before = users[["user_id", "arm"]].assign(**{name: users[PRE + name] for name in columns})
    rows = compare_arms(before, known, arms[0], arms[1:])
    return {f"{row.arm}/{row.metric}": row.p_value for row in rows}


def srm_warning(p_value: float, seen: dict[str, int], planned: dict[str, float]) -> list[str]:
    """One line if bucket sizes are off."""
    if p_value >= ALARM:
        return []
    sizes = ", ".join(f"{arm} {seen[arm]} of {planned[arm]:.0f} planned" for arm in seen)
    return [f"sample ratio mismatch (p = {p_value:.2g}): {sizes}; do not read the scorecard"]


def before_warnings(p_values: dict[str, float | None]) -> list[str]:
    """One line for each difference before the test that chance does not explain (Bonferroni)."""
    return [
        f"{name} differed from control before the test (p = {p:.2g})"
        for name, p in p_values.items()
        if p is not None and p * len(p_values) < ALARM
    ]


def notes_of(rows: Sequence[MetricRow]) -> list[str]:
    """The notes on main metrics."""
    noted = [row for row in rows if row.metric in MAIN and "note" in row.reasons]
    return [f"{row.metric}, {row.arm} against {row.baseline}: {row.reasons['note']}" for row in noted]
