"""Vectors of videos and users: an embedding per id and a map of public features, shared by the torch rankers.

Axes: `videos` and `people` the two catalogues, `g` video inputs, `f` user features, `d` embedding size, `b` requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.base import Log, VideoTable
from policies.storage import want_shapes
from policies.torch_rankers.histories import RequestBatch
from policies.torch_rankers.initialisers import linear, normal_table, standardise

_FIRST_SPREAD = 0.1


@final
@dataclass(frozen=True)
class FeatureTables:
    """Public features of videos and users, as tables; part of a ranker's weights.

    Attributes:
        given: Standardised public features of videos, see `video_inputs`.
        tag: Topic of each video.
        shown: True for videos that the log shows; others have no embedding of their own.
        user_mean: Of each public feature of users.
        user_spread: Likewise.
        known: True for users that the log knows.
    """

    given: Float32[Tensor, "videos g"]
    tag: Int64[Tensor, " videos"]
    shown: Bool[Tensor, " videos"]
    user_mean: Float32[Tensor, " f"]
    user_spread: Float32[Tensor, " f"]
    known: Bool[Tensor, " people"]

    @property
    def n_tags(self) -> int:
        """Topics."""
        return int(self.tag.max()) + 1

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by their stored names."""
        return {f"catalogue.{field.name}": getattr(self, field.name).numpy() for field in fields(self)}


def catalogue_of(log: Log) -> FeatureTables:
    """The catalogue of a log."""
    given = torch.from_numpy(video_inputs(log.videos))
    mean, spread = standardise(given)
    user_mean, user_spread = standardise(torch.from_numpy(log.users.features))
    return FeatureTables(
        given=(given - mean) / spread,
        tag=torch.from_numpy(log.videos.tag.astype(np.int64)),
        shown=_present(log.feedback.video_id, len(given)),
        user_mean=user_mean,
        user_spread=user_spread,
        known=_present(log.feedback.user_id, len(log.users.features)),
    )


def read_catalogue(folder: Path, arrays: Mapping[str, np.ndarray]) -> FeatureTables:
    """A catalogue out of a policy's arrays.

    Raises:
        PolicyFolderError: An array is missing or does not fit the others.
    """
    sizes = {name: _length(arrays, name) for name in ("tag", "user_mean", "known")}
    videos, f = sizes["tag"], sizes["user_mean"]
    shapes = {
        "given": (videos, -1), "tag": (videos,), "shown": (videos,),
        "user_mean": (f,), "user_spread": (f,), "known": (sizes["known"],),
    }  # fmt: skip
    want_shapes(folder, arrays, {f"catalogue.{name}": shape for name, shape in shapes.items()})
    return FeatureTables(**{name: torch.from_numpy(arrays[f"catalogue.{name}"]) for name in shapes})


def video_inputs(videos: VideoTable) -> Float32[np.ndarray, "videos g"]:
    """Public features of videos, and the curve of their log length."""
    log_s = np.log(np.maximum(videos.duration_s, 1))[:, None]
    return np.concatenate([videos.features, log_s, (log_s - 4) ** 2], axis=1).astype(np.float32)


@final
class VideoEmbedding(nn.Module):
    """An embedding per id, plus one per topic, plus a linear map of public features.

    A video that the log never shows has none of its own: its vector is what topic and features tell.
    """

    def __init__(self, catalogue: FeatureTables, d: int, generator: torch.Generator) -> None:
        """Begin with small normal vectors."""
        super().__init__()
        self._given, self._tag = catalogue.given, catalogue.tag
        self._shown = catalogue.shown.to(torch.float32)[:, None]
        self.by_id = normal_table(len(catalogue.tag), d, _FIRST_SPREAD, generator)
        self.by_tag = normal_table(catalogue.n_tags, d, _FIRST_SPREAD, generator)
        self.by_feature = normal_table(catalogue.given.shape[1], d, _FIRST_SPREAD, generator)
        self._served: tuple[tuple[int, ...], Tensor] | None = None

    def table(self) -> Float32[Tensor, "videos d"]:
        """Vectors of all videos; computed once for as long as the weights stay the same in serving."""
        if torch.is_grad_enabled():
            return self._table()
        versions = tuple(weight._version for weight in self.parameters())
        if self._served is None or self._served[0] != versions:
            self._served = versions, self._table()
        return self._served[1]

    def _table(self) -> Float32[Tensor, "videos d"]:
        return self.by_id * self._shown + self.by_tag[self._tag] + self._given @ self.by_feature

    @override
    def forward(self, video_id: Int64[Tensor, "*b"]) -> Float32[Tensor, "*b d"]:
        """Vectors of some videos."""
        return functional.embedding(video_id, self.table())


@final
class UserEmbedding(nn.Module):
    """Linear map of a user's public features plus, optionally, an embedding per id.

    A user that the log does not know, or of an id beyond its table, has none of their own.
    """

    def __init__(self, catalogue: FeatureTables, d: int, generator: torch.Generator, *, by_id: bool = False) -> None:
        """Begin with small weights.

        Args:
            catalogue: Whose users.
            d: Length of the vectors.
            generator: Draws the first weights.
            by_id: Whether users have an embedding of their own.
        """
        super().__init__()
        self._mean, self._spread, self._known = catalogue.user_mean, catalogue.user_spread, catalogue.known
        self.by_feature = linear(len(catalogue.user_mean), d, generator)
        self.by_id = normal_table(len(catalogue.known), d, _FIRST_SPREAD, generator) if by_id else None

    @override
    def forward(self, requests: RequestBatch) -> Float32[Tensor, "b d"]:
        """Return the vectors of a batch's users."""
        vector = self.by_feature((requests.features - self._mean) / self._spread)
        if self.by_id is None:
            return vector
        place = requests.user_id.clamp(max=len(self._known) - 1)
        has_vector = self._known[place] & (place == requests.user_id)
        return vector + functional.embedding(place, self.by_id) * has_vector[:, None]


def _present(ids: np.ndarray, n: int) -> Bool[Tensor, " n"]:
    """Return which of `n` ids occur."""
    return torch.from_numpy(np.bincount(ids, minlength=n) > 0)


def _length(arrays: Mapping[str, np.ndarray], name: str) -> int:
    """Length of an array of a catalogue; -1 if it is missing or a single number."""
    array = arrays.get(f"catalogue.{name}")
    return -1 if array is None or array.ndim == 0 else len(array)
