"""Training samples of whole slates: each request is encoded once for all its shown videos.

Learning view by view encodes a history once per view, so that of a log of millions only a part can be read in the same
time. Which videos a feed's user likes is told by how the views of one slate differ, and by many slates.

Axes: `b` slates, `n` candidates of a slate.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor
from torch.nn import functional

from policies.base import Event, Log
from policies.histories import find_requests, run_bounds
from policies.torch_rankers.histories import RequestBatch
from policies.torch_rankers.view_samples import SampleSource, Sampling, choose_rows, with_answers

PER_STEP: Final = (128, 2048)
"""Views learned from in a step, least and most, by rankers that learn from slates."""


@final
@dataclass(frozen=True)
class SlateSample:
    """Slates to learn from, each with the request that it was served to.

    Attributes:
        requests: What was known when it was served.
        candidates: The videos viewed, in their order, then those that were not shown.
        events: `Event` bits; those that were not shown count as skipped at once.
        watch_s: Seconds watched.
        mask: True where there is a candidate; slates are of unequal length.
        n_shown: Columns of videos viewed; further ones are of videos that were not shown.
    """

    requests: RequestBatch
    candidates: Int64[Tensor, "b n"]
    events: Int64[Tensor, "b n"]
    watch_s: Float32[Tensor, "b n"]
    mask: Bool[Tensor, "b n"]
    n_shown: int

    def has(self, event: Event) -> Float32[Tensor, "b n"]:
        """1 where the view has one of these events, else 0."""
        return ((self.events & int(event)) != 0).float()


@final
class SlateSource:
    """A log's slates, by user, from which samples are taken."""

    def __init__(self, log: Log, sampling: Sampling, generator: torch.Generator) -> None:
        """Choose the slates: as many as hold about `sampling.max_targets` views."""
        self.views = SampleSource(log, sampling, generator)
        feedback = with_answers(log.feedback)
        start = find_requests(feedback, sampling.history).start
        most = max(1, round(sampling.max_targets * len(start) / len(feedback)))
        chosen = choose_rows(np.arange(len(start)), most, generator)
        self._start = torch.from_numpy(start[chosen])
        self._length = torch.from_numpy(np.diff(start, append=len(feedback))[chosen])
        self._bounds = torch.from_numpy(run_bounds(feedback.user_id[start[chosen]]))
        self._video_id = torch.from_numpy(feedback.video_id.astype(np.int64))
        self._events = torch.from_numpy(feedback.events.astype(np.int64))
        self._watch_s = torch.from_numpy(feedback.watch_s)

    def __len__(self) -> int:
        """Views in them."""
        return int(self._length.sum())

    @property
    def n_users(self) -> int:
        """Users with slates."""
        return len(self._bounds) - 1

    def take(self, users: Int64[Tensor, " chosen"], generator: torch.Generator) -> SlateSample:
        """Return all slates of some users, numbered from 0 among those with slates; negatives are redrawn each time."""
        first, last = self._bounds[users], self._bounds[users + 1]
        n = last - first
        chosen = torch.repeat_interleave(first - (n.cumsum(0) - n), n) + torch.arange(int(n.sum()))
        start, length = self._start[chosen], self._length[chosen]
        sample = self.views.sample(start, generator)
        position = torch.arange(int(length.max()))
        is_view = position < length[:, None]
        row = start[:, None] + position * is_view
        video_id, unshown = self._video_id[row], sample.candidates[:, 1:]
        clash = (unshown[:, :, None] == torch.where(is_view, video_id, -1)[:, None, :]).any(-1)
        return SlateSample(
            requests=sample.requests,
            candidates=torch.cat([video_id, unshown], dim=1),
            events=functional.pad(self._events[row] * is_view, (0, unshown.shape[1]), value=int(Event.SKIP)),
            watch_s=functional.pad(self._watch_s[row] * is_view, (0, unshown.shape[1])),
            mask=torch.cat([is_view, ~clash], dim=1),
            n_shown=len(position),
        )


@final
class ClickSource:
    """A log's clicks, by user, each as a slate of its own beside videos drawn from the catalogue."""

    def __init__(self, log: Log, sampling: Sampling, generator: torch.Generator) -> None:
        """Choose the clicks."""
        self.views = SampleSource(log, sampling, generator)

    def __len__(self) -> int:
        """Clicks."""
        return len(self.views)

    @property
    def n_users(self) -> int:
        """Users with clicks."""
        return self.views.n_users

    def take(self, users: Int64[Tensor, " chosen"], generator: torch.Generator) -> SlateSample:
        """Return all clicks of some users, numbered from 0 among those with clicks; negatives are redrawn each time."""
        sample = self.views.take(users, generator)
        n_drawn = sample.candidates.shape[1] - 1
        return SlateSample(
            requests=sample.requests,
            candidates=sample.candidates,
            events=functional.pad(sample.events[:, None], (0, n_drawn), value=int(Event.SKIP)),
            watch_s=functional.pad(sample.watch_s[:, None], (0, n_drawn)),
            mask=torch.ones_like(sample.candidates, dtype=torch.bool),
            n_shown=1,
        )
