"""The held-out check: how well rows that were not learned from are foreseen.

Axes: `rows` views; `numbers` inputs.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float32

from user_models.data.log import LogData
from user_models.errors import DataError
from user_models.fit.prediction.distribution import (
    BUCKETS_S,
    DECILES,
    decile_shares,
    duration_bucket,
    ks_distance,
    mean_rank,
    mean_watch_s,
    transform,
)
from user_models.fit.prediction.inputs import PriorViews, known_before
from user_models.fit.prediction.lightgbm_baseline import Reference, labels, plain_inputs, reference
from user_models.fit.prediction.predictor import Prediction, Predictor, forecast
from user_models.fit.prediction.running_counts import EXPOSED, RunningCounts
from user_models.fit.prediction.scores import auc, log_loss, spearman
from user_models.fit.prediction.views import FolderTables, LoggedViews, merged, read_views, tables_of
from user_models.fit.rows.log_rows import LogRows

LABELS: Final = ("click", "long_view", "like")


@final
@dataclass(frozen=True)
class BucketDistance:
    """Distance between predicted and real watch times in one bucket of durations.

    Attributes:
        bucket: Durations in seconds, such as `30-60`; holds its upper edge.
        n: Held-out views in it.
        ks: Kolmogorov-Smirnov distance; None without views.
    """

    bucket: str
    n: int
    ks: float | None


@final
@dataclass(frozen=True)
class HeldOut:
    """The check on rows that were not learned from.

    Attributes:
        n_train: Views learned from.
        n_test: Views predicted.
        auc: Per label; NaN where all views are alike.
        log_loss: Per label, in nats.
        reference_log_loss: That of gradient boosting on the same information; None where there is none.
        reference_reason: Why not, per label.
        watch_spearman: Rank correlation of the predicted mean rank and real watch time.
        watch_spearman_seconds: The same of the predicted mean of seconds, which the rare long views rule.
        pit: Share of views in each tenth of their predicted distribution; a tenth each if calibrated.
        pit_max_deviation: Largest distance of those shares from a tenth.
        ks_by_duration: Seven buckets, in order.
    """

    n_train: int
    n_test: int
    auc: Mapping[str, float]
    log_loss: Mapping[str, float]
    reference_log_loss: Mapping[str, float | None]
    reference_reason: Mapping[str, str]
    watch_spearman: float
    watch_spearman_seconds: float
    pit: tuple[float, ...]
    pit_max_deviation: float
    ks_by_duration: tuple[BucketDistance, ...]

    def figures(self) -> dict[str, float]:
        """Return the figures by name, as stored in a world; those not measured are left out."""
        by_label = {"auc": self.auc, "log_loss": self.log_loss, "reference_log_loss": self.reference_log_loss}
        scores = {
            f"heldout.{name}.{label}": value
            for name, values in by_label.items()
            for label, value in values.items()
            if value is not None
        }
        ks = {f"heldout.ks.{each.bucket}s": each.ks for each in self.ks_by_duration if each.ks is not None}
        single = {
            "heldout.n_train": float(self.n_train),
            "heldout.n_test": float(self.n_test),
            "heldout.watch_spearman": self.watch_spearman,
            "heldout.watch_spearman_seconds": self.watch_spearman_seconds,
            "heldout.pit_max_deviation": self.pit_max_deviation,
        }
        return {name: value for name, value in {**single, **scores, **ks}.items() if np.isfinite(value)}


def check_heldout(predictor: Predictor, data: LogData, heldout: LogData | None = None, seed: int = 0) -> HeldOut:
    """Predict rows that a predictor has not learned from, and compare.

    Of users that the predictor does not carry, and of all that has held-out rows on days it has seen, what was seen is
    added up again from the rows of `data` that are not held out. Nothing later than a view is used to predict it.

    Args:
        predictor: It is not changed.
        data: The folder it was fitted on, or one that tells of the same kind of users.
        heldout: Folder whose rows are all predicted; without one, the rows of `data` after the predictor's last day.
        seed: Of the draws where nothing was played.

    Raises:
        DataError: Damage in the files, or no row to predict.
    """
    told, asked, catalogue = _rows_of(predictor, data, heldout)
    with _one_thread():
        return _checked(predictor, told, asked, catalogue, np.random.default_rng(seed))


def _rows_of(
    predictor: Predictor, data: LogData, heldout: LogData | None
) -> tuple[LoggedViews, LoggedViews, FolderTables]:
    """Split views into earlier and held-out ones; the third value holds the tables of both."""
    known, catalogue = read_views(data)
    if heldout is None:
        later = known.rows.date > predictor.past.last_date
        if not later.any():
            last = predictor.past.last_date
            raise DataError(f"the log has no usable rows after {last}, the last day learned from; give held-out rows")
        return known.take(~later), known.take(later), catalogue
    own = tables_of(heldout)
    both = merged(catalogue, own)
    asked, _ = read_views(heldout, both)
    if not len(asked):
        raise DataError("the held-out log has no usable rows; give rows of videos with a known length")
    return _without(known, asked), asked, both


def _without(views: LoggedViews, others: LoggedViews) -> LoggedViews:
    """Views that are not among the others: by user, video and time."""
    ours, theirs = (
        np.stack([v.user_id, v.video_id, v.rows.time_ms], axis=1).view("i8,i8,i8")[:, 0] for v in (views, others)
    )
    return views.take(~np.isin(ours, theirs))


def _checked(
    predictor: Predictor, told: LoggedViews, asked: LoggedViews, catalogue: FolderTables, rng: np.random.Generator
) -> HeldOut:
    """The check on one thread."""
    public = predictor.public(catalogue)
    numbers = _numbers(predictor, told, asked, catalogue)
    said = forecast(predictor, asked.rows, numbers, public)
    rival = _rival(predictor, told, asked, numbers, catalogue)
    return _compared(predictor, asked.rows, said, rival, rng)


def _numbers(
    predictor: Predictor, told: LoggedViews, asked: LoggedViews, catalogue: FolderTables
) -> Float32[np.ndarray, "rows numbers"]:
    """Compute the predictor's inputs for each held-out view."""
    past = _before(predictor.past, asked)
    every = told.and_then(asked)
    old = every.rows.date <= past.last_date
    old[len(told) :] = False
    user_counted = old & past.users.carries(every.user_id)
    video_counted = old & past.users.carries(every.user_id) & past.videos.carries(every.video_id)
    return known_before(past, every, user_counted, video_counted, catalogue.author_of())[len(told) :]


