"""What the printed scorecard says below its tables about how the test was judged, a line each."""

from typing import Final

from simulator.report import Looks, MetricRow, Report, SecondOpinion

STOPPED: Final = (
    "intervals of main metrics and guardrails are those over all looks; other intervals and p hold for one look only"
)
MULTIPLICITY: Final = {"holm": "Holm", "benjamini-hochberg": "Benjamini-Hochberg"}


def judgement_lines(report: Report) -> list[str]:
    """Stop, adjusted p-values, guardrails, intervals that bear looking early, and the second opinion."""
    arms = [arm.name for arm in report.arms[1:]]
    stop = report.stopped
    return [
        *([f"stopped after {stop.days} of {stop.planned} days: {stop.reason}", STOPPED] if stop else []),
        *(line for arm in arms for line in _adjusted(report, arm)),
        *(line for arm in arms for line in _sequential(report, arm)),
        *(_guardrail(row) for row in report.valid_metrics() if row.guardrail),
        *([_agreement(report.second_opinion)] if report.second_opinion else []),
    ]


def _adjusted(report: Report, arm: str) -> list[str]:
    """The main metrics' p-values after adjustment."""
    rows = [row for row in report.metrics if row.arm == arm and row.adjusted_p_value is not None]
    if not rows or report.multiplicity == "none":
        return []
    n = sum(row.adjusted_p_value is not None for row in report.metrics)
    said = ", ".join(f"{row.metric} {row.adjusted_p_value:.3g}" for row in rows)
    return [f"{arm}: p adjusted for {n} tests of main metrics ({MULTIPLICITY[report.multiplicity]}): {said}"]


def _sequential(report: Report, arm: str) -> list[str]:
    """The main metrics' intervals over all looks."""
    looks = report.looks
    rows = [row for row in report.metrics if row.arm == arm and row.sequential_low is not None]
    if looks is None or looks.method == "fixed" or not rows:
        return []
    said = ", ".join(f"{row.metric} {_span(row.sequential_low, row.sequential_high)}" for row in rows)
    return [f"{arm}: {1 - looks.alpha:.0%} over {_n_looks(looks)} looks, {looks.method}: {said}"]


def _n_looks(looks: Looks) -> int:
    """Looks at each metric."""
    return len({row.days for row in looks.rows})


def _span(low: float | None, high: float | None) -> str:
    """An interval of a lift in percent."""
    return "n/a" if low is None or high is None else f"[{100 * low:+.2f}, {100 * high:+.2f}]"


def _guardrail(row: MetricRow) -> str:
    """A guardrail's verdict and what it rests on."""
    span = _span(row.ci_low, row.ci_high)
    return f"guardrail {row.metric}, {row.arm}: {row.guardrail}, margin {row.margin:.2%} against {span}"


def _agreement(opinion: SecondOpinion) -> str:
    """How far the two libraries agree."""
    if opinion.effect_difference is None or opinion.error_difference is None:
        return f"second opinion: none, {opinion.reason}"
    effects, errors = f"{opinion.effect_difference:.0e}", f"{opinion.error_difference:.0e}"
    said = f"second opinion, {opinion.engine}: {opinion.rows} estimates agree"
    return f"{said}; effects to {effects} errors, errors to {errors}"
