"""Features of a request with each candidate, for reward models.

Axes: `users` requests, `n` candidates, `d` features, `videos` and `people` the catalogues.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float32

from policies.base import Observation, Policy, ScoringPolicy, UserTable, VideoTable


@final
@dataclass(frozen=True)
class FeatureMap:
    """Public features, each with mean 0 and variance 1 over its catalogue.

    Attributes:
        videos: Features and log duration of every video.
        people: Features of every user.
        scorers: Policies whose scores are features as well.
    """

    videos: Float32[np.ndarray, "videos f"]
    people: Float32[np.ndarray, "people g"]
    scorers: tuple[ScoringPolicy, ...]

    @staticmethod
    def build(videos: VideoTable, users: UserTable, policies: tuple[Policy, ...]) -> "FeatureMap":
        """Of the catalogues, and of those policies that have scores."""
        columns = np.concatenate([videos.features, np.log1p(videos.duration_s)[:, None]], axis=1)
        scorers = tuple(policy for policy in policies if isinstance(policy, ScoringPolicy))
        return FeatureMap(_standard(columns), _standard(users.features), scorers)

    def of(self, obs: Observation) -> Float32[np.ndarray, "users n d"]:
        """1, scores, the video's features and the user's, for each candidate."""
        shape = obs.candidates.shape
        scores = [policy.scores(obs)[:, :, None] for policy in self.scorers]
        mine = np.broadcast_to(self.people[obs.user_id][:, None, :], (*shape, self.people.shape[1]))
        parts = [np.ones((*shape, 1), np.float32), *scores, self.videos[obs.candidates], mine]
        return np.concatenate(parts, axis=2).astype(np.float32)


def _standard(columns: Float32[np.ndarray, "rows f"]) -> Float32[np.ndarray, "rows f"]:
    """Columns with mean 0 and variance 1; constant ones are 0."""
    wide = columns.astype(np.float64)
    return ((wide - wide.mean(axis=0)) / np.maximum(wide.std(axis=0), 1e-9)).astype(np.float32)
