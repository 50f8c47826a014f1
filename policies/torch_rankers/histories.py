"""Histories as tensors for torch rankers, and the sub-sequences of behaviours that are cut out of them.

Axes: `b` requests, `h` history length, `m` length of a sub-sequence, `f` user features.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, Literal, TypeAlias, final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from policies.base import Event, History, Observation
from policies.kernel import fill_grades

_WATCH_S: Final = torch.tensor([1.0, 3.0, 7.0, 18.0, 40.0, 90.0, 180.0])
_AGE_H: Final = torch.tensor([1, 3, 6, 12, 24, 48, 72, 168])
N_WATCHES: Final = len(_WATCH_S) + 1
"""Buckets of watch time; the edges include those of skips, clicks and long views."""
N_AGES: Final = len(_AGE_H) + 1
"""Buckets of hours ago, from less than one to a week and more."""

Answers: TypeAlias = Literal["questionnaire", "behaviour", "both"]
"""What tells that a view satisfied: answers; likes and hates, SAQRec's stand-in for them (see `chosen`); or both."""


class Behaviour(StrEnum):
    """Behaviour of a user towards a video; names the sub-sequences that rankers read."""

    CLICKED = "clicked"
    UNCLICKED = "unclicked"
    SKIPPED = "skipped"
    LIKED = "liked"
    HATED = "hated"
    SATISFIED = "satisfied"
    DISSATISFIED = "dissatisfied"


@final
@dataclass(frozen=True)
class ViewSequence:
    """Views of some users, oldest first, right-aligned: the newest is in column -1. All is 0 where `mask` is false.

    Attributes:
        video_id: Videos seen.
        grade: How it went, from hated to liked, see `policies.kernel.grade`.
        events: `Event` bits.
        watch_s: Seconds watched.
        hours_ago: Whole hours between the view and the request.
        mask: True where there is a view.
    """

    video_id: Int64[Tensor, "b h"]
    grade: Int64[Tensor, "b h"]
    events: Int64[Tensor, "b h"]
    watch_s: Float32[Tensor, "b h"]
    hours_ago: Int64[Tensor, "b h"]
    mask: Bool[Tensor, "b h"]

    @property
    def watch(self) -> Int64[Tensor, "b h"]:
        """Bucket of watch time, 0 to `N_WATCHES` - 1."""
        return torch.bucketize(self.watch_s.contiguous(), _WATCH_S, right=True)

    @property
    def age(self) -> Int64[Tensor, "b h"]:
        """Bucket of hours ago, 0 to `N_AGES` - 1."""
        return torch.bucketize(self.hours_ago.contiguous(), _AGE_H, right=True)

    def has(self, event: Event) -> Bool[Tensor, "b h"]:
        """True where there is a view with one of these events."""
        return (self.events & int(event)) != 0


@final
@dataclass(frozen=True)
class RequestBatch:
    """Feed requests as a ranker's module reads them, in training and in serving.

    Attributes:
        views: The mixed history of each user before the request.
        user_id: Who asks.
        features: Public features of that user, as given.
        hour: Hour of day.
        position: Views already made that day.
    """

    views: ViewSequence
    user_id: Int64[Tensor, " b"]
    features: Float32[Tensor, "b f"]
    hour: Int64[Tensor, " b"]
    position: Int64[Tensor, " b"]

    def __len__(self) -> int:
        return len(self.user_id)


def read_views(history: History, h: int) -> ViewSequence:
    """The newest `h` views as tensors of exactly `h` columns, padded on the left where the history has fewer."""
    lack = max(0, h - history.mask.shape[1])
    video_id, watch_s, events, hours_ago, mask = (
        np.ascontiguousarray(np.pad(array[:, -h:], ((0, 0), (lack, 0))))
        for array in (history.video_id, history.watch_s, history.events, history.hours_ago, history.mask)
    )
    grade = np.empty(mask.size, np.int64)
    fill_grades(watch_s.ravel(), events.ravel(), grade)
    return ViewSequence(
        video_id=torch.from_numpy(video_id.astype(np.int64)),
        grade=torch.from_numpy(grade.reshape(mask.shape) * mask),
        events=torch.from_numpy(events.astype(np.int64)),
        watch_s=torch.from_numpy(watch_s),
        hours_ago=torch.from_numpy(hours_ago.astype(np.int64)),
        mask=torch.from_numpy(mask),
    )


