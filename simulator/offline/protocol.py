r"""Leave one out, as SAQRec states its protocol, on a true 5-core.

After Ke et al., "SAQRec", CIKM 2024, https://doi.org/10.1145/3627673.3679643: each user's last clicked video is the
test, the one before it validation, and the test is ranked among 99 videos that the user never met. If paper and
authors' code differ, the paper is followed: users and videos with fewer than five clicks are removed repeatedly until
none is left (the code stops early and exempts some), and the 99 are all different (the code's may repeat).

Departures: a policy is trained on all views of the kept users and videos, skipped ones too, before the validation
click; later views are neither training data nor history. A video that is clicked repeatedly counts once, at its first
click. Nothing is tuned on the validation click.

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
"""Users times videos per batch of draws."""


@final
@dataclass(frozen=True)
class ProtocolRules:
    """The protocol's numbers.

    Attributes:
        core: Smallest number of clicks of a kept user or video; at least 3, for a test, a validation and a history.
        negatives: Number of videos that the test is ranked among.
        max_users: Maximum number of users, drawn at random; None for all.
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
        name: Name of the data.
        rules: The protocol's numbers.
        train: Training log.
        tests: Held-out clicks.
        met_user: Users of the full history, ascending; pairs with `met_video` are no negatives.
        met_video: Videos of the full history.
        satisfaction: True satisfaction by the new numbers.
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
        OfflineError: The core is empty, or a user has met so many videos that there are too few negatives.
    """
    feedback = _sample_users(dataset.log.feedback, rules.max_users)
    first = first_clicks(feedback)
    core_rows = first[core(feedback.user_id[first], feedback.video_id[first], rules.core)]
    if len(core_rows) == 0:
        raise OfflineError(
            f"{dataset.name}: no user and video with {rules.core} clicks each among {len(first):,} clicks; give more"
        )
    users, videos = np.unique(feedback.user_id[core_rows]), np.unique(feedback.video_id[core_rows])
    in_core = np.isin(feedback.user_id, users) & np.isin(feedback.video_id, videos)
    test, validation = last_two(feedback.user_id[core_rows], core_rows)
    is_training = in_core & (np.arange(len(feedback)) < _by_user(feedback, users, validation))
    met_pairs = np.unique(
        np.stack([_new_ids(feedback, in_core, users, "user_id"), _new_ids(feedback, in_core, videos, "video_id")]),
        axis=1,
    )
    _check_enough_videos(dataset.name, np.bincount(met_pairs[0]), len(videos), rules.negatives)
    return Task(
        dataset.name, rules, Log(_renumber(feedback, is_training, users, videos), *_tables(dataset.log, users, videos)),
        Tests(
            np.searchsorted(videos, feedback.video_id[test]).astype(np.int32),
            feedback.day[test], feedback.hour[test], _views_before(feedback)[test],
        ),
        met_pairs[0], met_pairs[1], _renumbered_truth(dataset.satisfaction, users, videos),
    )  # fmt: skip


def first_clicks(feedback: Feedback) -> Int64[np.ndarray, " pairs"]:
    """Rows of the first click of each user on each video, in the log's order."""
    clicks = np.flatnonzero(feedback.has(Event.CLICK))
    pairs = np.stack([feedback.user_id[clicks], feedback.video_id[clicks]])
    return np.sort(clicks[np.unique(pairs, axis=1, return_index=True)[1]])


def core(user: Int[np.ndarray, " pairs"], video: Int[np.ndarray, " pairs"], k: int) -> Bool[np.ndarray, " pairs"]:
    """Find the largest set of pairs in which every user and every video occurs at least `k` times.

    >>> core(np.array([0, 0, 1, 1, 2]), np.array([7, 8, 7, 8, 8]), 2)
    array([ True,  True,  True,  True, False])
    """
    is_kept = np.ones(len(user), bool)
    while True:
        is_frequent = [
            np.bincount(ids[is_kept], minlength=int(ids.max(initial=0)) + 1)[ids] >= k for ids in (user, video)
        ]
        still_kept = is_kept & is_frequent[0] & is_frequent[1]
        if still_kept.sum() == is_kept.sum():
            return is_kept
        is_kept = still_kept


def last_two(
    user: Int[np.ndarray, " pairs"], row: Int64[np.ndarray, " pairs"]
) -> tuple[Int64[np.ndarray, " users"], Int64[np.ndarray, " users"]]:
    """Rows of each user's last and last but one pair; users in ascending order."""
    end = np.flatnonzero(np.append(np.diff(user) != 0, True))
    return row[end], row[end - 1]


