"""The base ranker's towers among a module's weights: fitted before it on the same log, and frozen.

Rankers behind a first one read the rates that it predicts, as EMER does (https://arxiv.org/abs/2508.05093).

Axes: `b` requests, `n` candidates, `i` inputs of a candidate, `o` numbers of a request's user vectors, `c` and `d`
columns of a video and of its embedding, `m` products.
"""

from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional

from policies.kernel import SIZE, TASKS, HistoryArrays, ScoreFusion, Towers, encode_requests, score_requests
from policies.torch_rankers.feature_tables import FeatureTables
from policies.torch_rankers.histories import RequestBatch
from policies.two_tower.serving import tower_shapes

N_TOLD: Final = TASKS + TASKS * SIZE + SIZE
"""What `TowerWeights.tower_features` tells of a candidate."""


@final
class TowerWeights(nn.Module):
    """Towers that are saved with a module, and never trained with it."""

    def __init__(self, catalogue: FeatureTables) -> None:
        """Begin with zeros; see `fill`."""
        super().__init__()
        for name, shape in tower_shapes(len(catalogue.tag), len(catalogue.user_mean)).items():
            self.register_buffer(name, torch.zeros(shape))

    def fill(self, towers: Towers) -> None:
        """Take over fitted towers."""
        for name, array in zip(Towers._fields, towers, strict=True):
            self.get_buffer(name).copy_(torch.from_numpy(array))

    def towers(self) -> Towers:
        """Return the towers as the kernel reads them, without copying."""
        return Towers(*(self.get_buffer(name).numpy() for name in Towers._fields))

    def scores(
        self, requests: RequestBatch, candidates: Int64[Tensor, "b n"], fusion: ScoreFusion
    ) -> Float32[Tensor, "b n"]:
        """Fused scores, by the base ranker's own kernel."""
        scores = np.empty(candidates.shape, np.float32)
        ids = candidates.numpy().astype(np.int32)
        score_requests(
            _each(requests), ids, requests.features.numpy(), kernel_views(requests), self.towers(), fusion, scores
        )
        return torch.from_numpy(scores)

    def tower_features(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n i"]:
        """Logit of a click and expected log watch time, then each task's match by dimension, then the embedding."""
        vectors = np.empty((len(requests), TASKS * (SIZE + 1)), np.float32)
        encode_requests(_each(requests), requests.features.numpy(), kernel_views(requests), self.towers(), vectors)
        rates, match, embedding = predicted(self.get_buffer("items"), torch.from_numpy(vectors), candidates)
        return torch.cat([rates, match, embedding], dim=2)


def predicted(
    items: Float32[Tensor, "videos c"], vectors: Float32[Tensor, "b o"], candidates: Int64[Tensor, "b n"]
) -> tuple[Float32[Tensor, "b n tasks"], Float32[Tensor, "b n m"], Float32[Tensor, "b n d"]]:
    """Logit of a click and expected log watch time, each task's match by dimension, and the embedding."""
    item = functional.embedding(candidates, items)
    user = vectors.unflatten(1, (TASKS, SIZE + 1))[:, None]
    match = item[:, :, None, :SIZE] * user[..., :SIZE]
    return match.sum(-1) + user[..., SIZE] + item[..., SIZE:], match.flatten(2), item[..., :SIZE]


def kernel_views(requests: RequestBatch) -> HistoryArrays:
    """The histories of requests as the kernel reads them."""
    views = requests.views
    kinds = ((views.video_id, np.int32), (views.watch_s, np.float32), (views.events, np.uint16), (views.mask, np.bool_))
    return HistoryArrays(*(np.ascontiguousarray(array.numpy(), kind) for array, kind in kinds))


def _each(requests: RequestBatch) -> np.ndarray:
    """Places of the requests' own features."""
    return np.arange(len(requests), dtype=np.int32)
