"""Inputs of EASQ and EMER per candidate: the base ranker's predicted rates, and the vectors behind them.

EMER's rates are predicted by models before it (https://arxiv.org/abs/2508.05093); here by the towers of
`policies.two_tower.model`, fitted on the same log and frozen. Their ranks within the request are left out [R]: a log
holds the few videos that were shown, a request a hundred.

Axes: `b` requests, `k` candidates, `o` numbers of a request's user vectors, `i` inputs, `rows` views.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int, Int64
from torch import Tensor
from torch.nn import functional

from policies.base import Feedback, Log
from policies.easq.losses import feedback_rank
from policies.histories import find_requests, gather_history
from policies.kernel import Towers
from policies.storage import want_shapes
from policies.torch_rankers.feature_tables import video_inputs
from policies.torch_rankers.initialisers import standardise
from policies.two_tower.frozen_towers import N_TOLD, predicted
from policies.two_tower.serving import encode, name_towers, read_towers

N_RATES: Final = 2
"""Logit of a click and expected log watch time come first among the inputs."""
_LENGTHS_S: Final = (7.0, 18.0, 40.0, 90.0, 180.0)
_SAMPLE: Final = 4_000
"""Requests that inputs are standardised by."""


@final
@dataclass(frozen=True)
class FrozenInputs:
    """Inputs computed before training; they never change.

    Attributes:
        towers: Frozen.
        given: Standardised public features of videos.
        group: Videos of one topic and about one length share a number.
        people: Public features of users; updates come without them.
        mean: Of each input.
        spread: Of each input.
    """

    towers: Towers
    given: Float32[Tensor, "videos g"]
    group: Int64[Tensor, " videos"]
    people: Float32[np.ndarray, "people f"]
    mean: Float32[Tensor, " i"]
    spread: Float32[Tensor, " i"]

    @property
    def n_inputs(self) -> int:
        """Inputs per candidate."""
        return N_TOLD + 1 + self.given.shape[1]

    def inputs(self, vectors: Float32[Tensor, "b o"], video_id: Int64[Tensor, "b k"]) -> Float32[Tensor, "b k i"]:
        """Standardised inputs of candidates: rates, log-chance of a click, matches, embedding, public features."""
        return (self.raw(vectors, video_id) - self.mean) / self.spread

    def raw(self, vectors: Float32[Tensor, "b o"], video_id: Int64[Tensor, "b k"]) -> Float32[Tensor, "b k i"]:
        """Compute the inputs before standardisation."""
        rates, match, embedding = predicted(torch.from_numpy(self.towers.items), vectors, video_id)
        parts = [rates, functional.logsigmoid(rates[..., :1]), match, embedding]
        return torch.cat([*parts, functional.embedding(video_id, self.given)], dim=2)


def freeze_inputs(log: Log, towers: Towers, h: int, generator: torch.Generator) -> FrozenInputs:
    """Compute the frozen inputs from a log; they are standardised over a sample of its requests."""
    given = torch.from_numpy(video_inputs(log.videos))
    mean, spread = standardise(given)
    length = np.searchsorted(np.array(_LENGTHS_S), log.videos.duration_s)
    group = torch.from_numpy(log.videos.tag.astype(np.int64) * (len(_LENGTHS_S) + 1) + length)
    frozen = FrozenInputs(towers, (given - mean) / spread, group, log.users.features, torch.zeros(1), torch.ones(1))
    requests = find_requests(log.feedback, h)
    order = torch.randperm(len(requests), generator=generator)[:_SAMPLE].sort().values.numpy()
    slates = read_slates(frozen, log.feedback, order, h)
    mean, spread = standardise(frozen.raw(slates.vectors, slates.video_id)[slates.mask])
    return replace(frozen, mean=mean, spread=spread)


@final
@dataclass(frozen=True)
class SlateVectors:
    """Logged requests with their feedback.

    Attributes:
        vectors: User vectors.
        video_id: Shown, in order; 0 where `mask` is false.
        order: How well each view went, see `policies.easq.losses.feedback_rank`.
        mask: True where a view was made.
    """

    vectors: Float32[Tensor, "b o"]
    video_id: Int64[Tensor, "b k"]
    order: Float32[Tensor, "b k"]
    mask: Bool[Tensor, "b k"]

    def __len__(self) -> int:
        return len(self.mask)

    def take(self, rows: Tensor) -> "SlateVectors":
        """Some of them."""
        return SlateVectors(*(array[rows] for array in (self.vectors, self.video_id, self.order, self.mask)))


def read_slates(known: FrozenInputs, feedback: Feedback, chosen: Int[np.ndarray, " b"], h: int) -> SlateVectors:
    """Some of a log's requests, by their place in `find_requests`."""
    requests = find_requests(feedback, h)
    start = requests.start[chosen]
    end = np.append(requests.start, len(feedback))[chosen + 1]
    row = start[:, None] + np.arange(int((end - start).max(initial=0)))
    mask = row < end[:, None]
    row = np.where(mask, row, 0)
    went = feedback_rank(
        torch.from_numpy(feedback.events[row].astype(np.int64)), torch.from_numpy(feedback.watch_s[row])
    )
    return SlateVectors(
        _vectors(known, feedback, chosen, h),
        torch.from_numpy(np.where(mask, feedback.video_id[row], 0).astype(np.int64)),
        went,
        torch.from_numpy(mask),
    )


def row_vectors(
    known: FrozenInputs, feedback: Feedback, rows: Int[np.ndarray, " rows"], h: int
) -> Float32[Tensor, "rows o"]:
    """User vectors of the requests that some views were made in."""
    return _vectors(known, feedback, find_requests(feedback, h).of_row[rows], h)


def _vectors(known: FrozenInputs, feedback: Feedback, chosen: Int[np.ndarray, " b"], h: int) -> Float32[Tensor, "b o"]:
    """User vectors of some requests, in slices that fit into memory."""
    requests = find_requests(feedback, h)
    parts: list[Tensor] = []
    for some in np.array_split(chosen, len(chosen) // 20_000 + 1):
        history = gather_history(feedback, requests.first[some], requests.start[some], requests.clock_h[some], h)
        parts.append(torch.from_numpy(encode(known.towers, known.people, requests.user_id[some], history, h)))
    return torch.cat(parts)


def name_known(known: FrozenInputs) -> dict[str, np.ndarray]:
    """Return the arrays by their stored names."""
    tensors = {name: getattr(known, name).numpy() for name in ("given", "group", "mean", "spread")}
    return (
        name_towers(known.towers)
        | {f"known.{name}": array for name, array in tensors.items()}
        | {"known.people": known.people}
    )


def read_known(folder: Path, arrays: Mapping[str, np.ndarray]) -> FrozenInputs:
    """Read the frozen inputs from arrays named by `name_known`.

    Raises:
        PolicyFolderError: An array is missing or does not fit the others.
    """
    towers = read_towers(folder, arrays)
    videos, f = len(towers.items), len(towers.feature_mean)
    shapes = {"given": (videos, -1), "group": (videos,), "people": (-1, f), "mean": (-1,), "spread": (-1,)}
    want_shapes(folder, arrays, {f"known.{name}": shape for name, shape in shapes.items()})
    tensors = {name: torch.from_numpy(arrays[f"known.{name}"]) for name in shapes if name != "people"}
    return FrozenInputs(towers=towers, people=arrays["known.people"], **tensors)
