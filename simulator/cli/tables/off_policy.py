"""Rows of the tables of an off-policy evaluation."""

from simulator.off_policy.result import OffPolicy


def truth_rows(result: OffPolicy) -> list[tuple[str, ...]]:
    """Unit, whose value, value and standard error."""
    return [(row.unit, row.where, _number(row.value), _number(row.se)) for row in result.truths]


def estimate_rows(result: OffPolicy) -> list[tuple[str, ...]]:
    """Unit, estimator, estimate, standard error, interval, effective sample size, gap to the truth and its error."""
    return [
        (
            row.unit,
            row.estimator,
            _number(row.value),
            _number(row.se),
            f"{_number(row.low)} to {_number(row.high)}",
            "-" if row.effective is None else f"{row.effective:,.0f}",
            _number(row.gap),
            _number(row.gap_se),
        )
        for row in result.estimates
    ]


def _number(value: float | None) -> str:
    """Four digits that count, or a dash."""
    return "-" if value is None else f"{value:.4g}"
