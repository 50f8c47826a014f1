"""Base of rankers that explore: another ranker's scores, with chance added at serving time."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float32, Float64

from policies.base import (
    Feedback,
    LearningPolicy,
    Log,
    Noise,
    Observation,
    RankingError,
    ScoringPolicy,
    Slates,
    TrainablePolicy,
    check_k,
)
from policies.registry import build_policy
from policies.storage import Stored, write_policy

RANKER: Final = "ranker"
"""Folder of the ranker inside that of the explorer."""


class Explorer(ABC):
    """Serves slates drawn around the scores of a ranker, which it fits, updates and saves."""

    kind: str
    update: Callable[[Feedback], None]
    """Only where the ranker learns during the test; see `policies.base.LearningPolicy`."""

    def __init__(self, ranker: str, options: Mapping[str, Any] | None) -> None:
        """Build the ranker.

        Raises:
            ValueError: No such policy, options that it refuses, or one without scores.
        """
        inner = build_policy(ranker, options or {})
        if not isinstance(inner, ScoringPolicy):
            raise ValueError(f"ranker={ranker!r} given, want a policy that has scores(obs); random slates have none")
        self._names = {"ranker": ranker, "options": dict(options or {})}
        self._take(inner)

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:
        """Draw the slate of each request."""
        return self._draw(obs, self.scores(obs), k, noise)

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate with the ranker.

        Raises:
            RankingError: Scores of another shape, or one that is not finite.
        """
        scores = np.ascontiguousarray(self._ranker.scores(obs), np.float32)
        if scores.shape != obs.candidates.shape or not np.isfinite(scores).all():
            raise RankingError(
                f"{type(self._ranker).__name__}: scores of shape {scores.shape} given, want one finite number per "
                f"candidate, {obs.candidates.shape}; mend the ranker's scores"
            )
        return scores

    def rank_with_propensity(
        self, obs: Observation, k: int, noise: Noise
    ) -> tuple[Slates, Float64[np.ndarray, "users k"]]:
        """See `policies.base.ExploringPolicy`."""
        scores = self.scores(obs)
        slates = self._draw(obs, scores, k, noise)
        return slates, self._log_chances(_candidates(obs), scores, slates)

    def choice_propensity(self, obs: Observation, slates: Slates) -> Float64[np.ndarray, "users k n"]:
        """See `policies.base.ExploringPolicy`."""
        return self._choices(_candidates(obs), self.scores(obs), np.ascontiguousarray(slates, np.int32))

    def place_propensity(self, obs: Observation, slates: Slates) -> Float64[np.ndarray, "users k"]:
        """See `policies.base.ExploringPolicy`."""
        return self._places(_candidates(obs), self.scores(obs), np.ascontiguousarray(slates, np.int32))

    def fit(self, log: Log, seed: int) -> None:
        """Fit the ranker to a log."""
        if isinstance(self._ranker, TrainablePolicy):
            self._ranker.fit(log, seed)

    def save(self, folder: Path) -> None:
        """Write the settings to `folder` and the ranker to a folder inside it."""
        write_policy(folder, Stored(self.kind, self._names | self._settings(), {"none": np.zeros(0, np.int8)}))
        if isinstance(self._ranker, TrainablePolicy):
            self._ranker.save(folder / RANKER)

    def _load_ranker(self, folder: Path) -> None:
        """Read the ranker that `save` wrote."""
        if isinstance(self._ranker, TrainablePolicy):
            loaded = type(self._ranker).load(folder / RANKER)
            if isinstance(loaded, ScoringPolicy):
                self._take(loaded)

    def _take(self, ranker: ScoringPolicy) -> None:
        """Set the ranker; `update` is there only if it learns."""
        self._ranker = ranker
        if isinstance(ranker, LearningPolicy):
            self.update = ranker.update

    def _draw(self, obs: Observation, scores: Float32[np.ndarray, "users n"], k: int, noise: Noise) -> Slates:
        """Draw slates around scores."""
        check_k(obs, k)
        slates = np.empty((len(scores), k), np.int32)
        self._fill(_candidates(obs), scores, noise, slates)
        return slates

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """Own arguments of the constructor."""

    @abstractmethod
    def _fill(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], noise: Noise, slates: Slates
    ) -> None:
        """Write slates drawn around scores."""

    @abstractmethod
    def _log_chances(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], slates: Slates
    ) -> Float64[np.ndarray, "users k"]:
        """Log-chances of the videos of slates, given those above."""

    @abstractmethod
    def _choices(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], slates: Slates
    ) -> Float64[np.ndarray, "users k n"]:
        """Chances of all candidates at each place of slates, given those above."""

    @abstractmethod
    def _places(
        self, candidates: np.ndarray, scores: Float32[np.ndarray, "users n"], slates: Slates
    ) -> Float64[np.ndarray, "users k"]:
        """Chances of the videos of slates at their places, whatever is above."""


def _candidates(obs: Observation) -> np.ndarray:
    """Candidates as kernels read them."""
    return np.ascontiguousarray(obs.candidates, np.int32)
