"""Interface of ranking policies: the observations they get and the methods they must have.

Axes: `users` requests served together (one row per user), `n` candidates per request, `k` slate length,
`h` history length, `rows` logged views, `videos` and `people` the two catalogues.
Nothing here is latent: a policy sees what a platform would log.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol, TypeAlias, TypeVar, final, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, Int8, Int16, Int32, UInt16

from policies.events import Answer as Answer  # noqa: PLC0414 - part of the contract, though not used here
from policies.events import Event
from policies.kernel import pick

Slates: TypeAlias = Int[np.ndarray, "users k"]
"""Video ids per request, best first, without repeats in a row."""
Same = TypeVar("Same", bound="Unchanging")


class Unchanging:
    """Base of immutable bundles: a deep copy returns the bundle itself, so objects that hold it copy fast."""

    def __deepcopy__(self: Same, memo: dict[int, object]) -> Same:
        """Give the bundle itself."""
        return self


@dataclass(frozen=True)
class VideoTable(Unchanging):
    """Public features of every video; row `i` is video `i`.

    Attributes:
        duration_s: Length in seconds.
        tag: Topic, 0 to `n_tags` - 1.
        features: Public numeric features, named by `names`.
        names: One name per column of `features`.
    """

    duration_s: Float32[np.ndarray, " videos"]
    tag: Int32[np.ndarray, " videos"]
    features: Float32[np.ndarray, "videos f"]
    names: tuple[str, ...]


@dataclass(frozen=True)
class UserTable(Unchanging):
    """Public features of every user; row `i` is user `i`."""

    features: Float32[np.ndarray, "people f"]
    names: tuple[str, ...]


@dataclass(frozen=True)
class History:
    """The last `h` views of each user, oldest first, right-aligned: the newest view is in column -1.

    Attributes:
        video_id: Videos seen; 0 where `mask` is false.
        watch_s: Seconds watched.
        events: `Event` bits.
        hours_ago: Whole hours between the view and this request.
        mask: True where there is a view.
    """

    video_id: Int32[np.ndarray, "users h"]
    watch_s: Float32[np.ndarray, "users h"]
    events: UInt16[np.ndarray, "users h"]
    hours_ago: Int32[np.ndarray, "users h"]
    mask: Bool[np.ndarray, "users h"]


@runtime_checkable
class HistorySource(Protocol):
    """Source of the histories of a request's rows, gathered only when a policy reads them."""

    def __call__(self) -> History:
        """Histories of the request's rows, in their order."""
        ...


@final
@dataclass(frozen=True)
class FixedHistory:
    """A history source that always gives the same views."""

    history: History

    def __call__(self) -> History:
        """Return the history."""
        return self.history


@dataclass(frozen=True)
class Observation:
    """One feed request per user: all public inputs of a recommender, nothing latent.

    Attributes:
        user_id: Row `i` of every other field is about this user; indexes `users`.
        candidates: Video ids on offer, all different within a row; index `videos`.
        day: Days since the test began; negative before it.
        hour: Hour of day, 0 to 23.
        position: Views already made today.
        videos: The video catalogue.
        users: The user catalogue.
        read_history: Gathers `history`; call it only if you use it.
    """

    user_id: Int32[np.ndarray, " users"]
    candidates: Int32[np.ndarray, "users n"]
    day: int
    hour: Int8[np.ndarray, " users"]
    position: Int32[np.ndarray, " users"]
    videos: VideoTable
    users: UserTable
    read_history: HistorySource

    @property
    def history(self) -> History:
        """Last views of each user; gathered at each call."""
        return self.read_history()


@dataclass(frozen=True)
class Feedback:
    """Logged views in canonical order: by user, then time. One row per view that was shown.

    Attributes:
        user_id: Who watched.
        video_id: What was shown.
        day: Days since the test began; negative before it.
        hour: Hour of day.
        request: Which request of the user's day the view belongs to, from 0.
        position: Place in the slate, from 0.
        watch_s: Seconds watched.
        events: `Event` bits; read them through the properties.
        answer: See `Answer`.
    """

    user_id: Int32[np.ndarray, " rows"]
    video_id: Int32[np.ndarray, " rows"]
    day: Int16[np.ndarray, " rows"]
    hour: Int8[np.ndarray, " rows"]
    request: Int16[np.ndarray, " rows"]
    position: Int8[np.ndarray, " rows"]
    watch_s: Float32[np.ndarray, " rows"]
    events: UInt16[np.ndarray, " rows"]
    answer: Int8[np.ndarray, " rows"]

    def __len__(self) -> int:
        return len(self.user_id)

    def has(self, event: Event) -> Bool[np.ndarray, " rows"]:
        """True where the view has the event."""
        return (self.events & np.uint16(event)) != 0

    def take(self, rows: Bool[np.ndarray, " rows"] | Int[np.ndarray, " chosen"] | slice) -> "Feedback":
        """The chosen rows, in the order given."""
        return Feedback(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def concatenate(parts: "list[Feedback]") -> "Feedback":
        """Stack logs one after the other, in the order given; at least one."""
        return Feedback(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Feedback)))


