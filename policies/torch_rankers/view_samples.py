"""Training samples of single views: a view to predict, its request, and negative videos.

Axes: `b` samples, `n` candidates of a sample, `rows` views of the log.
"""

import logging
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from policies.base import Answer, Event, Feedback, Log
from policies.histories import find_requests, gather_history, run_bounds
from policies.torch_rankers.histories import RequestBatch, read_views

_log = logging.getLogger(__name__)

Negatives: TypeAlias = Literal["popular", "uniform", "unclicked"]
"""Drawn as often as clicked, evenly from the videos of the log, or from the user's views that were not clicked.

Popular ones are those of the code of SAQRec (https://doi.org/10.1145/3627673.3679643). They are not the default, which
departs from it: a ranker that tells clicks from popular videos unlearns how popular each is, and then loses to bare
counts wherever it is asked to find a click among videos drawn evenly, as in `simulator.offline`.
"""
Unshown: TypeAlias = Literal["none", "popular", "uniform", "unclicked"]
"""The same for rankers that learn from all that was shown, or none."""
Targets: TypeAlias = Literal["clicked", "shown"]
"""Learn from clicked views, or from all that were shown."""

_REDRAWS: Final = 3
_UNSHOWN: Final = 4


@final
@dataclass(frozen=True)
class Sampling:
    """Sampling of training views and negatives.

    Attributes:
        history: Views of a user's past that are read, newest first; at least 1.
        max_targets: Views learned from, at most, chosen by the seed; at least 1.
        n_negatives: Videos that each target is told apart from; at least 0, for losses of shown views.
        negatives: Where they come from.
        targets: Which views are learned from.
    """

    history: int = 50
    max_targets: int = 200_000
    n_negatives: int = 16
    negatives: Negatives = "uniform"
    targets: Targets = "clicked"

    def __post_init__(self) -> None:
        for name, least in {"history": 1, "max_targets": 1, "n_negatives": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} given, want at least {least}")


@final
@dataclass(frozen=True)
class ViewSample:
    """Views to learn from, each with the request that it was served in.

    Attributes:
        requests: What was known when it was served.
        candidates: The view's video first, then the negatives.
        events: `Event` bits of the view; answers are told by SATISFIED, DISSATISFIED and ANSWERED.
        watch_s: Seconds watched.
        place: Place in the slate, from 0.
    """

    requests: RequestBatch
    candidates: Int64[Tensor, "b n"]
    events: Int64[Tensor, " b"]
    watch_s: Float32[Tensor, " b"]
    place: Int64[Tensor, " b"]

    def has(self, event: Event) -> Float32[Tensor, " b"]:
        """1 where the view has one of these events, else 0."""
        return ((self.events & int(event)) != 0).to(torch.float32)


