r"""Leave one out, as SAQRec states its protocol, on a true 5-core.

After Ke et al., "SAQRec", CIKM 2024, https://doi.org/10.1145/3627673.3679643: of every user the last clicked video is
the test, the one before it validation, and the test is ranked among 99 videos that the user never met. Where paper
and authors' code differ, the paper is followed: users and videos with fewer than five clicks are left out again and
again until none is left (the code stops early and exempts some), and the 99 are all different (the code's may repeat).

Departures: a policy learns from everything that the log shows of the kept users and videos, skipped views too, up to
the validation click; nothing from there on is learned from or shown. The video of a repeated click counts once, at its
first click. Nothing is tuned on the validation click.

Axes: `rows` logged views, `pairs` first clicks, `users` kept users, `n` candidates.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Int, Int8, Int16, Int32, Int64

from policies.base import Event, Feedback, Log, UserTable, VideoTable
from policies.simple.oracle import Value
from simulator.errors import OfflineError
from simulator.offline.dataset import Dataset

_CELLS: Final = 8_000_000
"""Users times videos that are drawn for at a time."""


@final
@dataclass(frozen=True)
class ProtocolRules:
    """The protocol's numbers.

    Attributes:
        core: Fewest clicks of a user or a video that is kept; at least 3, for a test, a validation and a past.
        negatives: Videos beside the test.
        max_users: Users looked at, drawn at random; None for all.
    """

    core: int = 5
    negatives: int = 99
    max_users: int | None = None

    def __post_init__(self) -> None:
        if self.core < 3 or self.negatives < 1 or (self.max_users is not None and self.max_users < 1):
            raise OfflineError(f"{self} given, want core of 3 or more, and at least one negative and user")


@final
@dataclass(frozen=True)
class Tests:
    """Held-out last click of each user and its time; row `i` is user `i`."""

    video_id: Int32[np.ndarray, " users"]
    day: Int16[np.ndarray, " users"]
    hour: Int8[np.ndarray, " users"]
    position: Int32[np.ndarray, " users"]


@final
@dataclass(frozen=True)
class Task:
    """Training log and held-out clicks; users and videos are renumbered.

    Attributes:
        name: The data's name.
        rules: The protocol's numbers.
        train: What policies learn from.
        tests: What they are asked.
        met_user: Users of the full history, ascending; with `met_video` pairs that are no negatives.
        met_video: Videos of the full history.
        satisfaction: True satisfaction under the new numbers.
    """

    name: str
    rules: ProtocolRules
    train: Log
    tests: Tests
    met_user: Int64[np.ndarray, " met"]
    met_video: Int64[np.ndarray, " met"]
    satisfaction: Value | None


def make_task(dataset: Dataset, rules: ProtocolRules) -> Task:
    """Select the core, cut each user's log, and renumber users and videos.

    Raises:
        OfflineError: Nothing is left, or a user has met so many videos that too few are left to compare with.
    """
    feedback = _fewer(dataset.log.feedback, rules.max_users)
    first = first_clicks(feedback)
    kept = first[core(feedback.user_id[first], feedback.video_id[first], rules.core)]
    if len(kept) == 0:
        raise OfflineError(
            f"{dataset.name}: no user and video with {rules.core} clicks each among {len(first):,} clicks; give more"
        )
    users, videos = np.unique(feedback.user_id[kept]), np.unique(feedback.video_id[kept])
    inside = np.isin(feedback.user_id, users) & np.isin(feedback.video_id, videos)
    test, validation = last_two(feedback.user_id[kept], kept)
    seen = inside & (np.arange(len(feedback)) < _by_user(feedback, users, validation))
    met = np.unique(
        np.stack([_places(feedback, inside, users, "user_id"), _places(feedback, inside, videos, "video_id")]), axis=1
    )
    _check_room(dataset.name, np.bincount(met[0]), len(videos), rules.negatives)
    return Task(
        dataset.name, rules, Log(_renumber(feedback, seen, users, videos), *_tables(dataset.log, users, videos)),
        Tests(
            np.searchsorted(videos, feedback.video_id[test]).astype(np.int32),
            feedback.day[test], feedback.hour[test], _views_before(feedback)[test],
        ),
        met[0], met[1], _renamed(dataset.satisfaction, users, videos),
    )  # fmt: skip


def first_clicks(feedback: Feedback) -> Int64[np.ndarray, " pairs"]:
    """Rows of the first click of each user on each video, in the log's order."""
    clicks = np.flatnonzero(feedback.has(Event.CLICK))
    pairs = np.stack([feedback.user_id[clicks], feedback.video_id[clicks]])
    return np.sort(clicks[np.unique(pairs, axis=1, return_index=True)[1]])


