"""Newton's method with gauges: maximum likelihood where some directions are fixed by convention, some entries held.

Axes: `p` entries of a parameter vector; `gauges` directions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.linalg import cho_factor, cho_solve

_MOST_STEPS: Final = 60
_CLOSE: Final = 1e-8
"""Newton decrement (twice the gain in log-likelihood that is left) at which the search ends."""
_STIFF: Final = 1e4
"""Weight of a gauge; as the likelihood does not vary along it, any weight gives the same estimate."""
_ROUNDING: Final = 1e-12
"""Relative error of a sum of log-likelihoods."""


@final
@dataclass(frozen=True)
class LocalCurvature:
    """A log-likelihood near a point.

    Attributes:
        value: Log-likelihood.
        gradient: Its gradient.
        observed: Observed information, the negative Hessian.
        climbing: Information that is positive definite far from the maximum as well.
    """

    value: float
    gradient: Float64[np.ndarray, " p"]
    observed: Float64[np.ndarray, "p p"]
    climbing: Float64[np.ndarray, "p p"]


@final
@dataclass(frozen=True)
class Frame:
    """Parameters that the data cannot identify; they are set to the truth.

    Attributes:
        truth: The true parameters.
        held: Entries that too few rows bear on; they stay at the truth.
        gauges: Linear combinations along which the likelihood does not vary.
    """

    truth: Float64[np.ndarray, " p"]
    held: Bool[np.ndarray, " p"]
    gauges: Float64[np.ndarray, "gauges p"]


@final
@dataclass(frozen=True)
class MaximumLikelihoodFit:
    """A maximum and its standard errors, from the inverse of the observed information; 0 where held."""

    estimate: Float64[np.ndarray, " p"]
    error: Float64[np.ndarray, " p"]


LogLikelihood: TypeAlias = Callable[[Float64[np.ndarray, " p"]], LocalCurvature]


class NoMaximumError(RuntimeError):
    """The search for a maximum did not end."""


def maximise(likelihood: LogLikelihood, start: Float64[np.ndarray, " p"], frame: Frame) -> MaximumLikelihoodFit:
    """Climb from `start`, halving steps that lose.

    All effects are fitted together, so the inverse information of the shared parameters is that of the Schur
    complement over the users' effects.

    Raises:
        NoMaximumError: No maximum within 60 steps.
    """
    free = np.flatnonzero(~frame.held)
    at = np.where(frame.held, frame.truth, start)
    here = _gauged(likelihood(at), at, frame)
    for _ in range(_MOST_STEPS):
        step = _step(here, free)
        if step @ here.gradient < _CLOSE:
            return MaximumLikelihoodFit(at, _errors(here, free))
        at, here = _advance(partial(_climbed, likelihood, frame), at, here, step)
    raise NoMaximumError(f"no maximum in {_MOST_STEPS} steps; want more views per parameter")


def _climbed(likelihood: LogLikelihood, frame: Frame, at: Float64[np.ndarray, " p"]) -> LocalCurvature:
    """The gauged log-likelihood at a point."""
    return _gauged(likelihood(at), at, frame)


def _gauged(curve: LocalCurvature, at: Float64[np.ndarray, " p"], frame: Frame) -> LocalCurvature:
    """Less a square of how far each gauge is from the truth; it vanishes at the maximum."""
    off = frame.gauges @ (frame.truth - at)
    stiff = _STIFF * frame.gauges.T @ frame.gauges
    return LocalCurvature(
        value=curve.value - 0.5 * _STIFF * float(off @ off),
        gradient=curve.gradient + _STIFF * frame.gauges.T @ off,
        observed=curve.observed + stiff,
        climbing=curve.climbing + stiff,
    )


def _step(here: LocalCurvature, free: Int64[np.ndarray, " free"]) -> Float64[np.ndarray, " p"]:
    """Newton's step; with the climbing information where the observed one is not positive definite."""
    step = np.zeros_like(here.gradient)
    for information in (here.observed, here.climbing):
        part = information[np.ix_(free, free)]
        try:
            step[free] = cho_solve(cho_factor(part), here.gradient[free])
        except np.linalg.LinAlgError:
            continue
        return step
    raise NoMaximumError("the information is not positive definite; want more views per parameter")


def _advance(
    likelihood: LogLikelihood, at: Float64[np.ndarray, " p"], here: LocalCurvature, step: Float64[np.ndarray, " p"]
) -> tuple[Float64[np.ndarray, " p"], LocalCurvature]:
    """The first of the step, its half, its quarter, ... that gains."""
    for halvings in range(30):
        to = at + step * 0.5**halvings
        there = likelihood(to)
        if there.value >= here.value - _ROUNDING * abs(here.value):
            return to, there
    raise NoMaximumError("no step gains; the log-likelihood and its gradient disagree")


def _errors(here: LocalCurvature, free: Int64[np.ndarray, " free"]) -> Float64[np.ndarray, " p"]:
    """Square roots of the diagonal of the inverse observed information."""
    error = np.zeros_like(here.gradient)
    error[free] = np.sqrt(np.diag(np.linalg.inv(here.observed[np.ix_(free, free)])))
    return error
