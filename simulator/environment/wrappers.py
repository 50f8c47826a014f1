"""Wrappers of `askew/Feed-v0`: actions that are one video, a slate or weights; flat observations; a cost.

For normalised rewards and observations, frame stacks, time limits and recordings, put Gymnasium's own wrappers around
these.

Axes: `n` candidates, `k` slate length, `f` numbers of a request, `p` of a candidate.
"""

from typing import Any, Final, TypeAlias, final

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs
from jaxtyping import Float32, Int64
from typing_extensions import override

from policies.agents.flat_observation import numbers_of
from policies.base import Event, Observation
from simulator.environment.env import FeedEnv

Feed: TypeAlias = gymnasium.Env[Any, Any]
BOUND: Final = 1e4
"""Bound of observations; no number of a request comes near it."""


def feed_of(env: Feed) -> FeedEnv:
    """Return the feed environment under any wrappers.

    Raises:
        TypeError: The environment is not a feed.
    """
    inner = env.unwrapped
    if not isinstance(inner, FeedEnv):
        raise TypeError(f"{type(inner).__name__} given, want askew/Feed-v0, wrapped or not")
    return inner


def offer_of(env: Feed) -> Observation:
    """The request that waits for a slate."""
    return feed_of(env).offer


@final
class SingleVideo(gymnasium.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """`Discrete`: the action is which candidate to show; for environments with `slate_size=1`."""

    def __init__(self, env: Feed) -> None:
        """Wrap.

        Raises:
            ValueError: The environment shows more than one video per request.
        """
        RecordConstructorArgs.__init__(self)
        gymnasium.ActionWrapper.__init__(self, env)
        settings = feed_of(env).settings
        if settings.slate_size != 1:
            raise ValueError(f"slate_size: {settings.slate_size} given, want 1; for longer slates use SlateOfVideos")
        self._n = settings.n_candidates
        self.action_space = spaces.Discrete(self._n)

    @override
    def action(self, action: int | np.integer | np.ndarray) -> Float32[np.ndarray, " n"]:
        """Return scores that rank the chosen candidate first.

        Raises:
            ValueError: There is no candidate of that index.
        """
        index = np.asarray(action)
        if index.shape != () or not np.issubdtype(index.dtype, np.integer) or not 0 <= index < self._n:
            raise ValueError(f"action: candidate {action!r} given, want a whole number from 0 to {self._n - 1}")
        return slate_scores(index[None], self._n)


@final
class SlateOfVideos(gymnasium.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """`MultiDiscrete`: the action is the slate, as indices of candidates, best first.

    If an index is given twice, `repeats="refuse"` raises; `"mask"` keeps the first and fills up with the earliest
    candidates that the action does not name.
    """

    def __init__(self, env: Feed, repeats: str = "refuse") -> None:
        """Wrap."""
        RecordConstructorArgs.__init__(self, repeats=repeats)
        gymnasium.ActionWrapper.__init__(self, env)
        if repeats not in ("refuse", "mask"):
            raise ValueError(f"repeats: {repeats!r} given, want 'refuse' or 'mask'")
        settings = feed_of(env).settings
        self._n, self._refuse = settings.n_candidates, repeats == "refuse"
        self.action_space = spaces.MultiDiscrete([self._n] * settings.slate_size)

    @override
    def action(self, action: Int64[np.ndarray, " k"]) -> Float32[np.ndarray, " n"]:
        """Return scores that rank the chosen slate first.

        Raises:
            ValueError: An index is given twice and repeats are refused, or there is no candidate of that index.
        """
        slate = np.asarray(action)
        has_right_type = slate.shape == self.action_space.shape and np.issubdtype(slate.dtype, np.integer)
        if not has_right_type or ((slate < 0) | (slate >= self._n)).any():
            raise ValueError(
                f"action: slate {slate.tolist()} given, want {self.action_space.shape} places from 0 to {self._n - 1}"
            )
        if self._refuse and len(np.unique(slate)) < len(slate):
            raise ValueError(
                f"action: slate {slate.tolist()} repeats a video, want different ones; or wrap with repeats='mask'"
            )
        return slate_scores(slate, self._n)


@final
class CandidateWeights(gymnasium.ActionWrapper[Any, Any, Any], RecordConstructorArgs):
    """The action is a weight per number of a candidate (`Numbers.candidates`); scores are inner products.

    This is a handful of numbers instead of a score per candidate, which small agents learn in minutes.
    """

    def __init__(self, env: Feed) -> None:
        """Wrap."""
        RecordConstructorArgs.__init__(self)
        gymnasium.ActionWrapper.__init__(self, env)
        n_numbers = numbers_of(feed_of(env).example_observation).candidates.shape[2]
        self.action_space = spaces.Box(-1, 1, (n_numbers,), np.float32)

    @override
    def action(self, action: Float32[np.ndarray, " p"]) -> Float32[np.ndarray, " n"]:
        """Compute the inner products."""
        return numbers_of(offer_of(self.env)).candidates[0] @ np.asarray(action, np.float32)


@final
class FlatNumbers(gymnasium.ObservationWrapper[Any, Any, Any], RecordConstructorArgs):
    """The observation as one vector: `Numbers.flat`, which an agent's policy reads in an A/B test too."""

    def __init__(self, env: Feed) -> None:
        """Wrap."""
        RecordConstructorArgs.__init__(self)
        gymnasium.ObservationWrapper.__init__(self, env)
        n_numbers = numbers_of(feed_of(env).example_observation).flat.shape[1]
        self.observation_space = spaces.Box(-BOUND, BOUND, (n_numbers,), np.float32)

    @override
    def observation(self, observation: Any) -> Float32[np.ndarray, " f"]:
        """Encode the waiting request; the wrapped environment's observation is not used."""
        return numbers_of(offer_of(self.env)).flat[0]


@final
class HateCost(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Adds `info["cost"]`, the number of hates in the slate, for constrained methods (Ray et al., Safety Gym, 2019)."""

    def __init__(self, env: Feed) -> None:
        """Wrap."""
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)

    @override
    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the wrapped environment and add the cost to `info`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        hates = float(((info["events"] & np.uint16(Event.HATE)) > 0).sum())
        return observation, reward, terminated, truncated, info | {"cost": hates}


def slate_scores(slate: Int64[np.ndarray, " k"], n: int) -> Float32[np.ndarray, " n"]:
    """Return scores in [-1, 1] that rank the given indices first, in that order, then the earliest other candidates."""
    scores = np.full(n, -1, np.float32)
    position_scores = 1 - np.arange(len(slate), dtype=np.float32) / len(slate)
    scores[slate[::-1]] = position_scores[::-1]  # of a repeat the first, and best, stays
    return scores
