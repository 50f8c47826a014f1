"""Predictor of single rows: its networks, its running counts, and its predictions.

It is not the world. A world keeps equations that run at every simulated view; the predictor may use all that was seen
of a user and a video up to a view, and is there to tell how far reality can be foreseen from what the fit read. The two
share the watch thresholds, its likelihood, and the public features.

Axes: `rows` views; `thresholds` of watch time; `actions`; `numbers` inputs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from user_models.dynamics.watch_thresholds import CLICK_THRESHOLD, LONG_VIEW_THRESHOLD, N_THRESHOLDS
from user_models.fit.prediction.exposures import Exposures, past_of
from user_models.fit.prediction.feature_encoder import Coding
from user_models.fit.prediction.inputs import PriorViews, known_before, seen
from user_models.fit.prediction.network import Network, Public, Shape, ViewInputs
from user_models.fit.prediction.running_counts import kept
from user_models.fit.prediction.training import ACTING, WATCHING, Loss, TrainingSettings, action_loss, learn, watch_loss
from user_models.fit.prediction.views import FolderTables, LoggedViews
from user_models.fit.rows.batches import as_batch
from user_models.fit.rows.features import Features, user_categories, user_numbers, video_categories, video_numbers
from user_models.fit.rows.log_rows import LogRows
from user_models.world.tables import ACTIONS

CLICK_S: Final = 7.0
"""Seconds past which an autoplay view counts as clicked."""
MOST_ROWS: Final = 400_000
"""Networks learn from the latest so many views; all views count as past."""
_CHUNK: Final = 20_000
_LEVELS: Final = (1.5, -5.0)
"""Log-odds of passing a threshold, and of acting, to begin with."""


@final
@dataclass(frozen=True)
class PredictorPlan:
    """Training settings of a predictor.

    Attributes:
        watching: The networks of watch time.
        acting: Those of the actions.
        networks: Of each; their chances are averaged.
    """

    watching: TrainingSettings = WATCHING
    acting: TrainingSettings = ACTING
    networks: int = 3


@final
@dataclass(frozen=True)
class Predictor:
    """Fitted model that predicts the outcome of single rows.

    Attributes:
        watching: Networks of watch time.
        acting: Networks of the actions.
        users: Coding of public user features.
        videos: Coding of public video features.
        past: What was seen up to its last day.
        grid_pages: Pages on which a click means that anything was played.
        n_rows: Views learned from.
    """

    watching: tuple[Network, ...]
    acting: tuple[Network, ...]
    users: Coding
    videos: Coding
    past: PriorViews
    grid_pages: tuple[int, ...]
    n_rows: int

    def public(self, catalogue: FolderTables) -> Public:
        """Public features of the items of any tables."""
        return Public(
            self.users.encode(user_categories(catalogue.users), user_numbers(catalogue.users)),
            self.videos.encode(
                video_categories(catalogue.videos), video_numbers(catalogue.videos, catalogue.statistics)
            ),
        )


@final
@dataclass(frozen=True)
class Prediction:
    """Predicted chances of views.

    Attributes:
        survival: Chance of passing each threshold from the start.
        acted: Chance of each action, whatever the stage reached.
        click: Chance of a click.
    """

    survival: Float32[np.ndarray, "rows thresholds"]
    acted: Float32[np.ndarray, "rows actions"]
    click: Float32[np.ndarray, " rows"]

    @property
    def long_view(self) -> Float32[np.ndarray, " rows"]:
        """Chance of a long view."""
        return self.survival[:, LONG_VIEW_THRESHOLD]

    @property
    def like(self) -> Float32[np.ndarray, " rows"]:
        """Chance of a like."""
        return self.acted[:, 0]


def learn_predictor(
    views: LoggedViews,
    catalogue: FolderTables,
    exposures: Exposures | None,
    seed: int,
    plan: PredictorPlan | None = None,
) -> Predictor:
    """Fit a predictor to views.

    Args:
        views: All there are, in any order.
        catalogue: The tables they point into.
        exposures: Earlier views with fewer columns; views of the days they cover are not learned from.
        seed: The same views and seed give the same predictor on the same machine.
        plan: How to learn.
    """
    plan = plan or PredictorPlan()
    before = past_of(exposures)
    fresh = views.take(views.rows.date > before.last_date)
    numbers = known_before(before, fresh, no_rows(fresh), no_rows(fresh), catalogue.author_of())
    chosen = np.sort(np.argsort(fresh.rows.time_ms, kind="stable")[-MOST_ROWS:])
    coding = catalogue.codings()
    past = seen(before, fresh)
    past = PriorViews(kept(past.users), kept(past.videos), past.last_date)
    untaught = Predictor((), (), *coding, past, grid_pages(fresh.rows), len(chosen))
    known = ViewInputs(as_batch(fresh.rows.take(chosen)), torch.from_numpy(numbers[chosen]), untaught.public(catalogue))
    return Predictor(
        _train_networks(known, N_THRESHOLDS, _LEVELS[0], plan.watching, watch_loss, seed, plan.networks),
        _train_networks(known, len(ACTIONS), _LEVELS[1], plan.acting, action_loss, seed, plan.networks),
        *coding,
        untaught.past,
        untaught.grid_pages,
        untaught.n_rows,
    )


def forecast(
    predictor: Predictor, rows: LogRows, numbers: Float32[np.ndarray, "rows numbers"], public: Public
) -> Prediction:
    """Predict the outcomes of views.

    Args:
        predictor: It is asked.
        rows: The views; what became of them is not looked at.
        numbers: What is known before each, from `known_before`.
        public: Features of the tables that the rows point into.
    """
    known = ViewInputs(as_batch(rows), torch.from_numpy(numbers), public)
    survival = _mean(predictor.watching, known, _survival)
    acted = _mean(predictor.acting, known, lambda _, x: torch.sigmoid(x))
    on_grid = np.isin(rows.page, predictor.grid_pages)
    return Prediction(survival, acted, np.where(on_grid, survival[:, 0], survival[:, CLICK_THRESHOLD]))


def no_rows(views: LoggedViews) -> Bool[np.ndarray, " rows"]:
    """None of the views."""
    return np.zeros(len(views), bool)


def grid_pages(rows: LogRows) -> tuple[int, ...]:
    """Pages on which a click means that anything was played, rather than over 7 s; decided by which agrees better."""
    duration_s = np.exp(rows.log_duration)
    played, valid = rows.watch_s > 0, (rows.watch_s > CLICK_S) | (rows.watch_s >= duration_s)
    gain = (played == rows.click).astype(np.int64) - (valid == rows.click)
    return tuple(int(page) for page in np.unique(rows.page) if gain[rows.page == page].sum() > 0)


def _train_networks(
    known: ViewInputs, outputs: int, level: float, course: TrainingSettings, loss: Loss, seed: int, n: int
) -> tuple[Network, ...]:
    """Networks that differ in their seed."""
    numbers = known.numbers.numpy()
    spread = numbers.std(axis=0)
    varying = np.where(spread > 1e-4, spread, np.inf).astype(np.float32)
    shape = shape_of(known.public.users, known.public.videos, numbers.shape[1], outputs)
    networks: list[Network] = []
    for index in range(n):
        generator = torch.Generator().manual_seed(1000 * seed + index)
        network = Network(shape, numbers.mean(axis=0), varying, course.dropout, generator)
        torch.nn.init.constant_(network.level, level)
        learn(network, known, course, loss, generator, "predictor")
        networks.append(network)
    return tuple(networks)


def shape_of(users: Features, videos: Features, numbers: int, outputs: int) -> Shape:
    """Sizes of a network for given features."""
    return Shape(users.n_codes, videos.n_codes, users.numbers.shape[1], videos.numbers.shape[1], numbers, outputs)


@torch.no_grad()
def _mean(
    networks: tuple[Network, ...], known: ViewInputs, chances: Callable[[ViewInputs, Tensor], Tensor]
) -> Float32[np.ndarray, "rows outputs"]:
    """Chances averaged over networks, in parts."""
    parts = [known.take(part) for part in torch.arange(len(known)).split(_CHUNK)]
    means = [torch.stack([chances(part, network(part)) for network in networks]).mean(dim=0) for part in parts]
    return torch.cat(means).numpy()


def _survival(part: ViewInputs, log_odds: Tensor) -> Tensor:
    """Chance of passing each threshold from the start; thresholds without length are free."""
    return torch.where(part.batch.exists, torch.sigmoid(log_odds), 1.0).cumprod(dim=1)
