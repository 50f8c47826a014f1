"""How well the fit predicts rows of later days: AUC, log-loss, and the order of watch times.

Axes: `rows` held-out views; `rungs` of the ladder; `stages` rungs passed, 0 to all; `actions`.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from scipy.stats import rankdata

from user_models.fit.batches import as_batch
from user_models.fit.model import WatchModel
from user_models.fit.rows import Rows
from user_models.ladder import CLICK_RUNG, LONG_RUNG, LONGEST, rungs

CLICK_S: Final = 7.0
"""Seconds past which an autoplay view counts as clicked."""
_CHUNK: Final = 20_000


@final
@dataclass(frozen=True)
class Score:
    """How one label of the held-out rows was predicted.

    Attributes:
        label: `click`, `long_view` or `like`.
        auc: Chance that a positive row is ranked above a negative one.
        log_loss: Mean negative log-likelihood, in nats.
        base_log_loss: That of always saying the held-out rate.
    """

    label: str
    auc: float
    log_loss: float
    base_log_loss: float


@final
@dataclass(frozen=True)
class HeldOut:
    """The check on rows that the fit has not seen.

    Attributes:
        n_train: Rows learned from.
        n_test: Rows predicted.
        scores: One per label.
        watch_spearman: Rank correlation of predicted mean and real watch seconds.
    """

    n_train: int
    n_test: int
    scores: tuple[Score, ...]
    watch_spearman: float

    def figures(self) -> dict[str, float]:
        """By name, as a world keeps them."""
        scores = {f"heldout.{name}.{s.label}": getattr(s, name) for s in self.scores for name in ("auc", "log_loss")}
        counts = {"heldout.n_train": float(self.n_train), "heldout.n_test": float(self.n_test)}
        return {**counts, **scores, "heldout.watch_spearman": self.watch_spearman}


def check_heldout(model: WatchModel, train: Rows, test: Rows) -> HeldOut:
    """Predict the rows of later days from user, video, page, hour and the view before."""
    survival, act = predict(model, test)
    grid = grid_pages(train)
    click = np.where(np.isin(test.page, grid), survival[:, 0], survival[:, CLICK_RUNG])
    labels = {
        "click": (test.click, click),
        "long_view": (test.long_view, survival[:, LONG_RUNG]),
        "like": (test.acted[:, 0] > 0, act[:, 0]),
    }
    scores = tuple(score(label, truth, chance) for label, (truth, chance) in labels.items())
    order = np.corrcoef(rankdata(mean_watch_s(survival, test)), rankdata(test.watch_s))[0, 1]
    return HeldOut(len(train), len(test), scores, float(order))


@torch.no_grad()
def predict(
    model: WatchModel, rows: Rows
) -> tuple[Float32[np.ndarray, "rows rungs"], Float32[np.ndarray, "rows actions"]]:
    """Chance of passing each rung from the start, and of each action whatever the stage reached."""
    parts = [_predict(model, rows.take(part)) for part in np.array_split(np.arange(len(rows)), len(rows) // _CHUNK + 1)]
    return np.concatenate([survival for survival, _ in parts]), np.concatenate([act for _, act in parts])


def grid_pages(rows: Rows) -> list[int]:
    """Pages on which a click means that anything was played, rather than over 7 s; decided by which agrees better."""
    duration_s = np.exp(rows.log_duration)
    played, valid = rows.watch_s > 0, (rows.watch_s > CLICK_S) | (rows.watch_s >= duration_s)
    pages = np.unique(rows.page)
    return [
        int(page)
        for page in pages
        if (played == rows.click)[rows.page == page].sum() > (valid == rows.click)[rows.page == page].sum()
    ]


def score(label: str, truth: Bool[np.ndarray, " rows"], chance: Float32[np.ndarray, " rows"]) -> Score:
    """AUC and log-loss of predicted chances; AUC is NaN where all rows are alike."""
    p = np.clip(chance.astype(np.float64), 1e-7, 1 - 1e-7)
    rate = float(truth.mean())
    return Score(
        label=label,
        auc=auc(truth, p),
        log_loss=float(-np.where(truth, np.log(p), np.log1p(-p)).mean()),
        base_log_loss=float(-(rate * np.log(max(rate, 1e-300)) + (1 - rate) * np.log(max(1 - rate, 1e-300)))),
    )


def auc(truth: Bool[np.ndarray, " rows"], score: Float64[np.ndarray, " rows"]) -> float:
    """Area under the ROC curve by ranks, ties counted half (Hanley and McNeil 1982)."""
    n_true, n_false = int(truth.sum()), int((~truth).sum())
    if n_true == 0 or n_false == 0:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[truth].sum() - n_true * (n_true + 1) / 2) / (n_true * n_false))


def mean_watch_s(survival: Float32[np.ndarray, "rows rungs"], rows: Rows) -> Float64[np.ndarray, " rows"]:
    """Mean watch seconds: the middle of each stage, weighted by the chance to stop in it."""
    duration_s = np.exp(rows.log_duration)
    edges = np.concatenate([rungs(duration_s), LONGEST * duration_s[:, None]], axis=1)
    middles = np.concatenate([np.zeros((len(rows), 1)), (edges[:, :-1] + edges[:, 1:]) / 2], axis=1)
    return (stage_chances(survival) * middles).sum(axis=1)


def stage_chances(survival: Float32[np.ndarray, "rows rungs"]) -> Float32[np.ndarray, "rows stages"]:
    """Chance to stop after 0, 1, ... all rungs."""
    ones, zeros = np.ones((len(survival), 1), np.float32), np.zeros((len(survival), 1), np.float32)
    return -np.diff(np.concatenate([ones, survival, zeros], axis=1), axis=1)


def _predict(
    model: WatchModel, rows: Rows
) -> tuple[Float32[np.ndarray, "rows rungs"], Float32[np.ndarray, "rows actions"]]:
    """`predict` for a part of the rows."""
    batch = as_batch(rows)
    climb, act = model.log_odds(batch)
    passing = torch.where(batch.stands, torch.sigmoid(climb), 1.0)
    survival = passing.cumprod(dim=1).numpy()
    stages = torch.from_numpy(stage_chances(survival))
    chances = [
        (stages * torch.sigmoid(act[:, [kind]] + model.action_stage[kind])).sum(dim=1) for kind in range(act.shape[1])
    ]
    return survival, torch.stack(chances, dim=1).numpy()
