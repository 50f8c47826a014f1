"""A request as plain numbers, for agents that read vectors: the same in the environment and when an agent serves.

Axes: `users` requests, `n` candidates, `c` numbers about the request, `p` numbers per candidate, `h` history length.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from policies.base import Event, History, Observation

_PRIOR: Final = 3.0
"""Views' worth of the user's own mean that each topic is given."""
_LATEST: Final = 10
"""Newest columns of the history in which a topic counts as just seen."""
_SCALES: Final = (5.0, 15.0, 7.0, 0.6)
"""Of the numbers below, so that each spreads by about 1 over candidates: no weight is blind to any."""
_PER_CANDIDATE: Final = ("topic_watch", "topic_click", "topic_lately", "length_match")
_ABOUT: Final = ("hour_sin", "hour_cos", "position", "mean_watch", "click_share", "skip_share", "views_known")


@final
@dataclass(frozen=True)
class Numbers:
    """Requests as numbers, most of them between -3 and 3.

    Attributes:
        about: The user's public features, then `hour_sin`, `hour_cos` (of the day), `position` (log views today), and
            of the history `mean_watch` (mean log seconds), `click_share`, `skip_share`, `views_known` (share of full).
        candidates: The video's public features, then, of the user's history with the video's topic, `topic_watch` and
            `topic_click` (log seconds and clicks, less the user's own mean, shrunk), `topic_lately` (share of the last
            ten views), and `length_match` (standardised log length times `mean_watch`), each times its scale.
    """

    about: Float32[np.ndarray, "users c"]
    candidates: Float32[np.ndarray, "users n p"]

    @property
    def flat(self) -> Float32[np.ndarray, "users f"]:
        """Everything in one row per request: `about`, then candidate after candidate."""
        return np.concatenate([self.about, self.candidates.reshape(len(self.about), -1)], axis=1)


def names_of(obs: Observation) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the column names of `about` and of `candidates`."""
    return (*obs.users.names, *_ABOUT), (*obs.videos.names, *_PER_CANDIDATE)


def numbers_of(obs: Observation) -> Numbers:
    """Convert requests to numbers; each row depends on its request alone."""
    history = obs.history
    past = _Past.of(history)
    hour = 2 * np.pi * obs.hour.astype(np.float64) / 24
    position = np.log1p(obs.position.astype(np.float64))
    columns = [np.sin(hour), np.cos(hour), position, past.watch, past.click, past.skip, history.mask.mean(axis=1)]
    about = np.concatenate([obs.users.features[obs.user_id], np.stack(columns, axis=1)], axis=1)
    length = obs.videos.features[obs.candidates][:, :, 0]
    by_topic = _by_topic(obs, history, past)
    with_topic = [*by_topic, length * past.watch[:, None]]
    scaled = np.stack(with_topic, axis=2) * np.array(_SCALES)
    candidates = np.concatenate([obs.videos.features[obs.candidates], scaled], axis=2)
    return Numbers(about.astype(np.float32), candidates.astype(np.float32))


@final
@dataclass(frozen=True)
class _Past:
    """Each view of the histories, and the users' means; 0 where there is nothing."""

    log_watch: Float64[np.ndarray, "users h"]
    clicked: Bool[np.ndarray, "users h"]
    watch: Float64[np.ndarray, " users"]
    click: Float64[np.ndarray, " users"]
    skip: Float64[np.ndarray, " users"]

    @staticmethod
    def of(history: History) -> "_Past":
        """Summarise histories."""
        n = np.maximum(1, history.mask.sum(axis=1))
        log_watch = np.log1p(history.watch_s.astype(np.float64)) * history.mask
        clicked, skipped = ((history.events & np.uint16(event)) > 0 for event in (Event.CLICK, Event.SKIP))
        return _Past(log_watch, clicked, log_watch.sum(axis=1) / n, clicked.sum(axis=1) / n, skipped.sum(axis=1) / n)


def _by_topic(obs: Observation, history: History, past: _Past) -> list[Float64[np.ndarray, "users n"]]:
    """Compute features of each candidate's topic from the user's history: watch, clicks, and recent frequency."""
    n_tags, (users, h) = int(obs.videos.tag.max()) + 1, history.mask.shape
    row = np.arange(users)[:, None]
    place = row * n_tags + obs.videos.tag[history.video_id]
    candidate_place = row * n_tags + obs.videos.tag[obs.candidates]
    lately = history.mask & (np.arange(h) >= h - _LATEST)
    more_watch = (past.log_watch - past.watch[:, None]) * history.mask
    more_click = (past.clicked - past.click[:, None]) * history.mask
    views, watch, click, late = (
        _summed(place, weight, users * n_tags)[candidate_place]
        for weight in (history.mask, more_watch, more_click, lately)
    )
    return [watch / (views + _PRIOR), click / (views + _PRIOR), late / _LATEST]


def _summed(place: Int64[np.ndarray, "users h"], weight: np.ndarray, n_places: int) -> Float64[np.ndarray, " places"]:
    """Weights added up by place."""
    return np.bincount(place.ravel(), weight.ravel().astype(np.float64), n_places).astype(np.float64)