def draw_candidates(task: Task, seed: int) -> Int32[np.ndarray, "users n"]:
    """Draw each user's candidates: the test and videos that are new to the user, in random order."""
    rng = np.random.default_rng([seed, 0x0FF])
    negatives = list(_draw_negatives(task, rng))
    candidates = np.concatenate([task.tests.video_id[:, None], np.concatenate(negatives)], axis=1)
    return rng.permuted(candidates, axis=1).astype(np.int32)


def _draw_negatives(task: Task, rng: np.random.Generator) -> Iterator[Int64[np.ndarray, "some negatives"]]:
    """Draw negatives uniformly without replacement, in batches of users."""
    n_users, n_videos, n = len(task.tests.video_id), len(task.train.videos.duration_s), task.rules.negatives
    step = max(1, _CELLS // n_videos)
    for start in range(0, n_users, step):
        draws = rng.random((min(step, n_users - start), n_videos), np.float32)
        met_range = slice(*np.searchsorted(task.met_user, [start, start + step]))
        draws[task.met_user[met_range] - start, task.met_video[met_range]] = 2
        yield np.argpartition(draws, n - 1, axis=1)[:, :n]


def _sample_users(feedback: Feedback, max_users: int | None) -> Feedback:
    """Sample users, with a fixed seed, and take their views."""
    users = np.unique(feedback.user_id)
    if max_users is None or len(users) <= max_users:
        return feedback
    sampled_users = np.random.default_rng(0).permutation(users)[:max_users]
    return feedback.take(np.isin(feedback.user_id, sampled_users))


def _by_user(
    feedback: Feedback, users: Int[np.ndarray, " users"], of_user: Int64[np.ndarray, " users"]
) -> Int64[np.ndarray, " rows"]:
    """Expand a number per core user to rows; rows of other users get any number."""
    return of_user[np.searchsorted(users, feedback.user_id).clip(max=len(users) - 1)]


def _new_ids(
    feedback: Feedback, rows: Bool[np.ndarray, " rows"], ids: Int[np.ndarray, " ids"], name: str
) -> Int64[np.ndarray, " some"]:
    """New numbers of the users or videos of the given rows."""
    return np.searchsorted(ids, getattr(feedback, name)[rows]).astype(np.int64)


def _renumber(
    feedback: Feedback,
    rows: Bool[np.ndarray, " rows"],
    users: Int[np.ndarray, " users"],
    videos: Int[np.ndarray, " videos"],
) -> Feedback:
    """Select rows and renumber their users and videos."""
    user_id, video_id = _new_ids(feedback, rows, users, "user_id"), _new_ids(feedback, rows, videos, "video_id")
    return replace(feedback.take(rows), user_id=user_id.astype(np.int32), video_id=video_id.astype(np.int32))


def _tables(
    log: Log, users: Int[np.ndarray, " users"], videos: Int[np.ndarray, " videos"]
) -> tuple[UserTable, VideoTable]:
    """Public tables of the core."""
    table = log.videos
    videos_of_core = VideoTable(table.duration_s[videos], table.tag[videos], table.features[videos], table.names)
    return UserTable(log.users.features[users], log.users.names), videos_of_core


def _views_before(feedback: Feedback) -> Int32[np.ndarray, " rows"]:
    """Count the user's earlier views of the day, for each view."""
    new_day = np.append(True, (np.diff(feedback.user_id) != 0) | (np.diff(feedback.day) != 0))
    row = np.arange(len(feedback))
    return (row - np.maximum.accumulate(np.where(new_day, row, 0))).astype(np.int32)


def _renumbered_truth(
    satisfaction: Value | None, users: Int[np.ndarray, " users"], videos: Int[np.ndarray, " videos"]
) -> Value | None:
    """True satisfaction by the new numbers."""
    if satisfaction is None:
        return None
    return lambda user_id, candidates: satisfaction(users[user_id], videos[candidates])


def _check_enough_videos(name: str, n_met: Int[np.ndarray, " users"], n_videos: int, negatives: int) -> None:
    """Check that there are enough negatives for every user."""
    if (n_new_videos := n_videos - int(n_met.max())) < negatives:
        raise OfflineError(
            f"{name}: a user has met all but {n_new_videos} of {n_videos} kept videos, "
            f"want {negatives} others; give more data"
        )
