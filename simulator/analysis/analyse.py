"""What the split users say: from a frame with one row per user to the rows of the scorecard.

Works on a run of ours and on anybody's live test alike; the true effect is none of its business.
"""

import difflib
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

    Every assigned user has one row, with 0 where nothing happened (intention to treat); leaving out those who never
    came, or giving one row per view, makes the answer wrong. CUPED (variance reduction by what the same users did
    before) is used where the columns named `pre_` and the metric's columns are there and vary. A mean weighted by `w`
    is a metric with the total of `w y` above and that of `w` below. A metric below zero has its lift over the size of
    control, so that a rise is above 0.

    Args:
        users: Columns `user_id`, `arm`, and those the metrics name; `pre_` columns as known. A frame of pandas, polars,
            pyarrow or duckdb, or a dict of columns.
        metrics: What to compare: metrics, or keys of `simulator.metrics.METRICS`.
        control: Arm that the others are compared with, as it stands in the column: a number is not its text.
        treatments: The others, in the order wanted.
        judging: How p-values are adjusted for their number, and which metrics must not get worse by how much. The
            p-values of all metrics given are adjusted together, unless it names a family.
        shares: Planned share of the users per arm, in any unit; equal ones if not given.
        confidence: Of all intervals, which guardrails are judged by.
        covariates: More columns that were known of each user before the test, such as `pre_views`; they narrow the
            intervals of metrics that have their `pre_` columns, as a rule by a few percent.

    Returns:
        One row per treatment and metric, treatments outermost. Numbers that cannot be told are None, with a reason.

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
    chosen, arms = _metrics(metrics), _arms(control, treatments)
    names = [str(arm) for arm in arms]
    judging = judging if judging.family else replace(judging, family=tuple(metric.key for metric in chosen))
    judging.check([metric.key for metric in chosen])
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence} given, want a share between 0 and 1, such as 0.95")
    planned = _planned(shares, arms)
    extra = (covariates,) if isinstance(covariates, str) else tuple(covariates)
    _refuse_twice("covariates", extra)
    frame, notices = read_users(users, chosen, arms, names, extra)
    for line in (*notices, *_split(frame, planned), *_before(frame, names, chosen)):
        warnings.warn(line, ReadoutWarning, stacklevel=2)
    return judging.judge(compare_arms(frame, chosen, names[0], names[1:], confidence, extra))


def _metrics(given: Metric | str | Iterable[Metric | str]) -> list[Metric]:
    """The metrics, those given by their keys looked up."""
    several = [given] if isinstance(given, (Metric, str)) else list(given)
    chosen = [metric if isinstance(metric, Metric) else _metric(metric) for metric in several]
    if not chosen:
        raise ValueError("metrics: none given, want one at least")
    _refuse_twice("metrics", [metric.key for metric in chosen])
    return chosen


def _metric(key: object) -> Metric:
    """The metric of a key."""
    if isinstance(key, str) and key in METRICS:
        return METRICS[key]
    near = difflib.get_close_matches(str(key), METRICS, n=1) or list(METRICS)
    raise ValueError(f"metrics: {key!r} given, want a Metric or a key of METRICS: {' or '.join(near)}")


def _arms(control: object, treatments: object) -> list[Hashable]:
    """Control and treatments, all different."""
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


def _refuse_twice(what: str, given: Sequence[Hashable]) -> None:
    """Refuse what is there twice: it would count twice among the tests."""
    for place, each in enumerate(given):
        if each in given[:place]:
            raise ValueError(f"{what}: {each!r} is given twice, want each once")


def _planned(shares: Mapping[Hashable, float] | None, arms: Sequence[Hashable]) -> dict[str, float]:
    """Planned share of the users per name of an arm, of those that are compared."""
    given = dict.fromkeys(arms, 1.0) if shares is None else shares
    for arm in arms:
        share = given.get(arm)
        if share is None or not (share > 0 and math.isfinite(share)):
            raise ValueError(f"shares: {share} given for arm {arm!r}, want the planned share of each arm, above 0")
    return {str(arm): given[arm] / math.fsum(given[arm] for arm in arms) for arm in arms}


def _split(users: pd.DataFrame, shares: Mapping[str, float]) -> list[str]:
    """One line where arms have other sizes than planned."""
    seen = {arm: int((users["arm"] == arm).sum()) for arm in shares}
    planned = {arm: share * len(users) for arm, share in shares.items()}
    return [
        f"{line}; if it was planned so, give `shares`"
        for line in srm_warning(srm_p_value(seen, planned), seen, planned)
    ]


def _before(users: pd.DataFrame, arms: Sequence[str], metrics: Sequence[Metric]) -> list[str]:
    """One line per metric in which arms differed before the test more than chance explains.

    Metrics of which not all is known from before the test are left out.
    """
    measured = [metric for metric in metrics if all(PRE + column in users.columns for column in metric.columns)]
    columns = dict.fromkeys(column for metric in measured for column in metric.columns)
    before = users[["user_id", "arm"]].assign(**{name: users[PRE + name] for name in columns})
    return before_warnings(p_values_of(compare_arms(before, measured, arms[0], arms[1:])))
