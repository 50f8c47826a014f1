"""What makes a scorecard's rows into judgements: p-values adjusted for their number, and guardrails."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, final

from statsmodels.stats.multitest import multipletests

from simulator.metrics import MAIN
from simulator.report import MetricRow

Multiplicity: TypeAlias = Literal["holm", "benjamini-hochberg", "none"]
_METHODS: Final = {"holm": "holm", "benjamini-hochberg": "fdr_bh"}
"""Ours to statsmodels' names."""


@final
@dataclass(frozen=True)
class Judging:
    """How rows are judged.

    Attributes:
        multiplicity: `holm` bounds the chance of any false claim (Holm, Scandinavian Journal of Statistics 1979),
            `benjamini-hochberg` the expected share of false ones (JRSS B 1995), `none` neither.
        guardrails: Metrics that must not get worse, with the relative loss that can be borne.
        family: Metrics that claims are made about; their p-values, over all treatments, are adjusted together.
    """

    multiplicity: Multiplicity = "none"
    guardrails: Mapping[str, float] = field(default_factory=dict[str, float])
    family: tuple[str, ...] = MAIN

    def judge(self, rows: Sequence[MetricRow]) -> list[MetricRow]:
        """The rows, those of the family with adjusted p-values and those of guardrails with a verdict."""
        return [_guarded(row, self.guardrails.get(row.metric)) for row in self._adjusted(rows)]

    def _adjusted(self, rows: Sequence[MetricRow]) -> list[MetricRow]:
        """A row without a p-value is no test and does not count."""
        if self.multiplicity == "none":
            return list(rows)
        tested = [row.p_value for row in rows if row.metric in self.family and row.p_value is not None]
        adjusted = iter(adjust(tested, self.multiplicity))
        return [_with_adjusted(row, adjusted) if row.metric in self.family else row for row in rows]


def adjust(p_values: Sequence[float], multiplicity: Literal["holm", "benjamini-hochberg"]) -> list[float]:
    """p-values adjusted for how many they are, in the order given.

    >>> adjust([0.01, 0.04, 0.03], "holm")
    [0.03, 0.06, 0.06]
    """
    if not p_values:
        return []
    result: Any = multipletests(p_values, method=_METHODS[multiplicity])
    return [float(p) for p in result[1]]


def _with_adjusted(row: MetricRow, adjusted: Iterator[float]) -> MetricRow:
    """The row with the next adjusted p-value, or with the reason why there is none."""
    if row.p_value is not None:
        return row.model_copy(update={"adjusted_p_value": next(adjusted)})
    return row.model_copy(update={"reasons": {**row.reasons, "adjusted_p_value": row.reasons["p_value"]}})


def _guarded(row: MetricRow, margin: float | None) -> MetricRow:
    """The row with its verdict: non-inferiority by the 95% interval, which is 2.5% one-sided.

    Without an interval it is unclear, and the row's reasons say why there is none.
    """
    if margin is None:
        return row
    return row.model_copy(update={"margin": margin, "guardrail": _verdict(row, margin)})


def _verdict(row: MetricRow, margin: float) -> Literal["passed", "failed", "unclear"]:
    """Whether the loss is smaller than the margin, larger, or could be either."""
    if row.better == "neither":
        raise ValueError(f"guardrail {row.metric!r} given, want a metric with a good direction")
    if row.ci_low is None or row.ci_high is None:
        return "unclear"
    least, most = (-row.ci_high, -row.ci_low) if row.better == "up" else (row.ci_low, row.ci_high)
    if most < margin:
        return "passed"
    return "failed" if least > margin else "unclear"
