"""A ranking policy in its own package: popular videos, topics just seen last."""

from pathlib import Path

import numpy as np

from policies.base import Event, Log, Noise, Observation, Slates, top_k
from policies.storage import Stored, read_policy, rebuild, want_shapes, write_policy


class FreshTopics:
    """Rank by click rate; a video whose topic is among the user's last views loses some of it."""

    def __init__(self, patience: int = 5, penalty: float = 0.5) -> None:
        """Begin without counts.

        Args:
            patience: Latest views that are looked at.
            penalty: Share of the click rate that a topic just seen loses.
        """
        self.patience = patience
        self.penalty = penalty
        self.rate: np.ndarray | None = None

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:  # noqa: ARG002 - it draws nothing
        """See `policies.base.Policy.rank`."""
        if self.rate is None:
            raise ValueError("fresh is not fitted yet; call fit or load first")
        history = obs.history
        recent = obs.videos.tag[history.video_id[:, -self.patience :]]
        recent = np.where(history.mask[:, -self.patience :], recent, -1)
        stale = (obs.videos.tag[obs.candidates][:, :, None] == recent[:, None, :]).any(axis=2)
        scores = self.rate[obs.candidates] * np.where(stale, 1 - self.penalty, 1.0)
        return top_k(obs, scores.astype(np.float32), k)

    def fit(self, log: Log, seed: int) -> None:  # noqa: ARG002 - it counts
        """See `policies.base.TrainablePolicy.fit`."""
        n_videos = len(log.videos.duration_s)
        views = np.bincount(log.feedback.video_id, minlength=n_videos)
        clicks = np.bincount(log.feedback.video_id[log.feedback.has(Event.CLICK)], minlength=n_videos)
        self.rate = (clicks + 1) / (views + 4)

    def save(self, folder: Path) -> None:
        """See `policies.base.TrainablePolicy.save`."""
        settings = {"patience": self.patience, "penalty": self.penalty}
        write_policy(folder, Stored("fresh", settings, {"rate": np.asarray(self.rate)}))

    @classmethod
    def load(cls, folder: Path) -> "FreshTopics":
        """See `policies.base.TrainablePolicy.load`."""
        stored = read_policy(folder, "fresh")
        want_shapes(folder, stored.arrays, {"rate": (-1,)})
        policy = rebuild(cls, folder, stored)
        policy.rate = stored.arrays["rate"]
        return policy
