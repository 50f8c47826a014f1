"""The distribution of watching over users: quantiles per arm, and how they differ.

Users are counted in 18,421 bins of .1% width between a thousandth of a second and a day, so memory does not grow with
their number and a quantile is told to within .05%. Its error is that of the order statistics around it (Woodruff, JASA
1952, https://doi.org/10.1080/01621459.1952.10483443); arms are independent, so squared errors add up.
"""

import math
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64

from simulator.reports.looks import Number
from simulator.reports.sections import QuantileEffect
from simulator.statistics.paired import NO_TRUTH

LEVELS: Final = tuple(level / 20 for level in range(1, 20))
_LEAST: Final = 1e-3
_STEP: Final = 1e-3
_N_BINS: Final = 1 + math.ceil(math.log(1e8) / _STEP)
_SURE: Final = 1.959964
_WIDEST: Final = 600.0
"""Logarithm of the largest factor that is told."""


@final
@dataclass(frozen=True)
class BinCounts:
    """Users per bin: the first holds those with exactly nothing."""

    users: Int64[np.ndarray, " bins"]

    @staticmethod
    def of(values: Float64[np.ndarray, " users"]) -> "BinCounts":
        """Of values that are 0 or more; what lies outside the bins goes into the outermost."""
        place = np.zeros(len(values), np.int64)
        some = values > 0
        place[some] = 1 + np.clip(np.floor(np.log(values[some] / _LEAST) / _STEP), 0, _N_BINS - 2).astype(np.int64)
        return BinCounts(np.bincount(place, minlength=_N_BINS).astype(np.int64))

    def __add__(self, other: "BinCounts") -> "BinCounts":
        """Of both slices together."""
        return BinCounts(self.users + other.users)

    @property
    def n(self) -> int:
        """All users."""
        return int(self.users.sum())

    def quantile(self, levels: Float64[np.ndarray, " levels"]) -> Float64[np.ndarray, " levels"]:
        """The least value that so many users do not exceed; levels are cut off at 0 and 1."""
        reached = np.cumsum(self.users)
        wanted = np.clip(np.ceil(levels * self.n), 1, self.n)
        place = np.searchsorted(reached, wanted)
        return np.where(place > 0, _LEAST * np.exp((place - 0.5) * _STEP), 0.0)

    def error(self, levels: Float64[np.ndarray, " levels"]) -> Float64[np.ndarray, " levels"]:
        """Standard errors of quantiles."""
        off = _SURE * np.sqrt(levels * (1 - levels) / self.n)
        return (self.quantile(levels + off) - self.quantile(levels - off)) / (2 * _SURE)


def quantile_effects(
    arms: tuple[str, str], buckets: tuple[BinCounts, BinCounts], worlds: tuple[BinCounts, BinCounts] | None
) -> list[QuantileEffect]:
    """One row per level.

    Args:
        arms: Control and treatment.
        buckets: What their users did.
        worlds: What everybody did under each, or None where that was not run.
    """
    levels = np.array(LEVELS)
    if min(bucket.n for bucket in buckets) == 0:
        return []
    values = [bucket.quantile(levels) for bucket in buckets]
    errors = [bucket.error(levels) for bucket in buckets]
    true = None if worlds is None else [world.quantile(levels) for world in worlds]
    return [
        _row(
            (arms, level),
            ((float(values[0][i]), float(errors[0][i])), (float(values[1][i]), float(errors[1][i]))),
            (float(true[0][i]), float(true[1][i])) if true else None,
        )
        for i, level in enumerate(LEVELS)
    ]


def _row(
    what: tuple[tuple[str, str], float],
    sides: tuple[tuple[float, float], tuple[float, float]],
    true: tuple[float, float] | None,
) -> QuantileEffect:
    """One level, from each arm's quantile and its standard error, and from the true quantiles."""
    (arms, level), ((before, error0), (after, error1)) = what, sides
    half = _SURE * math.hypot(error0, error1)
    lift, low, high = _lift(sides) if before > 0 and after > 0 else (None, None, None)
    return QuantileEffect(
        arm=arms[1],
        baseline=arms[0],
        quantile=level,
        control=before,
        treatment=after,
        effect=after - before,
        low=after - before - half,
        high=after - before + half,
        true_control=true[0] if true else None,
        true_treatment=true[1] if true else None,
        true_effect=true[1] - true[0] if true else None,
        lift=lift,
        lift_low=low,
        lift_high=high,
        true_lift=true[1] / true[0] - 1 if true and true[0] > 0 else None,
        reasons={
            **({} if true else {"true_effect": NO_TRUTH, "true_lift": NO_TRUTH}),
            **({} if lift is not None else {"lift": "so many users watched nothing that a quantile is 0"}),
            **({"lift_high": "too wide to be told"} if lift is not None and high is None else {}),
        },
    )


def _lift(sides: tuple[tuple[float, float], tuple[float, float]]) -> tuple[float, float, Number]:
    """Ratio of two quantiles less 1, with its interval from the errors of their logarithms; None beyond all numbers."""
    (before, error0), (after, error1) = sides
    ratio, half = after / before, _SURE * math.hypot(error0 / before, error1 / after)
    high = ratio * math.exp(half) - 1 if half < _WIDEST else None
    return ratio - 1, ratio * math.exp(-half) - 1, high
