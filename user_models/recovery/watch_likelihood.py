"""The likelihood of watch times: P(pass threshold j | passed j - 1) = sigma(stage_j(d) + slope_s(j)(d) * appeal).

A continuation ratio model (Fienberg and Mason, Sociological Methodology 1979, https://doi.org/10.2307/270764), so each
threshold that a view comes to is one decision. `stage` and `slope` are interpolated between nodes of log-duration d;
appeal = user + video + hour + context, with the video known.

Axes: `rows` views; `n` decisions; `p` parameters: stages, slopes, then what makes appeal: hours, context, users.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, final

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy import sparse
from scipy.special import expit

from user_models.dynamics.watch_thresholds import N_SEGMENTS, N_THRESHOLDS, SEGMENT
from user_models.recovery.newton import Frame, LocalCurvature, MaximumLikelihoodFit, maximise
from user_models.recovery.views import CONTEXT, RecoveryViews

Matrix: TypeAlias = Any
"""A scipy sparse matrix; its stubs say too little."""
N_HOURS: Final = 24
_ENOUGH: Final = 40
"""Passes, and stops, on which a normal approximation of an estimate can rest."""


@final
@dataclass(frozen=True)
class WatchTruth:
    """True parameters of the watch thresholds."""

    node_log_duration: Float64[np.ndarray, " nodes"]
    stage: Float64[np.ndarray, "nodes thresholds"]
    slope: Float64[np.ndarray, "nodes segments"]
    hour_effect: Float64[np.ndarray, " hours"]
    context: Float64[np.ndarray, " context"]
    user_appeal: Float64[np.ndarray, " users"]

    @property
    def vector(self) -> Float64[np.ndarray, " p"]:
        """All in one row."""
        return np.concatenate(
            [self.stage.ravel(), self.slope.ravel(), self.hour_effect, self.context, self.user_appeal]
        )

    @property
    def names(self) -> list[str]:
        """Names of the shared parameters: all but the users' appeals."""
        seconds = [f"{s:.4g}s" for s in np.exp(self.node_log_duration)]
        stages = [f"stage[{s},{j}]" for s in seconds for j in range(N_THRESHOLDS)]
        slopes = [f"slope[{s},{j}]" for s in seconds for j in range(N_SEGMENTS)]
        return [*stages, *slopes, *(f"hour_effect[{hour}]" for hour in range(N_HOURS)), *CONTEXT]


@final
@dataclass(frozen=True)
class Decisions:
    """Every threshold that a view reached.

    Attributes:
        passed: Whether it was passed.
        stage: Weights of the stage cells.
        slope: Weights of the slope cells.
        appeal: Weights of hours, context and users in appeal.
        known: What the video adds to appeal.
    """

    passed: Bool[np.ndarray, " n"]
    stage: Matrix
    slope: Matrix
    appeal: Matrix
    known: Float64[np.ndarray, " n"]


def fit_watch(views: RecoveryViews, truth: WatchTruth) -> MaximumLikelihoodFit:
    """Fit the watch thresholds by maximum likelihood from a zero start.

    The likelihood does not vary when users, or hours, rise together and the stages sink by as much: their means are
    set to the truth. Cells with fewer than 40 passes or stops are held at the truth.

    Raises:
        NoMaximumError: Too few views.
    """
    decisions = decide(views, truth.node_log_duration)
    start = np.zeros(len(truth.vector))
    sizes = [truth.stage.size, truth.slope.size]
    start[: sizes[0]] = 1.0
    start[sizes[0] : sum(sizes)] = 0.5
    frame = Frame(truth.vector, _held(decisions, len(start)), _gauges(sum(sizes), len(start)))
    return maximise(partial(log_likelihood, decisions), start, frame)


