"""Caser: convolutional sequence embedding.

Tang and Wang, "Personalized top-N sequential recommendation via convolutional sequence embedding", WSDM 2018,
https://arxiv.org/abs/1809.07426.

Axes: `b` requests, `n` candidates, `h` views of a sequence, `d` embedding size.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final, final

import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.torch_rankers.click_sequence import ClickSequenceReader, SequenceOptions
from policies.torch_rankers.feature_tables import FeatureTables, UserEmbedding, VideoEmbedding
from policies.torch_rankers.histories import RequestBatch
from policies.torch_rankers.initialisers import linear
from policies.torch_rankers.layers import Dropout, match
from policies.torch_rankers.losses import binary_loss
from policies.torch_rankers.ranker import Teaching, TorchPolicy
from policies.torch_rankers.spec import RankerSpec
from policies.torch_rankers.view_samples import Negatives, Sampling

_ACROSS: Final = 8
_DOWN: Final = 4


@final
class Caser(nn.Module):
    """The last clicks as an image, length by d, with convolutions across it and down it.

    Horizontal filters of every height 1 to `length` are pooled by their maximum over time; vertical filters are
    weighted sums of the clicks. Both go through one layer to z; score of y = [z, user] . w_y + b_y, with vectors w of
    their own for the output. Fewer clicks than `length` leave zeros on the left.
    """

    def __init__(
        self, catalogue: FeatureTables, generator: torch.Generator, *, d: int, length: int, dropout: float
    ) -> None:
        """Begin with `_ACROSS` filters per height and `_DOWN` vertical ones."""
        super().__init__()
        self.videos = VideoEmbedding(catalogue, d, generator)
        self.targets = VideoEmbedding(catalogue, 2 * d + 1, generator)
        self.users = UserEmbedding(catalogue, d, generator, by_id=True)
        self.reader = ClickSequenceReader(SequenceOptions(length), d, generator)
        self.across = nn.ModuleList([linear(height * d, _ACROSS, generator) for height in range(1, length + 1)])
        self.down = linear(length, _DOWN, generator)
        self.inner = linear(_ACROSS * length + _DOWN * d, d, generator)
        self.dropout = Dropout(dropout, generator)

    @override
    def forward(self, requests: RequestBatch, candidates: Int64[Tensor, "b n"]) -> Float32[Tensor, "b n"]:
        """Scores."""
        clicks = self.reader(requests.views, self.videos.table(), whole=True)
        z = functional.relu(self.inner(self.dropout(self.convolved(clicks.x))))
        vector = torch.cat([z, self.users(requests), torch.ones(len(z), 1)], dim=1)
        return match(vector, functional.embedding(candidates, self.targets.table()))

    def convolved(self, image: Float32[Tensor, "b h d"]) -> Float32[Tensor, "b c"]:
        """Apply the filters: maxima over time, then weighted sums of the clicks."""
        maxima = [
            functional.relu(layer(image.unfold(1, height, 1).transpose(2, 3).flatten(2))).amax(1)
            for height, layer in enumerate(self.across, start=1)
        ]
        return torch.cat([*maxima, self.down(image.transpose(1, 2)).flatten(1)], dim=1)


@final
@dataclass(eq=False)
class CaserPolicy(TorchPolicy):
    """Rank by Caser: convolutions over the last clicks, beside the user's own vector.

    Learned by binary cross-entropy with sampled negatives, one next click per sample (the paper's T = 1).

    Attributes:
        size: Length of the embeddings; at least 1.
        history: Latest views that are read of each user; at least 1.
        length: Latest clicks in the image; at least 1.
        dropout: Share of numbers dropped in training.
        epochs: Passes over the targets, at most; at least 1.
        max_targets: Views learned from, at most; at least 1.
        negatives: What a click is told apart from, see `policies.torch_rankers.view_samples.Negatives`.
        teaching: What it is taught by, see `policies.torch_rankers.ranker.Teaching`.
    """

    size: int = 32
    history: int = 50
    length: int = 5
    dropout: float = 0.1
    epochs: int = 4
    max_targets: int = 200_000
    negatives: Negatives = "uniform"
    teaching: Teaching = "feed"

    @override
    def spec(self) -> RankerSpec:
        make = partial(Caser, d=self.size, length=self.length, dropout=self.dropout)
        sampling = Sampling(history=self.history, max_targets=self.max_targets, negatives=self.negatives)
        spec = RankerSpec("caser", make, binary_loss, sampling, self.epochs)
        return spec.for_catalogue() if self.teaching == "catalogue" else spec
