"""From readings whose truth is known to the rows of an audit, each rate with its Monte Carlo band.

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
_Told = dict[str, Number]


def audit_row(found: MethodReadings, baseline: str, source: _Source) -> AuditRow:
    """What an audit says of one method on one metric."""
    p_values = found.a_a.p_value[np.isfinite(found.a_a.p_value)]
    significant = found.a_b.p_value < ALPHA
    numbers = (
        _rate("false_positive", p_values < ALPHA, key="false_positive_rate")
        | _coverage("coverage", found, found.truth)
        | _rate("power", significant[np.isfinite(found.a_b.p_value)])
        | _exaggeration(found, significant)
        | _sign_errors(found, significant)
        | _population(found, source)
        | {"uniform_p_value": float(stats.kstest(p_values, "uniform").pvalue) if len(p_values) > 1 else None}
    )
    return AuditRow(
        metric=found.metric.key,
        label=found.metric.label,
        arm=found.arm,
        baseline=baseline,
        method=found.method,
        wrong=WRONG.get(found.method),
        source=source,
        replications=len(found.truth),
        unsaid=int(np.isnan(found.a_b.ci_low).sum()),
        a_a_replications=len(p_values),
        p_quantiles=np.quantile(p_values, QUANTILES).tolist() if len(p_values) else [],
        reasons={name: _why(name, source) for name, value in numbers.items() if value is None},
        **numbers,
    )


def wilson(hits: Bool[np.ndarray, " r"]) -> tuple[float, float, float]:
    """A share, and the ends of its 95% band.

    >>> tuple(round(x, 3) for x in wilson(np.array([True] * 5 + [False] * 95)))
    (0.05, 0.022, 0.112)
    """
    band = stats.binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95, method="wilson")
    return float(hits.mean()), float(band.low), float(band.high)


def _rate(name: str, hits: Bool[np.ndarray, " r"], key: str | None = None) -> _Told:
    """A share with its band."""
    value, low, high = wilson(hits) if len(hits) else (None, None, None)
    return {key or name: value, f"{name}_low": low, f"{name}_high": high}


def _coverage(name: str, found: MethodReadings, target: Float64[np.ndarray, " r"]) -> _Told:
    """How often the interval holds the target, among tests with an interval."""
    said = np.isfinite(found.a_b.ci_low) & np.isfinite(target)
    inside = (found.a_b.ci_low <= target) & (target <= found.a_b.ci_high)
    return _rate(name, inside[said])


def _population(found: MethodReadings, source: _Source) -> _Told:
    """The effect on users not yet drawn, which is the mean over fresh seeds."""
    truth = found.truth[np.isfinite(found.truth)]
    mean = float(truth.mean()) if len(truth) else None
    if source == RESPLITS:
        error = float(found.truth_se[0]) if len(truth) else None
        empty = np.zeros(0, bool)
        return {"true_relative_effect": mean, "true_relative_effect_se": error} | _rate("coverage_population", empty)
    error = float(truth.std(ddof=1) / np.sqrt(len(truth))) if len(truth) > 1 else None
    target = np.full(len(found.truth), np.nan if mean is None else mean)
    return {
        "true_relative_effect": mean,
        "true_relative_effect_se": error,
    } | _coverage("coverage_population", found, target)


def _exaggeration(found: MethodReadings, significant: Bool[np.ndarray, " r"]) -> _Told:
    """Mean size of significant estimates over the mean true size, with a normal band."""
    sizes = np.abs(found.a_b.relative_effect[significant & np.isfinite(found.a_b.relative_effect)])
    truth = abs(float(np.nanmean(found.truth))) if np.isfinite(found.truth).any() else 0.0
    if not len(sizes) or truth == 0:
        return dict.fromkeys(("exaggeration", "exaggeration_low", "exaggeration_high"))
    value = float(sizes.mean()) / truth
    half = 1.96 * float(sizes.std(ddof=1)) / np.sqrt(len(sizes)) / truth if len(sizes) > 1 else None
    low, high = (None, None) if half is None else (float(value - half), float(value + half))
    return {"exaggeration": value, "exaggeration_low": low, "exaggeration_high": high}


def _sign_errors(found: MethodReadings, significant: Bool[np.ndarray, " r"]) -> _Told:
    """Share of significant estimates on the wrong side of 0."""
    judged = significant & np.isfinite(found.a_b.relative_effect) & np.isfinite(found.truth) & (found.truth != 0)
    return _rate("sign_errors", (np.sign(found.a_b.relative_effect) != np.sign(found.truth))[judged])


def _why(name: str, source: _Source) -> str:
    """Why a number is missing."""
    if name.startswith("coverage_population") and source == RESPLITS:
        return "re-splits are about these very users; fresh seeds draw others"
    if name.startswith(("exaggeration", "sign_errors")):
        return "no significant effect, or a true effect of 0"
    return "too few tests with a reading"