def _before(past: PriorViews, asked: LoggedViews) -> PriorViews:
    """The past without users and videos of which it may hold the very views to be predicted."""
    inside = asked.rows.date <= past.last_date
    users, videos = asked.user_id[inside], asked.video_id[inside]
    return PriorViews(_except(past.users, users), _except(past.videos, videos), past.last_date)


def _except(ledger: RunningCounts, ids: np.ndarray) -> RunningCounts:
    """The ledger without some items."""
    kept = ~np.isin(ledger.ids, ids)
    return RunningCounts(ledger.ids[kept], ledger.sums[kept])


def _rival(
    predictor: Predictor,
    told: LoggedViews,
    asked: LoggedViews,
    numbers: Float32[np.ndarray, "rows numbers"],
    catalogue: FolderTables,
) -> Reference:
    """Fit the reference to the earlier views."""
    first = int(asked.rows.date.min())
    earlier = told.take(_usable(told.rows, first))
    if not len(earlier):
        return Reference(dict.fromkeys(LABELS), dict.fromkeys(LABELS, "no rows before those held out"))
    past = _exposed_only(predictor.past)
    nothing = np.zeros(len(earlier), bool)
    known = known_before(past, earlier, nothing, nothing, catalogue.author_of())
    public = predictor.public(catalogue)
    order = np.argsort(earlier.rows.time_ms, kind="stable")
    return reference(
        plain_inputs(earlier.rows, known, public)[order],
        earlier.rows.take(order),
        plain_inputs(asked.rows, numbers, public),
        asked.rows,
    )


def _usable(rows: LogRows, first_held_out: int) -> Bool[np.ndarray, " rows"]:
    """Rows the reference learns from: those before the held-out days, or all where there are none."""
    before = rows.date < first_held_out
    return before if before.any() else np.ones(len(rows), bool)


def _exposed_only(past: PriorViews) -> PriorViews:
    """Keep only the sums that earlier exposures added."""

    def bare(ledger: RunningCounts) -> RunningCounts:
        sums = ledger.sums.copy()
        sums[:, : -len(EXPOSED)] = 0
        return RunningCounts(ledger.ids, sums)

    return replace(past, users=bare(past.users), videos=bare(past.videos))


def _compared(
    predictor: Predictor, rows: LogRows, said: Prediction, rival: Reference, rng: np.random.Generator
) -> HeldOut:
    """Compare predictions with the outcomes of held-out views."""
    duration_s = np.exp(rows.log_duration)
    chances = {"click": said.click, "long_view": said.long_view, "like": said.like}
    truth = labels(rows)
    watch_s = rows.watch_s
    pit = decile_shares(transform(said.survival, duration_s, watch_s, rng))
    return HeldOut(
        n_train=predictor.n_rows,
        n_test=len(rows),
        auc={label: auc(truth[label], chances[label]) for label in LABELS},
        log_loss={label: log_loss(truth[label], chances[label]) for label in LABELS},
        reference_log_loss=rival.log_loss,
        reference_reason=rival.reason,
        watch_spearman=spearman(mean_rank(said.survival, duration_s), watch_s),
        watch_spearman_seconds=spearman(mean_watch_s(said.survival, duration_s), watch_s),
        pit=tuple(float(share) for share in pit),
        pit_max_deviation=float(np.abs(pit - 1 / DECILES).max()),
        ks_by_duration=_distances(said, duration_s, watch_s),
    )


def _distances(
    said: Prediction, duration_s: Float32[np.ndarray, " rows"], watch_s: Float32[np.ndarray, " rows"]
) -> tuple[BucketDistance, ...]:
    """Distances in the seven buckets."""
    bucket = duration_bucket(duration_s)
    distances: list[BucketDistance] = []
    for index, (low, high) in enumerate(pairwise(BUCKETS_S)):
        rows = bucket == index
        ks = ks_distance(said.survival[rows], duration_s[rows], watch_s[rows]) if rows.any() else None
        distances.append(BucketDistance(f"{low}-{high}", int(rows.sum()), ks))
    return tuple(distances)


@contextmanager
def _one_thread() -> Generator[None]:
    """Sums on several threads depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
