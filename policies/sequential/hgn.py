"""HGN: hierarchical gating network.

Ma, Kang and Liu, "Hierarchical gating networks for sequential recommendation", KDD 2019,
https://arxiv.org/abs/1906.09217.

Axes: `b` requests, `n` candidates, `h` views of a sequence, `d` embedding size.
"""

from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.torch_rankers.click_sequence import ClickSequenceReader, SequenceOptions
from policies.torch_rankers.feature_tables import FeatureTables, UserEmbedding, VideoEmbedding
from policies.torch_rankers.histories import RequestBatch
from policies.torch_rankers.initialisers import linear
from policies.torch_rankers.layers import match
from policies.torch_rankers.losses import pairwise_loss
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Negatives, Sampling


@final
class Hgn(nn.Module):
    """Feature gate, instance gate, and products of videos with videos.

    With the last clicks e_k and the user u: f_k = e_k * sigmoid(W1 e_k + W2 u), g_k = sigmoid(w3 . f_k + w4_k . u),
    pooled = sum_k g_k f_k / sum_k g_k (the authors' average), score of y = (u + pooled + sum_k e_k) . q_y + b_y, with
    videos' vectors q of their own for the output.
    """

    def __init__(self, catalogue: FeatureTables, generator: torch.Generator, *, d: int, length: int) -> None:
        """Begin with Glorot weights."""
        super().__init__()
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.targets = VideoEmbedding(catalogue, d + 1, generator)
        self.users = UserEmbedding(catalogue, d, generator, by_id=True)
        self.reader = ClickSequenceReader(SequenceOptions(length), d, generator)
        self.of_click, self.of_user = linear(d, d, generator), linear(d, d, generator)
        self.instance, self.place = linear(d, 1, generator), linear(d, length, generator)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores."""
        clicks = self.reader(requests.views, self.videos.table(), whole=True)
        user = self.users(requests)
        vector = user + self.pooled(clicks.x, clicks.mask, user) + clicks.x.sum(1)
        vector = functional.pad(vector, (0, 1), value=1.0)
        return match(vector, functional.embedding(candidates, self.targets.table()))

    def pooled(
        self, x: Float32[Tensor, "b h d"], mask: Bool[Tensor, "b h"], user: Float32[Tensor, "b d"]
    ) -> Float32[Tensor, "b d"]:
        """Gated mean of the clicks; zeros where there are none."""
        gated = x * torch.sigmoid(self.of_click(x) + self.of_user(user)[:, None])
        share = torch.sigmoid(self.instance(gated)[..., 0] + self.place(user)) * mask
        return (share[:, None] @ gated)[:, 0] / share.sum(1, keepdim=True).clamp(min=1e-6)


@final
@dataclass(eq=False)
class HgnPolicy(TorchPolicy):
    """Rank by HGN: gates on the last clicks, and products of videos with videos.

    Learned by BPR with sampled negatives.

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        length: Latest clicks that are read; at least 1.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most; at least 1.
        negatives: What a click is told apart from, see `policies.torch_rankers.view_samples.Negatives`.
        teaching: What it is taught by, see `policies.torch_rankers.ranker.Teaching`.
    """

    size: int = 32
    history: int = 50
    length: int = 5
    epochs: int = 4
    max_targets: int = 200_000
    negatives: Negatives = "uniform"
    teaching: Teaching = "feed"

    @override
    def spec(self) -> RankerSpec:
        make = partial(Hgn, d=self.size, length=self.length)
        sampling = Sampling(history=self.history, max_targets=self.max_targets, negatives=self.negatives)
        spec = RankerSpec("hgn", make, pairwise_loss, sampling, self.epochs)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
