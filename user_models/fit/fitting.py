"""The fit from folder to world: a predictor and its check on later days, a model of all days, generators, levels.

Axes: `users`; `videos`; `rows`; `actions`.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float64

from user_models.data.log import LogData
from user_models.data.summary import assumptions, check_units
from user_models.dynamics.watch_thresholds import COMPLETE_THRESHOLD
from user_models.errors import FitError
from user_models.fit.assemble import Sources, assemble
from user_models.fit.enough_rows import HELD_OUT_DAYS, check_enough
from user_models.fit.generators.rate_dispersion import action_spreads
from user_models.fit.log_targets import targets_of
from user_models.fit.matching.by_duration import shape_by_duration
from user_models.fit.matching.random_exposure import RandomTargets, calibrate_random
from user_models.fit.matching.standin_ranker import Selector
from user_models.fit.matching.taste_strength import tune_strengths
from user_models.fit.prediction.exposures import Exposures, read_exposures
from user_models.fit.prediction.heldout import HeldOut, check_heldout
from user_models.fit.prediction.predictor import Predictor, PredictorPlan, learn_predictor
from user_models.fit.prediction.views import tables_of
from user_models.fit.rows.batches import as_batch
from user_models.fit.rows.features import Features, user_features, video_features
from user_models.fit.rows.log_rows import LogRows, read_rows
from user_models.fit.watch_model.model import Priors, WatchModel
from user_models.fit.watch_model.training import Trained, WatchModelSchedule, train
from user_models.world.table_checks import table_faults
from user_models.world.world import World

MORE: Final = "give a folder with more rows, of more users and videos"
"""What to do where rows tell too little."""
DIMENSIONS: Final = 8
"""Taste dimensions."""
VIDEO_SHARE: Final = 0.6
"""Share of the spread of a video's log action rate that its public features leave open."""


@final
@dataclass(frozen=True)
class FitResult:
    """World and the predictor fitted with it.

    Attributes:
        world: Fitted on all days.
        heldout: How the predictor does on the last days.
        predictor: It has not seen the last days.
        random: Figures of the folder's random log, which the world gives; None without one.
    """

    world: World
    heldout: HeldOut
    predictor: Predictor
    random: RandomTargets | None


@final
@dataclass(frozen=True)
class _Public:
    """Public features of users and videos, and the priors of their effects on actions."""

    users: Features
    videos: Features
    priors: Priors


def fit_world(
    data: LogData,
    name: str,
    seed: int,
    schedule: WatchModelSchedule | None = None,
    plan: PredictorPlan | None = None,
    selector: Selector | None = None,
    exposures: Path | None = None,
) -> FitResult:
    """Fit a world on a log; progress bars go to the standard error stream.

    Rows of random exposures, where there are some, are fitted with the others and set the world's levels. Without
    them, levels are set to the targets, see `user_models.fit.log_targets`.

    Args:
        data: With a log of at least three days.
        name: Of the world.
        seed: The same data and seed give the same world on the same machine.
        schedule: How the watch model is trained; good for Pure by default.
        plan: How the predictor is trained; good for Pure by default.
        selector: The stand-in ranker from which strengths start.
        exposures: Parquet file of earlier exposures, for the predictor; see `read_exposures`.

    Raises:
        DataError: Damage in the files, or rows that are too few to fit on.
        FitError: Rows such that no world gives their figures.
    """
    earlier = None if exposures is None else read_exposures(exposures)
    try:
        with _one_thread():
            schedules = (schedule or WatchModelSchedule(), plan or PredictorPlan())
            return _fit(data, name, _Settings(seed, *schedules, selector or Selector(), earlier))
    except np.linalg.LinAlgError as error:
        raise FitError(f"{name}: users or videos do not differ in a way that can be told ({error}); {MORE}") from error


@final
@dataclass(frozen=True)
class _Settings:
    """Settings of a fit: the arguments of `fit_world`."""

    seed: int
    schedule: WatchModelSchedule
    plan: PredictorPlan
    selector: Selector
    exposures: Exposures | None