def decide(views: RecoveryViews, nodes: Float64[np.ndarray, " nodes"]) -> Decisions:
    """Return one row per threshold that a view reached; videos without a length are handled apart."""
    come_to = views.exists & (np.arange(N_THRESHOLDS) <= views.passed[:, None])
    row, threshold = np.nonzero(come_to)
    right = np.clip(np.searchsorted(nodes, views.log_duration), 1, len(nodes) - 1)
    x = np.clip(views.log_duration, nodes[0], nodes[-1])
    part = ((x - nodes[right - 1]) / (nodes[right] - nodes[right - 1]))[row]
    node = np.stack([right[row] - 1, right[row]], axis=1)
    weight = np.stack([1 - part, part], axis=1)
    n_context = len(CONTEXT)
    places = np.column_stack([views.hour, np.tile(N_HOURS + np.arange(n_context), (len(views.hour), 1)),
                              N_HOURS + n_context + views.user])  # fmt: skip
    ones = np.ones((len(views.hour), 1))
    return Decisions(
        passed=threshold < views.passed[row],
        stage=_weights(node * N_THRESHOLDS + threshold[:, None], weight, len(nodes) * N_THRESHOLDS),
        slope=_weights(node * N_SEGMENTS + SEGMENT[threshold][:, None], weight, len(nodes) * N_SEGMENTS),
        appeal=_weights(places[row], np.hstack([ones, views.context, ones])[row], N_HOURS + n_context + views.n_users),
        known=views.video_appeal[row],
    )


def log_likelihood(decisions: Decisions, at: Float64[np.ndarray, " p"]) -> LocalCurvature:
    """Log-likelihood of all decisions with its derivatives; slope times appeal is bilinear."""
    n_stage, n_slope = decisions.stage.shape[1], decisions.slope.shape[1]
    stage, slope, rest = np.split(at, [n_stage, n_stage + n_slope])
    appeal = decisions.appeal @ rest + decisions.known
    pull = decisions.slope @ slope
    odds = decisions.stage @ stage + pull * appeal
    chance = expit(odds)
    missed = decisions.passed - chance
    by = sparse.hstack(
        [decisions.stage, sparse.diags_array(appeal) @ decisions.slope, sparse.diags_array(pull) @ decisions.appeal],
        format="csr",
    )
    expected = _square(by, by, chance * (1 - chance))
    bent = np.zeros_like(expected)
    bent[n_stage : n_stage + n_slope, n_stage + n_slope :] = _square(decisions.slope, decisions.appeal, missed)
    value = -np.logaddexp(0, np.where(decisions.passed, -odds, odds)).sum()
    return LocalCurvature(float(value), by.T @ missed, expected - bent - bent.T, expected)


def _square(a: Matrix, b: Matrix, weight: Float64[np.ndarray, " n"]) -> np.ndarray:
    """Product of `a` transposed, the weights on a diagonal, and `b`."""
    return (a.T @ (sparse.diags_array(weight) @ b)).toarray()


def _weights(places: Int64[np.ndarray, "n m"], values: Float64[np.ndarray, "n m"], width: int) -> Matrix:
    """A sparse matrix with `m` entries a row."""
    n, m = places.shape
    return sparse.csr_array((values.ravel(), places.ravel(), np.arange(n + 1) * m), shape=(n, width))


def _held(decisions: Decisions, n: int) -> Bool[np.ndarray, " p"]:
    """Parameters that too few decisions bear on."""
    held = np.zeros(n, bool)
    parts = [decisions.stage, decisions.slope, abs(decisions.appeal)]
    passes = np.concatenate([part.T @ decisions.passed for part in parts])
    stops = np.concatenate([part.T @ ~decisions.passed for part in parts])
    held[:] = np.minimum(passes, stops) < _ENOUGH
    held[-(decisions.appeal.shape[1] - N_HOURS) :] = False
    return held


def _gauges(first: int, n: int) -> Float64[np.ndarray, "gauges p"]:
    """The mean over users, and over hours."""
    gauges = np.zeros((2, n))
    gauges[0, first + N_HOURS + len(CONTEXT) :] = 1 / (n - first - N_HOURS - len(CONTEXT))
    gauges[1, first : first + N_HOURS] = 1 / N_HOURS
    return gauges
