"""Readings of tests with known truth: re-splits of the same users, or one run as it was split.

Axes: `r` tests, `users` all users.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64

from simulator.metrics import Metric
from simulator.statistics.groups import GroupMoments
from simulator.statistics.paired import PairedEffect, true_effect
from simulator.statistics.resplits import Readings
from simulator.studies.audit.methods import audited_metrics, read_all, split_design
from simulator.studies.potential_outcomes import AllPotentialOutcomes, PotentialOutcomes

_BATCH: Final = 250
"""Splits per matrix product."""
_Buckets = tuple[dict[str, GroupMoments], dict[str, GroupMoments]]
"""Control and treatment of each split, by block."""


@final
@dataclass(frozen=True)
class MethodReadings:
    """Readings of one method on one metric and treatment.

    Attributes:
        metric: The metric.
        arm: Name of the treatment.
        method: Name of the method.
        a_a: Readings with control in both buckets.
        a_b: Readings with the treatment in one bucket.
        truth: True lift on the users of each test; NaN if there is none.
        truth_se: Standard error of the true lift over users, of each test.
    """

    metric: Metric
    arm: str
    method: str
    a_a: Readings
    a_b: Readings
    truth: Float64[np.ndarray, " r"]
    truth_se: Float64[np.ndarray, " r"]


def resplit(
    outcomes: AllPotentialOutcomes, n: int, rng: np.random.Generator, progress: Callable[[int], None] = lambda _: None
) -> list[MethodReadings]:
    """Split the same users `n` times by their planned shares, as A/A and as A/B tests.

    Each user has the outcomes of the arm that the new split assigns. So arms must not learn: the slates of a learning
    arm depend on the other users in its bucket. The target is the true effect on these users. Intervals are a little
    too wide for that target (Neyman 1923), so a coverage of 95% or more is correct.

    Args:
        outcomes: Potential outcomes of a run whose arms do not learn.
        n: Number of splits.
        rng: Generator that draws the splits.
        progress: Called with the number of splits done.
    """
    batches: list[list[MethodReadings]] = []
    reader = SplitReader(outcomes)
    edges = np.cumsum(outcomes.shares)[:-1]
    for first in range(0, n, _BATCH):
        uniform = rng.random((min(_BATCH, n - first), len(outcomes.bucket)))
        batches.append(reader.read(np.searchsorted(edges, uniform, side="right")))
        progress(min(first + _BATCH, n))
    return [join([batch[index] for batch in batches]) for index in range(len(batches[0]))]


@final
class SplitReader:
    """Reads splits of one test's users; their values are arranged once."""

    def __init__(self, outcomes: AllPotentialOutcomes) -> None:
        """Build the design of every timeline, each once."""
        self._lives = outcomes
        self._metrics = audited_metrics(len(outcomes.truth[outcomes.arms[0]].looks))
        worlds = {
            id(world_outcomes): world_outcomes
            for world_outcomes in (*outcomes.truth.values(), *outcomes.shown.values())
        }
        self._sheets = {key: split_design(world_outcomes) for key, world_outcomes in worlds.items()}
        self._truth = {
            (metric.key, arm): _true(metric, outcomes, arm) for metric in self._metrics for arm in outcomes.arms[1:]
        }

    def read(self, bucket: Int64[np.ndarray, "r users"]) -> list[MethodReadings]:
        """Read every treatment, metric and method of splits; `bucket` holds each user's arm in each split."""
        outcomes = self._lives
        base = outcomes.arms[0]
        control = (bucket == 0).astype(np.float64)
        control_alone = self._moments(outcomes.truth[base], control)
        control_shown = (
            control_alone
            if outcomes.shown[base] is outcomes.truth[base]
            else self._moments(outcomes.shown[base], control)
        )
        readings: list[MethodReadings] = []
        for index, arm in enumerate(outcomes.arms[1:], start=1):
            treatment = (bucket == index).astype(np.float64)
            a_a = (control_alone, self._moments(outcomes.truth[base], treatment))
            a_b = (control_shown, self._moments(outcomes.shown[arm], treatment))
            readings += self._arm(arm, a_a, a_b)
        return readings

    def _moments(self, outcomes: PotentialOutcomes, members: Float64[np.ndarray, "r users"]) -> dict[str, GroupMoments]:
        """Moments of a bucket of each split, with its users' outcomes in one timeline."""
        return self._sheets[id(outcomes)].moments(members)

    def _arm(self, arm: str, a_a: _Buckets, a_b: _Buckets) -> list[MethodReadings]:
        """Read one treatment against control, as an A/A and as an A/B test."""
        readings: list[MethodReadings] = []
        for metric in self._metrics:
            a_a_readings, a_b_readings = read_all(metric, *a_a), read_all(metric, *a_b)
            true_lifts, error = (np.full(len(a_a[0]["AUT"].n), value) for value in self._truth[metric.key, arm])
            readings += [
                MethodReadings(metric, arm, name, a_a_readings[name], a_b_readings[name], true_lifts, error)
                for name in a_b_readings
            ]
        return readings


def join(readings: list[MethodReadings]) -> MethodReadings:
    """Join readings of more tests by the same method on the same metric."""
    first = readings[0]
    return MethodReadings(
        metric=first.metric,
        arm=first.arm,
        method=first.method,
        a_a=_joined([reading.a_a for reading in readings]),
        a_b=_joined([reading.a_b for reading in readings]),
        truth=np.concatenate([reading.truth for reading in readings]),
        truth_se=np.concatenate([reading.truth_se for reading in readings]),
    )


def _true(metric: Metric, outcomes: AllPotentialOutcomes, arm: str) -> tuple[float, float]:
    """True lift on these users and its standard error; NaN if there is none."""
    effect: PairedEffect = true_effect(*(metric.ratio(outcomes.truth[name].users) for name in (outcomes.arms[0], arm)))
    if effect.relative_effect is None or effect.standard_error is None:
        return float("nan"), float("nan")
    return effect.relative_effect, effect.standard_error


def _joined(readings: list[Readings]) -> Readings:
    """Concatenate readings."""
    names = ("relative_effect", "ci_low", "ci_high", "p_value")
    return Readings(*(np.concatenate([getattr(reading, name) for reading in readings]) for name in names))
