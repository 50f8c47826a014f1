"""What the split users say: from a frame with one row per user to the rows of the scorecard.

Works on a run of ours and on anybody's live test alike; the true effect is none of its business.
"""

import difflib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from simulator.estimates import Bucket, Comparison, Difference, compare
from simulator.judging import Judging
from simulator.metrics import PRE, Metric
from simulator.mixed_assignment import MOST_MIXED, mixed_assignment
from simulator.moments import Spread, bucket_spread, equal_users, ratio_of
from simulator.report import Estimate, MetricRow

FEW_USERS = 100
"""Equal users below which the delta method's intervals are too narrow: see `equal_users`."""


def analyse(
    users: pd.DataFrame,
    metrics: Sequence[Metric],
    control: str,
    treatments: Sequence[str],
    judging: Judging = Judging(),  # noqa: B008 (frozen)
) -> list[MetricRow]:
    """Compare each treatment with the control on each metric, plain and with CUPED.

    Every assigned user has one row, with 0 where nothing happened (intention to treat); leaving out those who never
    came, or giving one row per view, makes the answer wrong. CUPED (variance reduction by what the same users did
    before) is used where the columns named `pre_` and the metric's columns are there and vary.

    Args:
        users: Columns `user_id`, `arm`, and those the metrics name; `pre_` columns as known.
        metrics: What to compare, such as `simulator.metrics.METRICS.values()`.
        control: Arm that the others are compared with.
        treatments: The others, in the order wanted.
        judging: How p-values are adjusted for their number, and which metrics must not get worse by how much.

    Returns:
        One row per treatment and metric, treatments outermost. Numbers that cannot be told are None, with a reason.

    Raises:
        ValueError: A column that is missing, not numeric or has gaps, a user with two rows, an unknown arm, 1% or more
            of the users in two arms.

    Warns:
        UserWarning: Fewer users than that are in two arms; they are left out.

    >>> users = pd.DataFrame({"user_id": range(6), "arm": list("aaabbb"), "orders": [1, 2, 3, 3, 4, 5]})
    >>> orders = Metric("orders", "Orders per user", "orders/user", "up", ("orders",))
    >>> row, = analyse(users, [orders], "a", ["b"])
    >>> row.control, row.treatment, row.relative_effect, round(row.p_value, 4), row.method
    (2.0, 4.0, 1.0, 0.0705, 'plain')
    """
    users = _in_one_arm(users)
    _check_arms(users, [control, *treatments])
    _check_columns(users, metrics)
    return judging.judge(compare_arms(users, metrics, control, treatments))


def compare_arms(
    users: pd.DataFrame, metrics: Sequence[Metric], control: str, treatments: Sequence[str]
) -> list[MetricRow]:
    """`analyse` for frames known to be sound; an arm without users gives rows without numbers."""
    by_arm = {arm: users.loc[users["arm"] == arm] for arm in (control, *treatments)}
    return [
        metric_row(metric, bucket_of(metric, control, by_arm[control]), bucket_of(metric, arm, by_arm[arm]))
        for arm in treatments
        for metric in metrics
    ]


@final
@dataclass(frozen=True)
class Side:
    """One bucket of a comparison, as a row shows it.

    Attributes:
        arm: Its name.
        value: Of the metric, None where the denominator is 0.
        equal_users: Over how many equal users the numerator spreads as much, and the denominator.
    """

    arm: str
    value: float | None
    equal_users: tuple[float, float]


def metric_row(metric: Metric, control: Bucket, treatment: Bucket) -> MetricRow:
    """One row of the scorecard, with the true effect still open."""
    return comparison_row(metric, _side(control), _side(treatment), compare(control, treatment))


def comparison_row(metric: Metric, control: Side, treatment: Side, comparison: Comparison) -> MetricRow:
    """One row of the scorecard from a comparison made, with the true effect still open."""
    main = comparison.cuped or comparison.plain
    return MetricRow(
        metric=metric.key,
        label=metric.label,
        arm=treatment.arm,
        baseline=control.arm,
        control=control.value,
        treatment=treatment.value,
        adjusted_control=main.adjusted_control,
        adjusted_treatment=main.adjusted_treatment,
        effect=main.effect,
        effect_low=main.effect_low,
        effect_high=main.effect_high,
        relative_effect=main.relative_effect,
        ci_low=main.ci_low,
        ci_high=main.ci_high,
        p_value=main.p_value,
        method="cuped" if comparison.cuped else "plain",
        plain=estimate_of(comparison.plain),
        unit=metric.unit,
        better=metric.better,
        reasons={
            **_no_value(control, "control"),
            **_no_value(treatment, "treatment"),
            **main.reasons,
            **({"method": f"no CUPED: {comparison.no_cuped}"} if comparison.no_cuped else {}),
            **_note(metric, control, treatment),
        },
    )


