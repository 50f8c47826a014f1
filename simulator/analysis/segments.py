"""Effects within segments of users: levels of a public feature, such as activity before the test."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from simulator.analysis.scopes import Scope, of_segment
from simulator.reports.report import MetricRow
from simulator.reports.sections import Heterogeneity
from simulator.statistics.groups import GroupMoments
from simulator.statistics.heterogeneity import adjusted, joint_test

FEWEST: Final = 100
"""Smallest number of users per arm for a segment."""
SEGMENT_METRICS: Final = ("AUT", "AVT")


def large_levels(sizes: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Levels with enough users in every arm; `sizes` has the number of users per level and arm."""
    return [level for level, users in sizes.items() if min(users.values()) >= FEWEST]


def small_levels(sizes: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Levels with too few users in an arm."""
    large = large_levels(sizes)
    return [level for level in sizes if level not in large]


def with_adjusted(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """Adjust one feature's p-values over its levels, for each treatment and metric separately."""
    adjusted_rows = list(rows)
    for arm, metric in dict.fromkeys((row.arm, row.metric) for row in rows):
        row_indices = [row_index for row_index, row in enumerate(rows) if (row.arm, row.metric) == (arm, metric)]
        for row_index, p in zip(
            row_indices, adjusted([rows[row_index].p_value for row_index in row_indices]), strict=True
        ):
            adjusted_rows[row_index] = rows[row_index].model_copy(update={"segment_p_adjusted": p})
    return adjusted_rows


def heterogeneity_rows(
    levels: Mapping[str, Sequence[str]], arms: Sequence[str], spread_of: Callable[[Scope, str, str], GroupMoments]
) -> list[Heterogeneity]:
    """Run the joint test of every feature, metric and treatment.

    Args:
        levels: Large levels by feature.
        arms: Names of the arms, control first.
        spread_of: Function from scope, arm and metric to the bucket's moments.
    """
    rows: list[Heterogeneity] = []
    for feature, names in levels.items():
        for arm in arms[1:]:
            for metric in SEGMENT_METRICS:
                scopes = {name: of_segment(feature, name) for name in names}
                cells = {
                    name: (spread_of(scope, arms[0], metric).whole, spread_of(scope, arm, metric).whole)
                    for name, scope in scopes.items()
                }
                test_result = joint_test(cells)
                rows.append(
                    Heterogeneity(
                        feature=feature,
                        metric=metric,
                        arm=arm,
                        baseline=arms[0],
                        levels=len(names),
                        wald=test_result.statistic if test_result else None,
                        p_value=test_result.p_value if test_result else None,
                        p_adjusted=None,
                        reasons={} if test_result else {"p_value": "fewer than two levels have enough users that vary"},
                    )
                )
    adjusted_p_values = adjusted([row.p_value for row in rows])
    return [row.model_copy(update={"p_adjusted": p}) for row, p in zip(rows, adjusted_p_values, strict=True)]
