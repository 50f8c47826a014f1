"""Figures of merit of forecasts, and their standard errors over users.

Axes: `rows` views; `classes` of lengths; `points` seconds; `figures`; `draws` of the bootstrap.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from forecast import FINEST, POINTS_S, Forecast
from jaxtyping import Bool, Float64, Int64
from scipy.stats import rankdata

CLASSES_S: Final = np.array([7.0, 15.0, 18.0, 30.0, 60.0, 120.0, 300.0])
"""Where classes of lengths end; the last class is open."""
CLASS_NAMES: Final = ("<=7", "7-15", "15-18", "18-30", "30-60", "60-120", "120-300", ">300")
FIGURES: Final = ("nll", "crps_s", "crps_log", "pit", "spearman", "auc_click", "auc_long_view", "ks", "floored")
"""Nats per view on the common grid; seconds; log-seconds; largest deviation of a decile in points; rank correlation;
two areas under the curve; mean KS distance over the classes of lengths; share of views whose cell had no chance."""


@final
@dataclass(frozen=True)
class Outcome:
    """What happened, as far as scoring needs it.

    Attributes:
        user: Who, for resampling.
        watch_s: Seconds watched.
        kind: Class of the length.
        click: As logged.
        long_view: As logged.
    """

    user: Int64[np.ndarray, " rows"]
    watch_s: Float64[np.ndarray, " rows"]
    kind: Int64[np.ndarray, " rows"]
    click: Bool[np.ndarray, " rows"]
    long_view: Bool[np.ndarray, " rows"]


def kinds(duration_s: Float64[np.ndarray, " rows"]) -> Int64[np.ndarray, " rows"]:
    """Class of each length."""
    return np.searchsorted(CLASSES_S, duration_s).astype(np.int64)


def measure(made: Forecast, real: Outcome, chosen: Int64[np.ndarray, " chosen"]) -> Float64[np.ndarray, " figures"]:
    """The figures of `FIGURES` on some of the views."""
    cell = made.cell[chosen]
    ranks = rankdata(made.mean_s[chosen]), rankdata(real.watch_s[chosen])
    return np.array(
        [
            -np.log(np.maximum(cell, FINEST)).mean(),
            made.crps_s[chosen].mean(),
            made.crps_log[chosen].mean(),
            pit_deviation(made.pit[chosen]),
            np.corrcoef(*ranks)[0, 1],
            auc(real.click[chosen], made.click[chosen]),
            auc(real.long_view[chosen], made.long_view[chosen]),
            np.nanmean(ks_by_length(made, real, chosen)),
            (cell < FINEST).mean(),
        ]
    )


def pit_deviation(pit: Float64[np.ndarray, " rows"]) -> float:
    """Largest distance of a decile's share of the PIT values from a tenth, in percentage points.

    Probability integral transform: Dawid, J. R. Stat. Soc. A 147, 1984, https://doi.org/10.2307/2981683.
    """
    decile = np.minimum((pit * 10).astype(np.int64), 9)
    return float(100 * np.abs(np.bincount(decile, minlength=10) / len(pit) - 0.1).max())


def ks_by_length(
    made: Forecast, real: Outcome, chosen: Int64[np.ndarray, " chosen"]
) -> Float64[np.ndarray, " classes"]:
    """Kolmogorov-Smirnov distance per class of lengths: mean forecast CDF against the views; NaN for an empty class."""
    distances = np.full(len(CLASS_NAMES), np.nan)
    for at in np.unique(real.kind[chosen]):
        rows = chosen[real.kind[chosen] == at]
        counts = np.bincount(np.searchsorted(POINTS_S, real.watch_s[rows]), minlength=len(POINTS_S) + 1)
        watched = counts.cumsum()[: len(POINTS_S)] / len(rows)
        distances[at] = np.abs(made.below[rows].mean(axis=0) - watched).max()
    return distances


def auc(truth: Bool[np.ndarray, " rows"], score: Float64[np.ndarray, " rows"]) -> float:
    """Chance that a true row is scored above a false one, ties counted half (Mann and Whitney 1947)."""
    n_true = int(truth.sum())
    wins = rankdata(score)[truth].sum() - n_true * (n_true + 1) / 2
    return float(wins / max(n_true * (len(truth) - n_true), 1))


def resampled(
    user: Int64[np.ndarray, " rows"], n_draws: int, rng: np.random.Generator
) -> list[Int64[np.ndarray, " _"]]:
    """Rows of as many users as there are, drawn with replacement: the cluster bootstrap (Field and Welsh 2007)."""
    order = np.argsort(user, kind="stable")
    _, start, count = np.unique(user[order], return_index=True, return_counts=True)
    draws: list[Int64[np.ndarray, " _"]] = []
    for _ in range(n_draws):
        who = rng.integers(0, len(start), len(start))
        ends = count[who].cumsum()
        within = np.arange(ends[-1]) - np.repeat(ends - count[who], count[who])
        draws.append(order[np.repeat(start[who], count[who]) + within].astype(np.int64))
    return draws
