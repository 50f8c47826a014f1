"""The fit from folder to world: learn, check on later days, learn again on all days, build generators, set levels.

Axes: `users`; `videos`; `rows`; `actions`.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float64

from user_models.data.folder import KuaiRandFolder
from user_models.fit.assembly import Sources, assemble
from user_models.fit.batches import as_batch
from user_models.fit.by_duration import shape_by_duration
from user_models.fit.features import Features, user_features, video_features
from user_models.fit.heldout import HeldOut, check_heldout
from user_models.fit.model import Priors, WatchModel
from user_models.fit.rows import Rows, read_rows
from user_models.fit.selector import Selector
from user_models.fit.spread import action_spreads
from user_models.fit.strengths import tune_strengths
from user_models.fit.training import Schedule, Trained, train
from user_models.world import World

HELD_OUT_DAYS: Final = 2
"""The last days of the log are predicted from those before."""
DIMENSIONS: Final = 8
"""Taste dimensions."""
VIDEO_SHARE: Final = 0.6
"""Share of the spread of a video's log action rate that its public features leave open."""


@final
@dataclass(frozen=True)
class FitResult:
    """A world, and how well the same fit predicts days it has not seen.

    Attributes:
        world: Fitted on all days.
        heldout: From a fit without the last days.
    """

    world: World
    heldout: HeldOut


@final
@dataclass(frozen=True)
class _Public:
    """What is known about users and videos before any view, and how much their actions differ."""

    users: Features
    videos: Features
    priors: Priors


def fit_world(
    folder: KuaiRandFolder, name: str, seed: int, schedule: Schedule | None = None, selector: Selector | None = None
) -> FitResult:
    """Fit a world on a KuaiRand folder; progress bars go to the standard error stream.

    Args:
        folder: With a standard log of at least three days.
        name: Of the world.
        seed: The same folder and seed give the same world on the same machine.
        schedule: How long to learn; good for Pure by default.
        selector: The stand-in ranker from which strengths start.

    Raises:
        DataError: Damage in the files.
        ValueError: A log of fewer than three days.
    """
    with _one_thread():
        return _fit(folder, name, seed, schedule or Schedule(), selector or Selector())


def _fit(folder: KuaiRandFolder, name: str, seed: int, schedule: Schedule, selector: Selector) -> FitResult:
    """`fit_world` on one thread."""
    reading = read_rows(folder)
    users, videos, statistics = folder.users(), folder.videos(), folder.video_statistics()
    spread = action_spreads(reading.rows, reading.rows.user)
    public = _Public(user_features(users), video_features(videos, statistics), _priors(reading.rows, spread))
    before, after = _split(reading.rows)
    heldout = check_heldout(_learn(before, public, seed, schedule, "fit without the last days")[0], before, after)
    model, trained = _learn(reading.rows, public, seed, schedule, "fit on all days")
    sources = Sources(reading, users, videos, statistics, spread, heldout, trained)
    world = shape_by_duration(assemble(model, name, sources))
    return FitResult(tune_strengths(world, selector), heldout)


@contextmanager
def _one_thread() -> Generator[None]:
    """Sums on several threads depend on their number, so the fit runs on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _learn(rows: Rows, public: _Public, seed: int, schedule: Schedule, title: str) -> tuple[WatchModel, Trained]:
    """A model fitted on some rows."""
    generator = torch.Generator().manual_seed(seed)
    model = WatchModel(public.users, public.videos, public.priors, DIMENSIONS, generator)
    return model, train(model, as_batch(rows), schedule, generator, title)


def _priors(rows: Rows, user_spread: Float64[np.ndarray, " actions"]) -> Priors:
    """Prior spreads of effects on actions: as counts say for users; less for videos, whose features tell much."""
    video_spread = VIDEO_SHARE * action_spreads(rows, rows.video)
    rate = np.clip(rows.acted.mean(axis=0, dtype=np.float64), 1e-6, 1 - 1e-6)
    return Priors(*(x.astype(np.float32) for x in (user_spread, video_spread, rate)))


def _split(rows: Rows) -> tuple[Rows, Rows]:
    """The rows before the last days, and those of the last days."""
    days = np.unique(rows.date)
    if len(days) <= HELD_OUT_DAYS:
        raise ValueError(f"the log has {len(days)} days; give one with at least {HELD_OUT_DAYS + 1}")
    first_held_out = days[-HELD_OUT_DAYS]
    return rows.take(rows.date < first_held_out), rows.take(rows.date >= first_held_out)
