"""Decisions on the rows of a scorecard: p-values adjusted for multiplicity, and guardrails."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, final, get_args

import numpy as np

from simulator.metrics import MAIN
from simulator.reports.report import MetricRow
from simulator.statistics.heterogeneity import adjusted

Multiplicity: TypeAlias = Literal["holm", "benjamini-hochberg", "none"]


@final
@dataclass(frozen=True)
class DecisionRules:
    """Rules for judging rows of a scorecard.

    Attributes:
        multiplicity: `holm` bounds the chance of any false claim (Holm, Scandinavian Journal of Statistics 1979),
            `benjamini-hochberg` the expected share of false ones (JRSS B 1995), `none` neither.
        guardrails: Metrics that must not get worse, with the relative loss that can be borne, between 0 and 1.
        family: Metrics that claims are made about; their p-values, over all treatments, are adjusted together. Empty
            for all metrics given to `simulator.analyse`, and for the main ones of a run.

    Raises:
        ValueError: An unknown way of adjusting, or a margin that is no share: .01 is 1%.
    """

    multiplicity: Multiplicity = "none"
    guardrails: Mapping[str, float] = field(default_factory=dict[str, float])
    family: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the rules."""
        if self.multiplicity not in get_args(Multiplicity):
            methods = ", ".join(get_args(Multiplicity))
            raise ValueError(f"multiplicity: {self.multiplicity!r} given, want one of {methods}")
        for metric, margin in self.guardrails.items():
            if not 0 < margin < 1:
                raise ValueError(
                    f"guardrail {metric!r}: margin {margin} given, want a share between 0 and 1: 0.01 is 1%"
                )

    def check(self, metrics: Sequence[str]) -> None:
        """Refuse guardrails and a family of metrics that are not among those compared.

        Raises:
            ValueError: A metric is not compared; the message names the first one.
        """
        for setting, keys in (("guardrail", self.guardrails), ("family", self.family)):
            for key in keys:
                if key not in metrics:
                    raise ValueError(
                        f"{setting} {key!r} given, want one of the metrics that are compared: {', '.join(metrics)}"
                    )

    def judge(self, rows: Sequence[MetricRow]) -> list[MetricRow]:
        """Add adjusted p-values to the rows of the family, and verdicts to those of guardrails.

        Raises:
            ValueError: A guardrail without a row, or one that is better neither up nor down.
        """
        replace(self, family=()).check(list(dict.fromkeys(row.metric for row in rows)))
        return [_guarded(row, self.guardrails.get(row.metric)) for row in self._adjusted(rows)]

    def _adjusted(self, rows: Sequence[MetricRow]) -> list[MetricRow]:
        """Add adjusted p-values; a row without a p-value does not count as a test."""
        if self.multiplicity == "none":
            return list(rows)
        family = self.family or MAIN
        tested = [row.p_value for row in rows if row.metric in family and row.p_value is not None]
        adjusted = iter(adjust(tested, self.multiplicity))
        return [_with_adjusted(row, adjusted) if row.metric in family else row for row in rows]


def adjust(p_values: Sequence[float], multiplicity: Literal["holm", "benjamini-hochberg"]) -> list[float]:
    """Adjust p-values for their number, in the order given.

    >>> adjust([0.01, 0.04, 0.03], "holm")
    [0.03, 0.06, 0.06]
    """
    if not p_values:
        return []
    if multiplicity == "benjamini-hochberg":
        return [p for p in adjusted(p_values) if p is not None]
    p = np.array(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    in_order = np.empty(len(p))
    in_order[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return in_order.tolist()


def _with_adjusted(row: MetricRow, adjusted: Iterator[float]) -> MetricRow:
    """Add the next adjusted p-value to a row, or the reason why there is none."""
    if row.p_value is not None:
        return row.model_copy(update={"adjusted_p_value": next(adjusted)})
    return row.updated({}, {"adjusted_p_value": row.reasons["p_value"]})


def _guarded(row: MetricRow, margin: float | None) -> MetricRow:
    """Add a guardrail's verdict to a row: non-inferiority by the interval of the lift, 2.5% one-sided at 95%.

    Without a lift, the interval of the difference is compared with the same share of control. Without
    an interval the verdict is unclear, and the row's reasons say why there is none.
    """
    if margin is None:
        return row
    return row.model_copy(update={"margin": margin, "guardrail": _verdict(row, margin)})


def _verdict(row: MetricRow, margin: float) -> Literal["passed", "failed", "unclear"]:
    """Verdict on a loss: smaller than the margin, larger, or unclear."""
    if row.better == "neither":
        raise ValueError(f"guardrail {row.metric!r} given, want a metric with a good direction")
    low, high = row.ci_low, row.ci_high
    if row.relative_effect is None and row.adjusted_control is not None:
        low, high, margin = row.effect_low, row.effect_high, margin * abs(row.adjusted_control)
    if low is None or high is None:
        return "unclear"
    least_loss, greatest_loss = (-high, -low) if row.better == "up" else (low, high)
    if greatest_loss < margin:
        return "passed"
    return "failed" if least_loss > margin else "unclear"
