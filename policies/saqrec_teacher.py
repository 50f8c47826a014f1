r"""SAQRec's first stage: who answers, and what satisfies those who did, on frozen embeddings.

Ke et al., CIKM 2024, https://doi.org/10.1145/3627673.3679643, section 4.1. A network $\rho(u, i)$ learns from all views
which are answered (equation 5); a network $g(u, i)$ learns from the answers, weighted by $1 / \max(\rho, M)$, what is
satisfied (equation 6). The embeddings of users and videos come from a recommender trained before and stay as they are,
which is what lets $g$ speak of videos that nobody was asked about.

Axes: `rows` views, `d` sizes of embeddings.
"""

from typing import Final, final

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from typing_extensions import override

from policies.embedding import linear

_HIDDEN: Final = (64, 32)
"""Units; 200 and 80 in the authors' code, for larger embeddings [R]."""


@final
class PairNetwork(nn.Module):
    """A number about a user and a video: both embeddings and their product through two hidden layers.

    The product [R] is not in the paper's input; without it the match of a taste has to be learned from answers alone.
    """

    def __init__(self, d: int, generator: torch.Generator) -> None:
        """Begin undecided about everything."""
        super().__init__()
        first, second = _HIDDEN
        self.of_user = linear(d, first, generator)
        self.of_video = linear(d, first, generator)
        self.of_both = linear(d, first, generator)
        self.inner = linear(first, second, generator)
        self.outer = linear(second, 1, generator)
        nn.init.zeros_(self.outer.weight)

    @override
    def forward(self, user: Float32[Tensor, "*#b d"], video: Float32[Tensor, "*#b d"]) -> Float32[Tensor, "*b"]:
        """The logit."""
        hidden = torch.relu(self.of_user(user) + self.of_video(video) + self.of_both(user * video))
        return self.outer(torch.relu(self.inner(hidden)))[..., 0]
