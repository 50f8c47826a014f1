"""A gradient-boosted reference for the held-out check: LightGBM (Ke et al., NeurIPS 2017) on the same information.

It reads what the predictor's networks read: the moment, what was seen before each view, and public features, with the
categories of users and videos as their codes.

Axes: `rows` views; `columns` inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final, final

import numpy as np
from jaxtyping import Bool, Float32, Float64

from user_models.fit.prediction.network import Public
from user_models.fit.prediction.scores import log_loss
from user_models.fit.rows.log_rows import LogRows

ABSENT: Final = "lightgbm is not installed; pip install lightgbm"
_LEAVES: Final = {"click": 31, "long_view": 31, "like": 15}
_TREES: Final = {"click": 160, "long_view": 160, "like": 110}
_RATE: Final = {"click": 0.08, "long_view": 0.08, "like": 0.05}
_MOST_ROWS: Final = 300_000


@final
@dataclass(frozen=True)
class Reference:
    """Held-out result of the LightGBM reference.

    Attributes:
        log_loss: Per label, in nats; None where it could not be fitted.
        reason: Why not, per label.
    """

    log_loss: Mapping[str, float | None]
    reason: Mapping[str, str]


def labels(rows: LogRows) -> dict[str, Bool[np.ndarray, " rows"]]:
    """Return the predicted labels of each view."""
    return {"click": rows.click, "long_view": rows.long_view, "like": rows.acted[:, 0] > 0}


def plain_inputs(
    rows: LogRows, numbers: Float32[np.ndarray, "rows numbers"], public: Public
) -> Float32[np.ndarray, "rows columns"]:
    """All inputs side by side, public categories as their codes."""
    sides = [
        side
        for features, at in ((public.users, rows.user), (public.videos, rows.video))
        for side in (features.codes[at].astype(np.float32), features.numbers[at])
    ]
    return np.concatenate([numbers, *sides], axis=1)


def reference(
    known: Float32[np.ndarray, "rows columns"],
    told: LogRows,
    asked: Float32[np.ndarray, "asked columns"],
    held_out: LogRows,
) -> Reference:
    """Fit on earlier rows, and score on those held out.

    Args:
        known: Inputs of the earlier rows; of many, the last 300,000 are used.
        told: The earlier rows, in the same order.
        asked: Inputs of the held-out rows.
        held_out: The held-out rows.
    """
    losses: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for label, truth in labels(told).items():
        reason = _reason(truth)
        losses[label] = None
        if reason is not None:
            reasons[label] = reason
            continue
        chances = _chances(label, known[-_MOST_ROWS:], truth[-_MOST_ROWS:], asked)
        losses[label] = log_loss(labels(held_out)[label], chances)
    return Reference(losses, reasons)


def _reason(truth: Bool[np.ndarray, " rows"]) -> str | None:
    """Why a label cannot be learned, if so."""
    if find_spec("lightgbm") is None:
        return ABSENT
    if not truth.any() or truth.all():
        return f"all {len(truth)} earlier rows are alike"
    return None


def _chances(
    label: str,
    known: Float32[np.ndarray, "rows columns"],
    truth: Bool[np.ndarray, " rows"],
    asked: Float32[np.ndarray, "asked columns"],
) -> Float64[np.ndarray, " asked"]:
    """Predicted chances."""
    import lightgbm

    settings: dict[str, Any] = {
        "objective": "binary",
        "learning_rate": _RATE[label],
        "num_leaves": _LEAVES[label],
        "min_data_in_leaf": 100,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 10.0,
        "num_threads": 1,
        "seed": 0,
        "deterministic": True,
        "verbosity": -1,
    }
    booster = lightgbm.train(settings, lightgbm.Dataset(known, truth.astype(np.float32)), _TREES[label])
    return np.asarray(booster.predict(asked), np.float64)