def core(user: Int[np.ndarray, " pairs"], video: Int[np.ndarray, " pairs"], k: int) -> Bool[np.ndarray, " pairs"]:
    """The largest set of pairs in which every user and every video occurs `k` times or more.

    >>> core(np.array([0, 0, 1, 1, 2]), np.array([7, 8, 7, 8, 8]), 2)
    array([ True,  True,  True,  True, False])
    """
    kept = np.ones(len(user), bool)
    while True:
        often = [np.bincount(ids[kept], minlength=int(ids.max(initial=0)) + 1)[ids] >= k for ids in (user, video)]
        left = kept & often[0] & often[1]
        if left.sum() == kept.sum():
            return kept
        kept = left


def last_two(
    user: Int[np.ndarray, " pairs"], row: Int64[np.ndarray, " pairs"]
) -> tuple[Int64[np.ndarray, " users"], Int64[np.ndarray, " users"]]:
    """Rows of each user's last and last but one pair; users in ascending order."""
    end = np.flatnonzero(np.append(np.diff(user) != 0, True))
    return row[end], row[end - 1]


def draw_candidates(task: Task, seed: int) -> Int32[np.ndarray, "users n"]:
    """Draw each user's test and as many videos new to the user, in an order that carries no information."""
    rng = np.random.default_rng([seed, 0x0FF])
    parts = list(_drawn(task, rng))
    candidates = np.concatenate([task.tests.video_id[:, None], np.concatenate(parts)], axis=1)
    return rng.permuted(candidates, axis=1).astype(np.int32)


def _drawn(task: Task, rng: np.random.Generator) -> Iterator[Int64[np.ndarray, "some negatives"]]:
    """Uniform draws without replacement, for some users at a time."""
    n_users, n_videos, n = len(task.tests.video_id), len(task.train.videos.duration_s), task.rules.negatives
    step = max(1, _CELLS // n_videos)
    for begin in range(0, n_users, step):
        luck = rng.random((min(step, n_users - begin), n_videos), np.float32)
        here = slice(*np.searchsorted(task.met_user, [begin, begin + step]))
        luck[task.met_user[here] - begin, task.met_video[here]] = 2
        yield np.argpartition(luck, n - 1, axis=1)[:, :n]


def _fewer(feedback: Feedback, max_users: int | None) -> Feedback:
    """The views of some users, the same ones every time."""
    users = np.unique(feedback.user_id)
    if max_users is None or len(users) <= max_users:
        return feedback
    chosen = np.random.default_rng(0).permutation(users)[:max_users]
    return feedback.take(np.isin(feedback.user_id, chosen))


def _by_user(
    feedback: Feedback, users: Int[np.ndarray, " users"], of_user: Int64[np.ndarray, " users"]
) -> Int64[np.ndarray, " rows"]:
    """Return one number per core user and row; any number for the others."""
    return of_user[np.searchsorted(users, feedback.user_id).clip(max=len(users) - 1)]


def _places(
    feedback: Feedback, rows: Bool[np.ndarray, " rows"], ids: Int[np.ndarray, " ids"], name: str
) -> Int64[np.ndarray, " some"]:
    """New numbers of the users or videos of some rows."""
    return np.searchsorted(ids, getattr(feedback, name)[rows]).astype(np.int64)


def _renumber(
    feedback: Feedback,
    rows: Bool[np.ndarray, " rows"],
    users: Int[np.ndarray, " users"],
    videos: Int[np.ndarray, " videos"],
) -> Feedback:
    """Some rows under new numbers."""
    user_id, video_id = _places(feedback, rows, users, "user_id"), _places(feedback, rows, videos, "video_id")
    return replace(feedback.take(rows), user_id=user_id.astype(np.int32), video_id=video_id.astype(np.int32))


def _tables(
    log: Log, users: Int[np.ndarray, " users"], videos: Int[np.ndarray, " videos"]
) -> tuple[UserTable, VideoTable]:
    """Return the public tables of the core."""
    table = log.videos
    kept = VideoTable(table.duration_s[videos], table.tag[videos], table.features[videos], table.names)
    return UserTable(log.users.features[users], log.users.names), kept


def _views_before(feedback: Feedback) -> Int32[np.ndarray, " rows"]:
    """Views that the user made on the same day before each view."""
    opens = np.append(True, (np.diff(feedback.user_id) != 0) | (np.diff(feedback.day) != 0))
    row = np.arange(len(feedback))
    return (row - np.maximum.accumulate(np.where(opens, row, 0))).astype(np.int32)


def _renamed(
    satisfaction: Value | None, users: Int[np.ndarray, " users"], videos: Int[np.ndarray, " videos"]
) -> Value | None:
    """The truth under new numbers."""
    if satisfaction is None:
        return None
    return lambda user_id, candidates: satisfaction(users[user_id], videos[candidates])


def _check_room(name: str, n_met: Int[np.ndarray, " users"], n_videos: int, negatives: int) -> None:
    """Refuse a catalogue that is too small for a user."""
    if (left := n_videos - int(n_met.max())) < negatives:
        raise OfflineError(
            f"{name}: a user has met all but {left} of {n_videos} kept videos, want {negatives} others; give more data"
        )
