"""Compare the scorecard's plain estimates with those that tea-tasting gives from the same moments."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from itertools import combinations
from typing import Final

import numpy as np
from scipy.stats import norm
from tea_tasting.aggr import Aggregates
from tea_tasting.metrics.mean import RatioOfMeans

from simulator.reports.report import SecondOpinion
from simulator.statistics.comparison import CONFIDENCE, compare, difference
from simulator.statistics.groups import GroupMoments, Samples

_NAMES: Final = ("denominator", "numerator")  # in alphabetical order, as tea-tasting keeps its covariances
_TEST: Final = RatioOfMeans("numerator", "denominator", equal_var=False, use_t=False, confidence_level=CONFIDENCE)
_Z: Final = float(norm.isf((1 - CONFIDENCE) / 2))


def second_opinion(
    metrics: Sequence[str], arms: Sequence[str], moments: Callable[[str, str], GroupMoments]
) -> SecondOpinion:
    """Largest differences from tea-tasting in plain effects and in their standard errors by the delta method.

    Args:
        metrics: Keys of the scorecard.
        arms: Names of the arms, control first.
        moments: Function from arm and metric to the moments of the arm's users.
    """
    engine = f"tea-tasting {version('tea-tasting')}"
    differences: list[tuple[float, float]] = []
    for arm in arms[1:]:
        for metric in metrics:
            a, b = (moments(name, metric) for name in (arms[0], arm))
            if compare(arms[0], a, arm, b).plain.standard_error is not None:
                differences.append(_differences(a, b))
    if not differences:
        reason = "nothing to compare: no metric has an interval"
        return SecondOpinion(engine=engine, rows=0, effect_difference=None, error_difference=None, reason=reason)
    effect, error = (float(largest) for largest in np.max(differences, axis=0))
    return SecondOpinion(engine=engine, rows=len(differences), effect_difference=effect, error_difference=error)


def _differences(a: GroupMoments, b: GroupMoments) -> tuple[float, float]:
    """Distance of the two libraries: effects in standard errors, errors relative to each other."""
    with np.errstate(all="ignore"):
        difference_here = difference(a, b, "none", "delta")
    tea_tasting_result = _TEST.analyze_aggregates(_aggregates(a.samples()), _aggregates(b.samples()))
    error = difference_here.standard_error or np.nan
    tea_tasting_error = (float(tea_tasting_result.effect_size_ci_upper) - float(tea_tasting_result.effect_size)) / _Z
    return abs((difference_here.effect or 0.0) - float(tea_tasting_result.effect_size)) / error, abs(
        tea_tasting_error / error - 1
    )


def _aggregates(sample: Samples) -> Aggregates:
    """Convert moments into tea-tasting's aggregates."""
    covariance = sample.scatter[:2, :2][::-1, ::-1] / (float(sample.n) - 1)
    mean = sample.mean[:2][::-1]
    cov: dict[tuple[str, str], float] = {
        (_NAMES[i], _NAMES[j]): float(covariance[i, j]) for i, j in combinations(range(2), 2)
    }
    return Aggregates(
        count_=int(sample.n),
        mean_={name: float(mean[i]) for i, name in enumerate(_NAMES)},
        var_={name: float(covariance[i, i]) for i, name in enumerate(_NAMES)},
        cov_=cov,
    )
