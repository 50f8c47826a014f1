r"""Shared parts of linear bandits: features of a user with a video, and a ridge regression updated every round.

The features are $x = u \otimes v$: $u$ is 1 and the first principal components of public user features, $v$ is 1, those
of public video features and topics, and the video's click rate in the log that was learned from before the test. With
$A = \lambda I + \sum x x^\top$ and $b = \sum r x$ over the views so far, $r$ being the click, the estimate is
$\hat\theta = A^{-1} b$.

One regression for all videos, not one per video as in the disjoint model of Li et al.: most videos are shown a few
times.

Axes: `people` and `videos` the catalogues, `p` numbers of a user, `q` of a video, `d` = p q, `users` requests, `n`
candidates, `rows` views.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Float32, Float64, Int
from scipy.linalg import solve_triangular

from policies.base import Event, Feedback, Log, Observation, VideoTable
from policies.checks import check_log
from policies.storage import want_shapes

_COMPONENTS: Final = 4
_PRIOR_VIEWS: Final = 20.0
_TOGETHER: Final = 20_000
_MOST_VIEWS: Final = 200_000
"""Views of the log before the test that are learned from, at most: so much is known when the test begins."""


@final
@dataclass(frozen=True)
class Knowledge:
    """Features of users and videos, and the regression so far.

    Attributes:
        user_x: Of every user.
        video_x: Of every video.
        precision: A.
        moment: b.
    """

    user_x: Float64[np.ndarray, "people p"]
    video_x: Float64[np.ndarray, "videos q"]
    precision: Float64[np.ndarray, "d d"]
    moment: Float64[np.ndarray, " d"]

    @property
    def lower(self) -> Float64[np.ndarray, "d d"]:
        r"""$L^{-1}$ of $A = L L^\top$, so that $L^{-\top}$ turns plain normals into errors of the estimate."""
        lower = np.linalg.cholesky(self.precision)
        return np.asarray(solve_triangular(lower, np.eye(len(lower)), lower=True))

    @property
    def estimate(self) -> Float64[np.ndarray, " d"]:
        """The estimate."""
        return np.linalg.solve(self.precision, self.moment)

    def pairs(
        self, user_id: Int[np.ndarray, " rows"], video_id: Int[np.ndarray, " rows"]
    ) -> Float64[np.ndarray, "rows d"]:
        """Features of users with one video each."""
        u, v = self.user_x[user_id], self.video_x[video_id]
        return (u[:, :, None] * v[:, None, :]).reshape(len(u), -1)

    def learned(self, feedback: Feedback) -> "Knowledge":
        """Return a copy updated with the views of a round."""
        precision, moment = self.precision.copy(), self.moment.copy()
        reward = feedback.has(Event.CLICK).astype(np.float64)
        for begin in range(0, len(feedback), _TOGETHER):
            rows = slice(begin, begin + _TOGETHER)
            x = self.pairs(feedback.user_id[rows], feedback.video_id[rows])
            precision += x.T @ x
            moment += x.T @ reward[rows]
        return replace(self, precision=precision, moment=moment)

    def check(self, obs: Observation) -> None:
        """Refuse tables of another size.

        Raises:
            ValueError: The catalogues are not those of the log that was learned from.
        """
        given, known = (len(obs.users.features), len(obs.videos.duration_s)), (len(self.user_x), len(self.video_x))
        if given != known:
            raise ValueError(
                f"{given[0]} users and {given[1]} videos given, but fitted on {known[0]} and {known[1]}; fit anew"
            )


def learn(log: Log, ridge: float, seed: int) -> Knowledge:
    """Build features from a log's tables and fit the regression to its views.

    Raises:
        ValueError: The log has no views, or features that are not finite.
    """
    check_log(log)
    user_x = _with_one(_components(log.users.features.astype(np.float64)))
    video_x = np.concatenate([_with_one(_components(_public(log.videos))), _click_rate(log)[:, None]], axis=1)
    d = user_x.shape[1] * video_x.shape[1]
    order = np.random.default_rng([seed, 0xBA]).permutation(len(log.feedback))[:_MOST_VIEWS]
    return Knowledge(user_x, video_x, ridge * np.eye(d), np.zeros(d)).learned(log.feedback.take(np.sort(order)))


def expected(
    known: Knowledge,
    theta: Float64[np.ndarray, "#users d"],
    obs: Observation,
) -> Float32[np.ndarray, "users n"]:
    """Compute each candidate's expected reward under the request's own parameters."""
    u = known.user_x[obs.user_id]
    by_video = np.einsum("up,upq->uq", u, theta.reshape(len(theta), u.shape[1], -1) + np.zeros((len(u), 1, 1)))
    return np.einsum("uq,unq->un", by_video, known.video_x[obs.candidates]).astype(np.float32)


def arrays_of(known: Knowledge) -> dict[str, np.ndarray]:
    """Return the arrays by their stored names."""
    return dict(vars(known))


def read_knowledge(folder: Path, arrays: Mapping[str, np.ndarray]) -> Knowledge:
    """Knowledge out of a policy's arrays.

    Raises:
        PolicyFolderError: An array is missing or does not fit the others.
    """
    want_shapes(folder, arrays, {"user_x": (-1, -1), "video_x": (-1, -1)})
    d = arrays["user_x"].shape[1] * arrays["video_x"].shape[1]
    want_shapes(folder, arrays, {"precision": (d, d), "moment": (d,)})
    return Knowledge(*(arrays[name].astype(np.float64) for name in ("user_x", "video_x", "precision", "moment")))


def _public(videos: VideoTable) -> Float64[np.ndarray, "videos g"]:
    """Public numbers of videos, and one column per topic."""
    topics = (videos.tag[:, None] == np.arange(int(videos.tag.max(initial=0)) + 1)).astype(np.float64)
    return np.concatenate([videos.features, np.log(np.maximum(videos.duration_s, 1))[:, None], topics], axis=1)


def _components(x: Float64[np.ndarray, "items g"]) -> Float64[np.ndarray, "items c"]:
    """The first principal components of standardised columns, each of variance 1."""
    spread = x.std(axis=0)
    standard = (x - x.mean(axis=0)) / np.where(spread > 1e-9, spread, 1)
    values, axes = np.linalg.eigh(standard.T @ standard / max(1, len(x)))
    largest = np.flatnonzero(values > 1e-9)[::-1][:_COMPONENTS]
    return standard @ axes[:, largest] / np.sqrt(values[largest])


def _with_one(x: Float64[np.ndarray, "items c"]) -> Float64[np.ndarray, "items c+1"]:
    return np.concatenate([np.ones((len(x), 1)), x], axis=1)


def _click_rate(log: Log) -> Float64[np.ndarray, " videos"]:
    """Each video's click rate, drawn towards the mean by some views, less the mean, in spreads."""
    n = len(log.videos.duration_s)
    views = np.bincount(log.feedback.video_id, minlength=n)
    clicked = log.feedback.has(Event.CLICK)
    clicks = np.bincount(log.feedback.video_id[clicked], minlength=n)
    rate = (clicks + _PRIOR_VIEWS * clicked.mean()) / (views + _PRIOR_VIEWS)
    return (rate - rate.mean()) / max(float(rate.std()), 1e-9)