def _fit(data: LogData, name: str, how: _Settings) -> FitResult:
    """`fit_world` on one thread."""
    reading = read_rows(data)
    catalogue = tables_of(data)
    check_enough(data, reading.rows, catalogue)
    length_s = float(np.exp(reading.rows.log_duration.mean(dtype=np.float64)))
    check_units(data, float(reading.rows.watch_s.mean(dtype=np.float64)), length_s, len(reading.rows))
    before = catalogue.views(_before(reading.rows))
    predictor = learn_predictor(before, catalogue, how.exposures, how.seed, how.plan)
    heldout = check_heldout(predictor, data)
    users, videos, statistics = catalogue.users, catalogue.videos, catalogue.statistics
    spread = action_spreads(reading.rows, reading.rows.user)
    public = _Public(user_features(users), video_features(videos, statistics), _priors(reading.rows, spread))
    model, trained = _learn(reading.rows, public, how.seed, how.schedule)
    sources = Sources(
        reading,
        users,
        videos,
        statistics,
        data.profile(),
        spread,
        heldout,
        trained,
        data.mapping.attribution,
        targets_of(data, reading.rows, users),
        assumptions(data, reading.n_random),
    )
    world = assemble(model, name, sources)
    check_world(world)
    random = random_figures(reading.rows)
    return FitResult(_levelled(world, random, how.selector), heldout, predictor, random)


def check_world(world: World) -> None:
    """Refuse a world that could not be read again.

    Raises:
        FitError: A table of it holds numbers that no world can have.
    """
    if wrong := table_faults(vars(world.tables), world.columns):
        raise FitError(f"{world.name}: the fit ran away: {wrong[0]}; {MORE}")


def _levelled(world: World, random: RandomTargets | None, selector: Selector) -> World:
    """Levels of random exposures: the folder's own, their shape along duration as fitted, or else those published."""
    if random is None:
        return tune_strengths(shape_by_duration(world), selector)
    return calibrate_random(tune_strengths(world, selector), random)


def random_figures(rows: LogRows) -> RandomTargets | None:
    """Compute the mean outcomes per view of the random rows; None without random rows."""
    shown = rows.take(rows.random)
    if not len(shown):
        return None
    least = 1 / (2 * len(shown))
    return RandomTargets(
        click=max(float(shown.click.mean()), least),
        long_view=max(float(shown.long_view.mean()), least),
        complete=max(float((shown.passed > COMPLETE_THRESHOLD).mean()), least),
        watch_s=max(float(shown.watch_s.mean(dtype=np.float64)), least),
        action=tuple(max(float(rate), least) for rate in shown.acted.mean(axis=0, dtype=np.float64)),
    )


@contextmanager
def _one_thread() -> Generator[None]:
    """Sums on several threads depend on their number, so the fit runs on one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _learn(rows: LogRows, public: _Public, seed: int, schedule: WatchModelSchedule) -> tuple[WatchModel, Trained]:
    """A model fitted on some rows."""
    generator = torch.Generator().manual_seed(seed)
    model = WatchModel(public.users, public.videos, public.priors, DIMENSIONS, generator)
    return model, train(model, as_batch(rows), schedule, generator)


def _priors(rows: LogRows, user_spread: Float64[np.ndarray, " actions"]) -> Priors:
    """Compute prior spreads of action effects: by counts for users; less for videos, which features explain."""
    video_spread = VIDEO_SHARE * action_spreads(rows, rows.video)
    rate = np.clip(rows.acted.mean(axis=0, dtype=np.float64), 1e-6, 1 - 1e-6)
    return Priors(*(x.astype(np.float32) for x in (user_spread, video_spread, rate)))


def _before(rows: LogRows) -> LogRows:
    """The rows before the last days."""
    return rows.take(rows.date < np.unique(rows.date)[-HELD_OUT_DAYS])
