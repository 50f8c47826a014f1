"""Tests that were read where the truth is known: the same users split anew, or one run as it was split.

Axes: `r` tests, `users` everybody.
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
from simulator.studies.audit.methods import audited_metrics, read_all, sheet_of
from simulator.studies.potential_outcomes import AllPotentialOutcomes, PotentialOutcomes

_BATCH: Final = 250
"""Splits in one product of matrices."""
_Buckets = tuple[dict[str, GroupMoments], dict[str, GroupMoments]]
"""Control and treatment of each split, by block."""


@final
@dataclass(frozen=True)
class MethodReadings:
    """One method on one metric and treatment.

    Attributes:
        metric: What was read.
        arm: The treatment.
        method: How.
        a_a: Readings where both buckets met control.
        a_b: Readings where one met the treatment.
        truth: True lift on the users of each test; NaN where there is none.
        truth_se: Its standard error over users, of each test.
    """

    metric: Metric
    arm: str
    method: str
    a_a: Readings
    a_b: Readings
    truth: Float64[np.ndarray, " r"]
    truth_se: Float64[np.ndarray, " r"]


def resplit(
    lives: AllPotentialOutcomes, n: int, rng: np.random.Generator, progress: Callable[[int], None] = lambda _: None
) -> list[MethodReadings]:
    """Split the same users `n` times by their planned shares, as A/A and as A/B tests.

    Each user shows what they did under the arm that the new split gives them, so arms must not learn: what a learning
    arm shows depends on who else was in its bucket. The target is the true effect on these very users, and intervals
    are a little too wide for that (Neyman 1923): 95% or more is right.

    Args:
        lives: Of a run whose arms do not learn.
        n: Splits.
        rng: Draws them.
        progress: Called with the number of splits done.
    """
    parts: list[list[MethodReadings]] = []
    reader = SplitReader(lives)
    edges = np.cumsum(lives.shares)[:-1]
    for first in range(0, n, _BATCH):
        drawn = rng.random((min(_BATCH, n - first), len(lives.bucket)))
        parts.append(reader.read(np.searchsorted(edges, drawn, side="right")))
        progress(min(first + _BATCH, n))
    return [join([part[place] for part in parts]) for place in range(len(parts[0]))]


@final
class SplitReader:
    """Reads splits of one test's users; what users did is laid out once."""

    def __init__(self, lives: AllPotentialOutcomes) -> None:
        """Lay out every life, each once."""
        self._lives = lives
        self._metrics = audited_metrics(len(lives.truth[lives.arms[0]].looks))
        worlds = {id(life): life for life in (*lives.truth.values(), *lives.shown.values())}
        self._sheets = {key: sheet_of(life) for key, life in worlds.items()}
        self._truth = {
            (metric.key, arm): _true(metric, lives, arm) for metric in self._metrics for arm in lives.arms[1:]
        }

    def read(self, bucket: Int64[np.ndarray, "r users"]) -> list[MethodReadings]:
        """Every treatment, metric and method of some splits; `bucket` holds each user's arm in each split."""
        lives = self._lives
        base = lives.arms[0]
        control = (bucket == 0).astype(np.float64)
        at_home = self._moments(lives.truth[base], control)
        shown = at_home if lives.shown[base] is lives.truth[base] else self._moments(lives.shown[base], control)
        readings: list[MethodReadings] = []
        for index, arm in enumerate(lives.arms[1:], start=1):
            treatment = (bucket == index).astype(np.float64)
            a_a = (at_home, self._moments(lives.truth[base], treatment))
            a_b = (shown, self._moments(lives.shown[arm], treatment))
            readings += self._arm(arm, a_a, a_b)
        return readings

    def _moments(self, life: PotentialOutcomes, members: Float64[np.ndarray, "r users"]) -> dict[str, GroupMoments]:
        """A bucket of each split, had all its users lived this life."""
        return self._sheets[id(life)].moments(members)

    def _arm(self, arm: str, a_a: _Buckets, a_b: _Buckets) -> list[MethodReadings]:
        """One treatment against control, as an A/A and as an A/B test."""
        readings: list[MethodReadings] = []
        for metric in self._metrics:
            same, apart = read_all(metric, *a_a), read_all(metric, *a_b)
            truth, error = (np.full(len(a_a[0]["AUT"].n), value) for value in self._truth[metric.key, arm])
            readings += [MethodReadings(metric, arm, name, same[name], apart[name], truth, error) for name in apart]
        return readings


def join(parts: list[MethodReadings]) -> MethodReadings:
    """The same method on the same metric, of more tests."""
    first = parts[0]
    return MethodReadings(
        metric=first.metric,
        arm=first.arm,
        method=first.method,
        a_a=_joined([part.a_a for part in parts]),
        a_b=_joined([part.a_b for part in parts]),
        truth=np.concatenate([part.truth for part in parts]),
        truth_se=np.concatenate([part.truth_se for part in parts]),
    )


def _true(metric: Metric, lives: AllPotentialOutcomes, arm: str) -> tuple[float, float]:
    """The true lift on these users and its standard error; NaN where there is none."""
    effect: PairedEffect = true_effect(*(metric.ratio(lives.truth[name].users) for name in (lives.arms[0], arm)))
    if effect.relative_effect is None or effect.standard_error is None:
        return float("nan"), float("nan")
    return effect.relative_effect, effect.standard_error


def _joined(parts: list[Readings]) -> Readings:
    """Readings one after the other."""
    names = ("relative_effect", "ci_low", "ci_high", "p_value")
    return Readings(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
