"""Classifier two-sample test of simulated against real views (Lopez-Paz and Oquab, ICLR 2017, arXiv:1610.06545).

Both sides have the same columns and numbers of rows. The page of the app is no column, because worlds do not model it.
The two sides have different videos, so a length to the millisecond would identify the side. So lengths are in whole
seconds, and trees are tested on users and videos that they were not trained on.
Axes: `rows` of both sides, the simulated ones first; `columns`.
"""

from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.stats import rankdata

from policies.base import Event
from simulator.errors import NotMeasuredError
from simulator.reports.validation import TwoSample
from simulator.validation.views import ASKING, ReservoirSample, ValidationViews

FOLDS: Final = 3
ROUNDS: Final = 120
FEWEST: Final = 200
"""Smallest number of rows per side."""
_EVENTS: Final = tuple(event for event in Event if event not in ASKING | Event.SKIP)
_SETTINGS: Final = {
    "objective": "binary",
    "num_leaves": 31,
    "learning_rate": 0.1,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.8,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


@final
@dataclass(frozen=True)
class TwoSampleTable:
    """Rows of both sides.

    Attributes:
        x: Features, one column per name.
        names: Names of the columns.
        simulated: Whether each row is simulated.
        user: User of each row; the two sides share no id.
        video: Video of each row; the two sides share no id.
    """

    x: Float32[np.ndarray, "rows columns"]
    names: tuple[str, ...]
    simulated: Bool[np.ndarray, " rows"]
    user: Int64[np.ndarray, " rows"]
    video: Int64[np.ndarray, " rows"]


def two_sample(
    simulated: ValidationViews, real: ValidationViews, public: tuple[str, ...], tags: bool, seed: int, workers: int
) -> TwoSample:
    """Cross-validated AUC of gradient-boosted trees, folds split by user and by video.

    Args:
        simulated: Views under `base`.
        real: Views of the standard log.
        public: Names of the public user columns.
        tags: Whether topics have the same codes on both sides; if not, they are no column.
        seed: Seed of the samples, folds and trees.
        workers: Number of threads.

    Raises:
        NotMeasuredError: lightgbm is not installed, or there are too few rows.
    """
    table = both_sides(simulated, real, public, tags, np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    by_user, by_video = (rng.permutation(int(ids.max()) + 1)[ids] % FOLDS for ids in (table.user, table.video))
    auc_by_fold, gain = list[float](), np.zeros(len(table.names))
    for k in range(FOLDS):
        model = _boost(table, (by_user != k) & (by_video != k), seed, workers)
        tested = (by_user == k) & (by_video == k)
        auc_by_fold.append(auc(table.simulated[tested], model.predict(table.x[tested])))
        gain += model.feature_importance("gain")
    return TwoSample(
        auc=float(np.mean(auc_by_fold)),
        auc_by_fold=auc_by_fold,
        rows_per_side=len(table.x) // 2,
        importances={name: float(g) for name, g in zip(table.names, gain / max(gain.sum(), 1e-300), strict=True)},
    )


def both_sides(
    simulated: ValidationViews, real: ValidationViews, public: tuple[str, ...], tags: bool, rng: np.random.Generator
) -> TwoSampleTable:
    """Sample equal numbers of simulated and real rows, with users numbered from 0."""
    n = min(len(simulated), len(real))
    if n < FEWEST:
        raise NotMeasuredError(f"{n} rows on the smaller side, want at least {FEWEST}")
    samples = [ReservoirSample.of(views, n, rng).views for views in (simulated, real)]
    users, videos = (_disjoint_ids(*(getattr(sample, name) for sample in samples)) for name in ("user", "video"))
    names, x = _columns(ValidationViews.concatenate(samples), public, tags)
    return TwoSampleTable(x, names, np.repeat([True, False], n), users, videos)


def _disjoint_ids(simulated: Int64[np.ndarray, " n"], real: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " rows"]:
    """Number the ids of both sides from 0, without common numbers."""
    numbered = [np.unique(ids, return_inverse=True)[1] for ids in (simulated, real)]
    return np.concatenate([numbered[0], numbered[1] + numbered[0].max() + 1])


def auc(is_true: Bool[np.ndarray, " rows"], score: Float64[np.ndarray, " rows"]) -> float:
    """Area under the ROC curve by ranks, ties counted half (Hanley and McNeil 1982)."""
    n_true, n_false = int(is_true.sum()), int((~is_true).sum())
    return float((rankdata(score)[is_true].sum() - n_true * (n_true + 1) / 2) / max(1, n_true * n_false))


def _columns(
    views: ValidationViews, public: tuple[str, ...], tags: bool
) -> tuple[tuple[str, ...], Float32[np.ndarray, "rows n"]]:
    """Return the names and values of the columns that both samples have."""
    columns = {"hour": views.hour, "duration_s": np.round(views.duration_s), "watch_s": views.watch_s}
    columns |= {str(event.name).lower(): views.had(event) for event in _EVENTS}
    columns |= {name: views.profile[:, index] for index, name in enumerate(public)}
    if tags:
        columns["tag"] = views.tag
    return tuple(columns), np.stack([np.asarray(column, np.float32) for column in columns.values()], axis=1)


def _boost(table: TwoSampleTable, rows: Bool[np.ndarray, " rows"], seed: int, workers: int) -> Any:  # noqa: ANN401 (no types)
    """Fit trees to the given rows."""
    try:
        import lightgbm
    except ImportError:
        raise NotMeasuredError("lightgbm is not installed; `pip install lightgbm` and validate again") from None
    data = lightgbm.Dataset(table.x[rows], table.simulated[rows].astype(np.int8), feature_name=list(table.names))
    return lightgbm.train({**_SETTINGS, "seed": seed, "num_threads": workers}, data, ROUNDS)
