"""Compute the rows of the scorecard from a frame with one row per user.

It works on simulated runs and on live tests alike, and does not use the true effect.
"""

import math
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from simulator.analysis.decisions import DecisionRules
from simulator.analysis.health import before_warnings, p_values_of, srm_p_value, srm_warning
from simulator.analysis.scorecard import compare_arms
from simulator.analysis.user_frame import ReadoutWarning, read_users
from simulator.metrics import METRICS, PRE, Metric
from simulator.names import nearest
from simulator.reports.report import MetricRow
from simulator.statistics.comparison import CONFIDENCE


def analyse(
    users: object,
    metrics: Metric | str | Iterable[Metric | str],
    control: Hashable,
    treatments: Iterable[Hashable],
    judging: DecisionRules = DecisionRules(),  # noqa: B008 (frozen)
    *,
    shares: Mapping[Hashable, float] | None = None,
    confidence: float = CONFIDENCE,
    covariates: Iterable[str] = (),
) -> list[MetricRow]:
    """Compare each treatment with the control on each metric, plain and with CUPED.

    Every assigned user has one row, with 0 where nothing happened (intention to treat). Leaving out users who never
    came, or giving one row per view, makes the answer wrong. CUPED (variance reduction by what the same users did
    before) is used where the metric's columns with the prefix `pre_` are given and vary. A mean weighted by `w`
    is a metric with the total of `w y` above and that of `w` below. A metric below zero has its lift over the size of
    control, so that a rise is above 0.

    Args:
        users: Columns `user_id`, `arm`, and those the metrics name; `pre_` columns as known. A frame of pandas, polars,
            pyarrow or duckdb, or a dict of columns.
        metrics: What to compare: metrics, or keys of `simulator.metrics.METRICS`.
        control: Arm that the others are compared with, as in the column: the number 1 is not the text "1".
        treatments: The arms to compare with control, in the order of the rows.
        judging: How p-values are adjusted for their number, and which metrics must not get worse by how much. The
            p-values of all metrics given are adjusted together, unless it names a family.
        shares: Planned share of the users per arm, in any unit; equal ones if not given.
        confidence: Of all intervals, which guardrails are judged by.
        covariates: More columns that were known of each user before the test, such as `pre_views`; they narrow the
            intervals of metrics that have their `pre_` columns, as a rule by a few percent.

    Returns:
        One row per treatment and metric, treatments outermost. A number that cannot be computed is None, with a reason.

    Raises:
        ValueError: A column that is missing, there twice, not numeric or has gaps; a user without a name or with two
            rows; an unknown arm; 1% or more of the users in two arms; a metric or treatment given twice; a guardrail
            or family of metrics that are not given; no users.

    Warns:
        ReadoutWarning: A line each on users without an arm, in two arms or in arms that are not compared, all left out;
            on a sample ratio mismatch; on metrics in which arms differed before the test.

    >>> users = pd.DataFrame({"user_id": range(6), "arm": list("aaabbb"), "orders": [1, 2, 3, 3, 4, 5]})
    >>> orders = Metric("orders", "Orders per user", "orders/user", "up", ("orders",))
    >>> row, = analyse(users, [orders], "a", ["b"])
    >>> row.control, row.treatment, row.relative_effect, round(row.p_value, 4), row.method
    (2.0, 4.0, 1.0, 0.1464, 'plain')
    """
    compared_metrics, arms = _metrics(metrics), _arms(control, treatments)
    names = [str(arm) for arm in arms]
    judging = judging if judging.family else replace(judging, family=tuple(metric.key for metric in compared_metrics))
    judging.check([metric.key for metric in compared_metrics])
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence} given, want a share between 0 and 1, such as 0.95")
    planned = _planned(shares, arms)
    covariate_names = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    _refuse_twice("covariates", covariate_names)
    frame, notices = read_users(users, compared_metrics, arms, names, covariate_names)
    for message in (*notices, *_split(frame, planned), *_difference_messages(frame, names, compared_metrics)):
        warnings.warn(message, ReadoutWarning, stacklevel=2)
    return judging.judge(compare_arms(frame, compared_metrics, names[0], names[1:], confidence, covariate_names))