def read_requests(obs: Observation, h: int) -> RequestBatch:
    """Convert an observation to tensors, with histories of the newest `h` views."""
    return RequestBatch(
        views=read_views(obs.history, h),
        user_id=torch.from_numpy(obs.user_id.astype(np.int64)),
        features=torch.from_numpy(obs.users.features[obs.user_id]),
        hour=torch.from_numpy(obs.hour.astype(np.int64)),
        position=torch.from_numpy(obs.position.astype(np.int64)),
    )


def rows_of(requests: RequestBatch, rows: slice) -> RequestBatch:
    """Some of the requests."""
    views = ViewSequence(*(getattr(requests.views, field.name)[rows] for field in fields(ViewSequence)))
    others = (getattr(requests, field.name)[rows] for field in fields(RequestBatch) if field.name != "views")
    return RequestBatch(views, *others)


def chosen(views: ViewSequence, behaviour: Behaviour, answers: Answers = "both") -> Bool[Tensor, "b h"]:
    """True where there is a view of this behaviour.

    Satisfied and dissatisfied are what the user answered. Where no answer was given, a like counts as satisfied and a
    hate as dissatisfied, neither if there were both: the stand-in of SAQRec on KuaiRand (Ke et al., CIKM 2024,
    https://doi.org/10.1145/3627673.3679643).

    Args:
        views: Mixed history.
        behaviour: Which views.
        answers: Whether answers, the stand-in, or the stand-in where there is no answer tell satisfaction.
    """
    if behaviour is Behaviour.UNCLICKED:
        return views.mask & ~views.has(Event.CLICK)
    simple = {
        Behaviour.CLICKED: Event.CLICK,
        Behaviour.SKIPPED: Event.SKIP,
        Behaviour.LIKED: Event.LIKE,
        Behaviour.HATED: Event.HATE,
    }
    if behaviour in simple:
        return views.mask & views.has(simple[behaviour])
    return views.mask & _satisfaction_mask(views, behaviour, answers)


def subsequence(views: ViewSequence, behaviour: Behaviour, m: int, answers: Answers = "both") -> ViewSequence:
    """The newest `m` views of a behaviour, packed to the right; see `chosen`."""
    return pack(views, chosen(views, behaviour, answers), m)


def pack(views: ViewSequence, kept: Bool[Tensor, "b h"], m: int) -> ViewSequence:
    """Pack the newest `m` selected views to the right, in their order; `m` columns."""
    column, mask = packing(kept, m)
    return ViewSequence(*(getattr(views, field.name).gather(1, column) * mask for field in fields(ViewSequence)))


def packing(kept: Bool[Tensor, "b h"], m: int) -> tuple[Int64[Tensor, "b m"], Bool[Tensor, "b m"]]:
    """Return the columns of the newest `m` selected views, packed to the right, and their mask."""
    h = kept.shape[1]
    position = torch.where(kept, m - kept.flip(1).cumsum(1).flip(1), -1)
    column = torch.where(position >= 0, position, m)
    source = torch.zeros(len(kept), m + 1, dtype=torch.int64)
    source.scatter_(1, column, torch.arange(h).expand_as(kept))
    mask = torch.zeros(len(kept), m + 1, dtype=torch.bool).scatter_(1, column, position >= 0)
    return source[:, :m], mask[:, :m]


def trimmed(views: ViewSequence) -> ViewSequence:
    """Drop left columns that are padding in every row; at least one column is kept."""
    filled = int(views.mask.sum(1).max()) if len(views.mask) else 0
    return ViewSequence(*(getattr(views, field.name)[:, -max(filled, 1) :] for field in fields(ViewSequence)))


def _satisfaction_mask(views: ViewSequence, behaviour: Behaviour, answers: Answers) -> Bool[Tensor, "b h"]:
    """Mask satisfied or dissatisfied views: by answers, by behaviour, or by behaviour where unanswered."""
    pleased = behaviour is Behaviour.SATISFIED
    answered = views.has(Event.SATISFIED if pleased else Event.DISSATISFIED)
    acted, against = (Event.LIKE, Event.HATE) if pleased else (Event.HATE, Event.LIKE)
    implied = views.has(acted) & ~views.has(against)
    if answers == "questionnaire":
        return answered
    if answers == "behaviour":
        return implied
    silent = ~views.has(Event.ANSWERED | Event.SATISFIED | Event.DISSATISFIED)
    return answered | (implied & silent)