@final
class SampleSource:
    """A log's targets, by user, from which samples are taken."""

    def __init__(self, log: Log, sampling: Sampling, generator: torch.Generator) -> None:
        """Choose the targets and find their requests; where nothing was clicked, every view is a target."""
        feedback = with_answers(log.feedback)
        self._feedback, self._users, self._sampling = feedback, log.users, sampling
        self._requests = find_requests(feedback, sampling.history)
        self._clicked = feedback.has(Event.CLICK)
        rows = choose_rows(_targets(self._clicked, sampling.targets), sampling.max_targets, generator)
        self._rows = torch.from_numpy(rows)
        self._bounds = torch.from_numpy(run_bounds(feedback.user_id[rows]))
        self._popular = torch.from_numpy(feedback.video_id[self._clicked if self._clicked.any() else slice(None)])
        self._shown = torch.from_numpy(np.unique(feedback.video_id))
        self._cold = torch.from_numpy(np.flatnonzero(~self._clicked))
        self._opened = run_bounds(feedback.user_id.astype(np.int64) * 65_536 + feedback.day)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def n_users(self) -> int:
        """Users with targets."""
        return len(self._bounds) - 1

    @property
    def rows(self) -> Int64[Tensor, " rows"]:
        """Rows of the log that are learned from."""
        return self._rows

    def take(self, users: Int64[Tensor, " chosen"], generator: torch.Generator) -> ViewSample:
        """Return all targets of users, numbered from 0 among those with targets; negatives are redrawn each time."""
        first, last = self._bounds[users], self._bounds[users + 1]
        n = last - first
        start = torch.repeat_interleave(first - (n.cumsum(0) - n), n)
        return self.sample(self._rows[start + torch.arange(len(start))], generator)

    def sample(self, rows: Int64[Tensor, " b"], generator: torch.Generator) -> ViewSample:
        """Any views of the log as targets, by their rows."""
        at = rows.numpy()
        feedback = self._feedback
        requests = self.requests(at)
        video_id = torch.from_numpy(feedback.video_id[at].astype(np.int64))[:, None]
        past = torch.where(requests.views.mask, requests.views.video_id, -1)
        negatives = self._negatives(rows, torch.cat([video_id, past], dim=1), generator)
        return ViewSample(
            requests=requests,
            candidates=torch.cat([video_id, negatives], dim=1),
            events=torch.from_numpy(feedback.events[at].astype(np.int64)),
            watch_s=torch.from_numpy(feedback.watch_s[at]),
            place=torch.from_numpy(feedback.position[at].astype(np.int64)),
        )

    def requests(self, rows: Int64[np.ndarray, " b"]) -> RequestBatch:
        """The requests that some views were served in."""
        asked, feedback = self._requests.of_row[rows], self._feedback
        logged, h = self._requests, self._sampling.history
        history = gather_history(feedback, logged.first[asked], logged.start[asked], logged.clock_h[asked], h)
        user_id = feedback.user_id[rows].astype(np.int64)
        opened = self._opened[np.searchsorted(self._opened, logged.start[asked], side="right") - 1]
        return RequestBatch(
            views=read_views(history, h),
            user_id=torch.from_numpy(user_id),
            features=torch.from_numpy(self._users.features[user_id]),
            hour=torch.from_numpy(feedback.hour[rows].astype(np.int64)),
            position=torch.from_numpy(logged.start[asked] - opened),
        )

    def _negatives(
        self, rows: Int64[Tensor, " b"], known: Int64[Tensor, "b k"], generator: torch.Generator
    ) -> Int64[Tensor, "b n"]:
        """Draw negatives for each target; redrawn, three times at most, where they are in `known`.

        SAQRec's code likewise draws again only for the positive and past clicks; here all views that are read count.
        """
        drawn = self._draw(rows, generator)
        if self._sampling.negatives == "unclicked":
            return drawn
        for _ in range(_REDRAWS):
            clash = (drawn[:, :, None] == known[:, None, :]).any(-1)
            drawn = torch.where(clash, self._draw(rows, generator), drawn)
        return drawn

    def _draw(self, rows: Int64[Tensor, " b"], generator: torch.Generator) -> Int64[Tensor, "b n"]:
        """One draw of negatives."""
        shape = (len(rows), self._sampling.n_negatives)
        pool = self._shown if self._sampling.negatives == "uniform" else self._popular
        drawn = pool[torch.randint(len(pool), shape, generator=generator)].long()
        return drawn if self._sampling.negatives != "unclicked" else self._draw_cold(rows, drawn, generator)

    def _draw_cold(
        self, rows: Int64[Tensor, " b"], otherwise: Int64[Tensor, "b n"], generator: torch.Generator
    ) -> Int64[Tensor, "b n"]:
        """Unclicked views of the same user, of those nearest to the target; `otherwise` where there are none."""
        users, n = self._feedback.user_id, otherwise.shape[1]
        user_id = users[rows.numpy()]
        ends = [torch.from_numpy(np.searchsorted(users, user_id, side=side)) for side in ("left", "right")]
        first, last = (torch.searchsorted(self._cold, end) for end in ends)
        near = torch.searchsorted(self._cold, rows)
        first, last = torch.maximum(first, near - 2 * n), torch.minimum(last, near + 2 * n)
        share = torch.rand(otherwise.shape, generator=generator, dtype=torch.float64)
        place = first[:, None] + (share * (last - first)[:, None]).long()
        has_cold = (last > first)[:, None] & torch.ones_like(otherwise, dtype=torch.bool)
        cold = self._cold[torch.where(has_cold, place, 0)] if len(self._cold) else torch.zeros_like(place)
        return torch.where(has_cold, torch.from_numpy(self._feedback.video_id)[cold].long(), otherwise)


def with_answers(feedback: Feedback) -> Feedback:
    """Set the events SATISFIED and DISSATISFIED from the answers of a log."""
    events = feedback.events | np.where(feedback.answer == Answer.SATISFIED, np.uint16(Event.SATISFIED), np.uint16(0))
    events |= np.where(feedback.answer == Answer.DISSATISFIED, np.uint16(Event.DISSATISFIED), np.uint16(0))
    return replace(feedback, events=events)


def with_unshown(sampling: Sampling, negatives: Unshown) -> Sampling:
    """Set the kind of unshown negatives; "none" leaves them out."""
    if negatives == "none":
        return replace(sampling, n_negatives=0)
    return replace(sampling, n_negatives=_UNSHOWN, negatives=negatives)


def choose_rows(
    rows: Int64[np.ndarray, " rows"], most: int, generator: torch.Generator
) -> Int64[np.ndarray, " chosen"]:
    """Choose at most `most` of the rows, in their order; logs the number left out."""
    if len(rows) <= most:
        return rows
    sample = torch.randperm(len(rows), generator=generator)[:most].sort().values
    _log.info("learning from %d of %d views", most, len(rows))
    return rows[sample.numpy()]


def _targets(clicked: Bool[np.ndarray, " rows"], targets: Targets) -> Int64[np.ndarray, " targets"]:
    """Rows that can be learned from."""
    every = targets == "shown" or not clicked.any()
    return np.arange(len(clicked)) if every else np.flatnonzero(clicked)