def _metrics(metrics: Metric | str | Iterable[Metric | str]) -> list[Metric]:
    """Look up metrics that are given by key."""
    entries = [metrics] if isinstance(metrics, (Metric, str)) else list(metrics)
    compared_metrics = [metric if isinstance(metric, Metric) else _metric(metric) for metric in entries]
    if not compared_metrics:
        raise ValueError("metrics: none given, want one at least")
    _refuse_twice("metrics", [metric.key for metric in compared_metrics])
    return compared_metrics


def _metric(key: object) -> Metric:
    """Look up the metric of a key."""
    if isinstance(key, str) and key in METRICS:
        return METRICS[key]
    hint = nearest(str(key), METRICS, " or ".join(METRICS))
    raise ValueError(f"metrics: {key!r} given, want a Metric or a key of METRICS; {hint}")


def _arms(control: object, treatments: object) -> list[Hashable]:
    """Check that control and treatments are all different."""
    if isinstance(treatments, str) or not isinstance(treatments, Iterable):
        raise ValueError(f"treatments: {treatments!r} given, want a list of arms: [{treatments!r}]")
    arms: list[Hashable] = []
    for arm in (control, *treatments):
        if not isinstance(arm, Hashable):
            raise ValueError(f"arm {arm!r} given, want one value of the column 'arm'")
        arms.append(arm)
    if not arms[1:]:
        raise ValueError("treatments: none given, want one at least")
    if arms[0] in arms[1:]:
        raise ValueError(f"arm {control!r} is both control and treatment; want different arms")
    _refuse_twice("treatments", arms[1:])
    _refuse_twice("arms by their names", [str(arm) for arm in arms])
    return arms


def _refuse_twice(argument: str, names: Sequence[Hashable]) -> None:
    """Refuse a name that is given twice: it would count twice among the tests."""
    for position, name in enumerate(names):
        if name in names[:position]:
            raise ValueError(f"{argument}: {name!r} is given twice, want each once")


def _planned(shares: Mapping[Hashable, float] | None, arms: Sequence[Hashable]) -> dict[str, float]:
    """Planned share of the users per arm, over the arms that are compared."""
    share_of_arm = dict.fromkeys(arms, 1.0) if shares is None else shares
    for arm in arms:
        share = share_of_arm.get(arm)
        if share is None or not (share > 0 and math.isfinite(share)):
            raise ValueError(f"shares: {share} given for arm {arm!r}, want the planned share of each arm, above 0")
    return {str(arm): share_of_arm[arm] / math.fsum(share_of_arm[arm] for arm in arms) for arm in arms}


def _split(users: pd.DataFrame, shares: Mapping[str, float]) -> list[str]:
    """One line if arms do not have the planned sizes."""
    n_users = {arm: int((users["arm"] == arm).sum()) for arm in shares}
    planned = {arm: share * len(users) for arm, share in shares.items()}
    return [
        f"{line}; if it was planned so, give `shares`"
        for line in srm_warning(srm_p_value(n_users, planned), n_users, planned)
    ]


def _difference_messages(users: pd.DataFrame, arms: Sequence[str], metrics: Sequence[Metric]) -> list[str]:
    """One line per metric in which arms differed before the test more than chance explains.

    Metrics that lack a `pre_` column are left out.
    """
    measured = [metric for metric in metrics if all(PRE + column in users.columns for column in metric.columns)]
    columns = dict.fromkeys(column for metric in measured for column in metric.columns)
    totals_before = users[["user_id", "arm"]].assign(**{name: users[PRE + name] for name in columns})
    return before_warnings(p_values_of(compare_arms(totals_before, measured, arms[0], arms[1:])))