def bucket_of(metric: Metric, arm: str, users: pd.DataFrame) -> Bucket:
    """One arm's users, for one metric."""
    known = all(PRE + column in users.columns for column in metric.columns)
    return Bucket(arm, metric.ratio(users), metric.ratio(users, PRE) if known else None)


def estimate_of(difference: Difference) -> Estimate:
    """The part of a difference that is relative to control."""
    return Estimate(
        relative_effect=difference.relative_effect,
        ci_low=difference.ci_low,
        ci_high=difference.ci_high,
        p_value=difference.p_value,
    )


def _side(bucket: Bucket) -> Side:
    """A bucket of rows, as a row of the scorecard shows it."""
    return side_of(bucket.arm, bucket_spread(bucket.test, None))


def side_of(arm: str, spread: Spread) -> Side:
    """A bucket of moments, as a row of the scorecard shows it."""
    return Side(arm, ratio_of(spread), (equal_users(spread, 0), equal_users(spread, 1)))


def _no_value(side: Side, field: str) -> dict[str, str]:
    """Why a bucket has no mean."""
    return {} if side.value is not None else {field: f"{side.arm} has a denominator of 0"}


def _note(metric: Metric, control: Side, treatment: Side) -> dict[str, str]:
    """A warning where a side of the metric rests on fewer than `FEW_USERS` equal users."""
    counts = [
        (n, " + ".join(columns), side.arm)
        for side in (control, treatment)
        for n, columns in zip(side.equal_users, (metric.numerator, metric.denominator), strict=True)
        if columns
    ]
    note = few_users_note(*min(counts))
    return {"note": note} if note else {}


def few_users_note(n: float, name: str, arm: str) -> str:
    """Says that a figure rests on few users; empty where there are enough."""
    if n >= FEW_USERS:
        return ""
    return (
        f"{name} of {arm} are spread as unevenly as over {n:.0f} equal users;"
        f" below {FEW_USERS} the interval may be too narrow"
    )


def _in_one_arm(users: pd.DataFrame) -> pd.DataFrame:
    """The users who are in one arm only; a few in two are left out with a warning, many are refused."""
    if not {"user_id", "arm"} <= set(users.columns):
        return users  # whoever checks the arms says so
    crossed = users.groupby("user_id")["arm"].transform("nunique") > 1
    found = mixed_assignment(users.loc[crossed, "user_id"].nunique(), users["user_id"].nunique())
    said = f"{found.users} users ({found.share:.2%}) have rows under more than one arm"
    if found.verdict == "fail":
        raise ValueError(f"{said}, want under {MOST_MIXED:.0%}; find out how users are assigned before comparing them")
    if found.verdict == "warn":
        warnings.warn(f"{said}; they are left out", stacklevel=3)
    return users.loc[~crossed]


def _check_arms(users: pd.DataFrame, arms: Sequence[str]) -> None:
    """Refuse arms that nobody is in, and users in two."""
    for column in ("user_id", "arm"):
        if column not in users.columns:
            raise ValueError(f"column {column!r} is missing; want one row per user, with user_id and arm")
    known = [str(arm) for arm in users["arm"].unique()]
    for arm in arms:
        if arm not in known:
            near = difflib.get_close_matches(arm, known, n=1) or known[:5]
            raise ValueError(f"arm {arm!r} has no users; did you mean {' or '.join(map(repr, near))}?")
    if arms[0] in arms[1:]:
        raise ValueError(f"arm {arms[0]!r} is both control and treatment; want different arms")
    twice = users.loc[users["user_id"].duplicated(), "user_id"]
    if len(twice):
        raise ValueError(
            f"user_id {twice.iloc[0]} has more than one row; want one per user: add up each user's events first"
        )


def _check_columns(users: pd.DataFrame, metrics: Sequence[Metric]) -> None:
    """Refuse columns that are missing or not numbers throughout: a gap would silently change every p-value."""
    needed = dict.fromkeys(column for metric in metrics for column in metric.columns)
    for column in needed:
        if column not in users.columns:
            raise ValueError(f"column {column!r} is missing; want a total per user, 0 where nothing happened")
    for column in (*needed, *(PRE + name for name in needed if PRE + name in users.columns)):
        if not pd.api.types.is_numeric_dtype(users[column]):
            raise ValueError(f"column {column!r} is of type {users[column].dtype}, want numbers")
        gaps = int((~np.isfinite(users[column].to_numpy(dtype=np.float64, na_value=np.nan))).sum())
        if gaps:
            raise ValueError(
                f"column {column!r} has {gaps} of {len(users)} values missing or infinite; want 0 where nothing "
                "happened, and a sparse answer as two columns, its sum and its count"
            )
