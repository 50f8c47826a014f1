"""Popularity ranker: recent clicks and watch time of all users, without personalisation."""

from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Float32, Float64

from policies.base import Event, Feedback, Log, Noise, Observation, Slates, top_k
from policies.storage import Stored, read_policy, rebuild, want_shapes, write_policy

_KIND: Final = "popular"


@final
class PopularPolicy:
    """Rank by recent clicks and watch seconds per view, both shrunk towards the mean of all videos.

    The score is `log((clicks + m c) / (views + m)) + watch_weight * log((watch + m w) / (views + m))`, where
    `c` and `w` are the means over all views and `m` is `prior_views`. Views fade by half every
    `half_life_days`. Learns after every round.
    """

    def __init__(self, half_life_days: float = 7.0, prior_views: float = 20.0, watch_weight: float = 0.5) -> None:
        """Begin without counts.

        Args:
            half_life_days: Days after which a view counts half; more than 0.
            prior_views: Views' worth of the mean that every video is given; more than 0.
            watch_weight: Weight of log watch beside log clicks; 0 for clicks alone.

        Raises:
            ValueError: A number out of range.
        """
        if half_life_days <= 0 or prior_views <= 0:
            raise ValueError(f"half_life_days={half_life_days}, prior_views={prior_views} given, want both more than 0")
        self._half_life_days = half_life_days
        self._prior_views = prior_views
        self._watch_weight = watch_weight
        self._counts = np.zeros((0, 3))
        self._day = 0
        self._scores = np.zeros(0, np.float32)

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG002 - the contract's signature
        """Return the `k` best candidates of each request."""
        return top_k(obs, self.scores(obs), k)

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate by its popularity."""
        if len(self._scores) == 0:
            raise ValueError("popular has counted nothing yet; fit it on a log or load it before ranking")
        return self._scores[obs.candidates]

    def fit(self, log: Log, seed: int) -> None:  # noqa: ARG002 - counting needs no seed
        """Count the log's views, replacing earlier counts."""
        self._counts = np.zeros((len(log.videos.duration_s), 3))
        self._day = int(log.feedback.day.max(initial=0))
        self.update(log.feedback)

    def update(self, feedback: Feedback) -> None:
        """Fade the old counts and add new ones; see `policies.base.LearningPolicy.update`."""
        last = int(feedback.day.max(initial=self._day))
        faded = self._counts * 2 ** ((self._day - last) / self._half_life_days)
        self._counts = faded + self._count(feedback, last)
        self._day = last
        self._scores = self._score()

    @property
    def counts(self) -> Float64[np.ndarray, "videos 3"]:
        """Views, clicks and watch seconds of every video, faded; see `policies.base.CountingPolicy.counts`."""
        return self._counts

    def save(self, folder: Path) -> None:
        """Write the policy to `folder`."""
        settings = {
            "half_life_days": self._half_life_days,
            "prior_views": self._prior_views,
            "watch_weight": self._watch_weight,
        }
        arrays = {"counts": self._counts, "day": np.array([self._day], np.int64)}
        write_policy(folder, Stored(_KIND, settings, arrays))

    @classmethod
    def load(cls, folder: Path) -> "PopularPolicy":
        """Read a policy from `folder`."""
        stored = read_policy(folder, _KIND)
        want_shapes(folder, stored.arrays, {"counts": (-1, 3), "day": (1,)})
        policy = rebuild(cls, folder, stored)
        policy._counts = stored.arrays["counts"]
        policy._day = int(stored.arrays["day"][0])
        policy._scores = policy._score()
        return policy

    def _count(self, feedback: Feedback, last: int) -> Float64[np.ndarray, "videos 3"]:
        """Views, clicks and watch seconds of every video, faded to day `last`."""
        weight = np.exp2((feedback.day.astype(np.float64) - last) / self._half_life_days)
        columns = [weight, weight * feedback.has(Event.CLICK), weight * feedback.watch_s]
        n = len(self._counts)
        return np.stack([np.bincount(feedback.video_id, weights=c, minlength=n) for c in columns], axis=1).astype(
            np.float64
        )

    def _score(self) -> Float32[np.ndarray, " videos"]:
        """Fused logarithms; a little is added to the means, so that a log without clicks has scores too."""
        views, clicks, watch_s = self._counts.T
        total = views.sum() + 1
        prior = self._prior_views
        click_share = (clicks + prior * (clicks.sum() + 0.1) / total) / (views + prior)
        watch_mean = (watch_s + prior * (watch_s.sum() + 0.1) / total) / (views + prior)
        return (np.log(click_share) + self._watch_weight * np.log(watch_mean)).astype(np.float32)