@dataclass(frozen=True)
class Log:
    """Training data of a policy: logged views and the public catalogues they point into."""

    feedback: Feedback
    users: UserTable
    videos: VideoTable


@runtime_checkable
class Noise(Protocol):
    """A policy's only source of randomness, keyed to user and request."""

    def uniform(self, purpose: str, n: int) -> Float32[np.ndarray, "users n"]:
        """Numbers in [0, 1): the same purpose, user and request always give the same row."""
        ...


@runtime_checkable
class Policy(Protocol):
    """Fills a slate for each user from that user's candidates."""

    def rank(self, obs: Observation, k: int, noise: Noise) -> Slates:
        """Choose `k` candidates per user, best first, without repeats.

        Args:
            obs: The requests to serve.
            k: Slate length, at most the number of candidates.
            noise: The policy's only source of randomness, keyed to the rows of `obs`.

        Returns:
            Ids taken from `obs.candidates`, row by row.
        """
        ...


@runtime_checkable
class TrainablePolicy(Policy, Protocol):
    """A policy that is fitted on a log before the test, and can be stored."""

    def fit(self, log: Log, seed: int) -> None:
        """Learn from a log; the same log and seed give the same policy."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and settings (JSON) into a new folder."""
        ...

    @classmethod
    def load(cls, folder: Path) -> "TrainablePolicy":
        """Read a policy written by `save`; it ranks exactly like the saved one."""
        ...


@runtime_checkable
class LearningPolicy(TrainablePolicy, Protocol):
    """Policy that also learns during the test, after each round."""

    def update(self, feedback: Feedback) -> None:
        """Learn from one round's feedback of this policy's own arm."""
        ...


@runtime_checkable
class CountingPolicy(LearningPolicy, Protocol):
    """A policy whose learning is a public count, such as how often each video was watched.

    Nothing of one user in particular is learned, so a platform may count over all arms of a test where it trains each
    arm's models on its own.
    """

    @property
    def counts(self) -> Float64[np.ndarray, "videos columns"]:
        """Return the counts of every video."""
        ...


@runtime_checkable
class ScoringPolicy(Policy, Protocol):
    """A policy that shows its scores; near-ties among them may come out in any order."""

    def scores(self, obs: Observation) -> Float32[np.ndarray, "users n"]:
        """Score every candidate; the slate holds the largest."""
        ...


@runtime_checkable
class ExploringPolicy(Policy, Protocol):
    """Policy that draws its slates and knows their chances, for off-policy evaluation; a trace keeps them."""

    def rank_with_propensity(
        self, obs: Observation, k: int, noise: Noise
    ) -> tuple[Slates, Float64[np.ndarray, "users k"]]:
        """The slates of `rank`, and the log-chance of each video at its place, given those above it."""
        ...

    def choice_propensity(self, obs: Observation, slates: Slates) -> Float64[np.ndarray, "users k n"]:
        """Chances of every candidate at every place, given that the videos above it are those of `slates`."""
        ...

    def place_propensity(self, obs: Observation, slates: Slates) -> Float64[np.ndarray, "users k"]:
        """Chances of the videos of `slates` at their places, whatever is above them."""
        ...


@runtime_checkable
class ToldPropensity(Protocol):
    """Policy whose class also gives the chances of the slates it shows, for inverse propensity weighting."""

    @staticmethod
    def propensity(n: int, position: Int[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
        """Chances of the videos at some places of slates, each given the videos above it.

        Args:
            n: Candidates per request.
            position: Places, from 0.
        """
        ...


@final
class RankingError(ValueError):
    """Scores or a slate length from which no slate can be made; the message names the given and the expected value."""


def top_k(obs: Observation, scores: Float32[np.ndarray, "users n"], k: int) -> Slates:
    """The `k` best-scored candidates of each row, best first; ties go to the earlier candidate.

    Raises:
        RankingError: More candidates wanted than given, scores of another shape, or a score that is NaN.
    """
    if scores.shape != obs.candidates.shape:
        raise RankingError(f"scores of shape {scores.shape} given, want one per candidate: {obs.candidates.shape}")
    check_k(obs, k)
    if np.isnan(scores).any():
        row = int(np.flatnonzero(np.isnan(scores).any(axis=1))[0])
        raise RankingError(f"score NaN given for user {obs.user_id[row]}, want numbers; mend the ranker's scores")
    slates = np.empty((len(scores), k), np.int32)
    pick(np.ascontiguousarray(obs.candidates, np.int32), np.ascontiguousarray(scores, np.float32), slates)
    return slates


def check_k(obs: Observation, k: int) -> None:
    """Refuse slates that are longer than the candidates last.

    Raises:
        RankingError: More candidates wanted than given.
    """
    n = obs.candidates.shape[1]
    if k > n:
        raise RankingError(f"slate of k={k} asked for, but only n={n} candidates given")
