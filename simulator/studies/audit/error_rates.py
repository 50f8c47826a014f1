"""Error rates of methods as rows of an audit, each rate with its Monte Carlo band.

Exaggeration and sign errors are those of Gelman and Carlin, Perspectives on Psychological Science 2014,
https://doi.org/10.1177/1745691614551642; bands are Wilson's (JASA 1927).

Axes: `r` tests.
"""

from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float64
from scipy import stats

from simulator.reports.audit import RESPLITS, AuditRow
from simulator.reports.report import Number
from simulator.studies.audit.methods import ALPHA, WRONG
from simulator.studies.audit.readings import MethodReadings

QUANTILES: Final = np.arange(1, 50) / 50
_Source = Literal["re-splits", "fresh seeds"]
_Numbers = dict[str, Number]


def audit_row(readings: MethodReadings, baseline: str, source: _Source) -> AuditRow:
    """Compute the error rates of one method on one metric."""
    p_values = readings.a_a.p_value[np.isfinite(readings.a_a.p_value)]
    significant = readings.a_b.p_value < ALPHA
    numbers = (
        _rate("false_positive", p_values < ALPHA, key="false_positive_rate")
        | _coverage("coverage", readings, readings.truth)
        | _rate("power", significant[np.isfinite(readings.a_b.p_value)])
        | _exaggeration(readings, significant)
        | _sign_errors(readings, significant)
        | _population(readings, source)
        | {"uniform_p_value": float(stats.kstest(p_values, "uniform").pvalue) if len(p_values) > 1 else None}
    )
    return AuditRow(
        metric=readings.metric.key,
        label=readings.metric.label,
        arm=readings.arm,
        baseline=baseline,
        method=readings.method,
        wrong=WRONG.get(readings.method),
        source=source,
        replications=len(readings.truth),
        unsaid=int(np.isnan(readings.a_b.ci_low).sum()),
        a_a_replications=len(p_values),
        p_quantiles=np.quantile(p_values, QUANTILES).tolist() if len(p_values) else [],
        reasons={name: _reason(name, source) for name, value in numbers.items() if value is None},
        **numbers,
    )


def wilson(hits: Bool[np.ndarray, " r"]) -> tuple[float, float, float]:
    """Share of hits, and the ends of its 95% band.

    >>> tuple(round(x, 3) for x in wilson(np.array([True] * 5 + [False] * 95)))
    (0.05, 0.022, 0.112)
    """
    band = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="wilson")
    return float(hits.mean()), float(band.low), float(band.high)


def _rate(name: str, hits: Bool[np.ndarray, " r"], key: str | None = None) -> _Numbers:
    """Share of hits with its band, by name."""
    value, low, high = wilson(hits) if len(hits) else (None, None, None)
    return {key or name: value, f"{name}_low": low, f"{name}_high": high}


def _coverage(name: str, readings: MethodReadings, target: Float64[np.ndarray, " r"]) -> _Numbers:
    """Share of intervals that hold the target, among tests with an interval."""
    has_interval = np.isfinite(readings.a_b.ci_low) & np.isfinite(target)
    inside = (readings.a_b.ci_low <= target) & (target <= readings.a_b.ci_high)
    return _rate(name, inside[has_interval])


def _population(readings: MethodReadings, source: _Source) -> _Numbers:
    """Effect on the population of users, the mean over fresh seeds, and its coverage."""
    finite_truth = readings.truth[np.isfinite(readings.truth)]
    mean = float(finite_truth.mean()) if len(finite_truth) else None
    if source == RESPLITS:
        error = float(readings.truth_se[0]) if len(finite_truth) else None
        empty = np.zeros(0, bool)
        return {"true_relative_effect": mean, "true_relative_effect_se": error} | _rate("coverage_population", empty)
    error = float(finite_truth.std(ddof=1) / np.sqrt(len(finite_truth))) if len(finite_truth) > 1 else None
    target = np.full(len(readings.truth), np.nan if mean is None else mean)
    return {
        "true_relative_effect": mean,
        "true_relative_effect_se": error,
    } | _coverage("coverage_population", readings, target)


def _exaggeration(readings: MethodReadings, significant: Bool[np.ndarray, " r"]) -> _Numbers:
    """Mean size of significant estimates over the mean true size, with a normal band."""
    sizes = np.abs(readings.a_b.relative_effect[significant & np.isfinite(readings.a_b.relative_effect)])
    true_size = abs(float(np.nanmean(readings.truth))) if np.isfinite(readings.truth).any() else 0.0
    if not len(sizes) or true_size == 0:
        return dict.fromkeys(("exaggeration", "exaggeration_low", "exaggeration_high"))
    value = float(sizes.mean()) / true_size
    half_width = 1.96 * float(sizes.std(ddof=1)) / np.sqrt(len(sizes)) / true_size if len(sizes) > 1 else None
    low, high = (None, None) if half_width is None else (float(value - half_width), float(value + half_width))
    return {"exaggeration": value, "exaggeration_low": low, "exaggeration_high": high}


def _sign_errors(readings: MethodReadings, significant: Bool[np.ndarray, " r"]) -> _Numbers:
    """Share of significant estimates on the wrong side of 0."""
    is_counted = (
        significant & np.isfinite(readings.a_b.relative_effect) & np.isfinite(readings.truth) & (readings.truth != 0)
    )
    return _rate("sign_errors", (np.sign(readings.a_b.relative_effect) != np.sign(readings.truth))[is_counted])


def _reason(name: str, source: _Source) -> str:
    """Reason why a number is missing."""
    if name.startswith("coverage_population") and source == RESPLITS:
        return "re-splits are about these very users; fresh seeds draw others"
    if name.startswith(("exaggeration", "sign_errors")):
        return "no significant effect, or a true effect of 0"
    return "too few tests with a reading"
