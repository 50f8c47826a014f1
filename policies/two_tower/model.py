r"""Two towers in torch: videos on one side, users with their histories on the other, two tasks on both.

A video's embedding $x_v$ is learned per id, plus what its features and topic tell, so that a video nobody has seen
has one too. A user's history is pooled by how much better each view went than the video's views usually do,

$$p = \frac{1}{n + \kappa} \sum_{j=1}^{n} (w_{g_j} - q_{v_j})\, x_{v_j}, \qquad q_v = \alpha \cdot b_v,$$

with the view's grade $g_j$, the video's biases $b_v$, and learned $w$, $\alpha$, $\kappa$: one step of the user's
logistic regression on the embeddings, in closed form. A small network turns $p$ and the user's public features into one
vector per task; a score is $u_t \cdot x_v + c_t + b_{vt}$. The pooling is that of FISM (Kabbur et al., KDD 2013,
https://doi.org/10.1145/2487575.2487589), with graded residuals for likes; towers as in Covington et al. (RecSys 2016,
https://doi.org/10.1145/2959100.2959190).

Axes: `rows` views, `requests`, `d` embedding size, `c` = d + one bias per task, `f` user features, `g` video features.
"""

from typing import Final, final

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from policies.base import Log
from policies.kernel import SIZE, TASKS, UNITS, Towers
from policies.torch_rankers.feature_tables import video_inputs
from policies.torch_rankers.initialisers import linear, normal_table, standardise
from policies.two_tower.batches import ViewBatch

_FIRST_WORTH: Final = (-1.5, -1.0, -0.7, -0.3, 0.7, 1.0, 1.2, 1.5)
"""Worth of each grade before learning, from hated to liked."""


_FIRST_ECHO: Final = 20.0
"""How strongly users like what they liked, before learning; without it the embeddings would not find each other."""
_FIRST_PULL: Final = 20.0
_PRIOR_EMBEDDING: Final = 100.0
"""Precision of the normal prior of each id's embedding."""
_PRIOR_BIAS: Final = 3.0
"""Precision of the normal prior of each id's biases."""


@final
class TwoTower(nn.Module):
    """Towers together with their features of the catalogue."""

    def __init__(self, log: Log, generator: torch.Generator) -> None:
        """Start with small random embeddings, no biases, and users whose taste is their history's."""
        super().__init__()
        given = torch.from_numpy(video_inputs(log.videos))
        features = torch.from_numpy(log.users.features)
        mean, spread = standardise(given)
        feature_mean, feature_spread = standardise(features)
        self.given = (given - mean) / spread
        self.tag = torch.from_numpy(log.videos.tag.astype(np.int64))
        self.feature_mean = feature_mean
        self.feature_spread = feature_spread
        self.by_id = self._table(len(given), generator)
        self.by_tag = self._table(int(log.videos.tag.max()) + 1, generator)
        self.by_feature = self._table(given.shape[1], generator)
        self.worth = nn.Parameter(torch.tensor(_FIRST_WORTH))
        self.alpha = nn.Parameter(torch.tensor([0.3, 0.0]))
        self.log_pull = nn.Parameter(torch.tensor([_FIRST_PULL]).log())
        self.log_spread = nn.Parameter(torch.zeros(()))
        n_inputs = SIZE + 2 + features.shape[1]
        self.inner = linear(n_inputs, UNITS, generator)
        self.outer = linear(n_inputs + UNITS, TASKS * (SIZE + 1), generator)
        self._echo()

    def _table(self, n: int, generator: torch.Generator) -> nn.Parameter:
        """Embedding and biases of `n` things: small noise, and nothing."""
        table = normal_table(n, SIZE + TASKS, 0.1, generator)
        with torch.no_grad():
            table[:, SIZE:] = 0
        return table

    def _echo(self) -> None:
        """Let both tasks begin with the pooled history itself as the user's vector."""
        with torch.no_grad():
            self.outer.weight.mul_(0.1)
            for vector in self.outer.weight.view(TASKS, SIZE + 1, -1):
                vector[:SIZE, :SIZE] += _FIRST_ECHO * torch.eye(SIZE)

    def item_table(self) -> Float32[Tensor, "videos c"]:
        """Embedding and biases of every video."""
        return self.by_id + self.by_tag[self.tag] + self.given @ self.by_feature

    @override
    def forward(self, views: ViewBatch) -> Float32[Tensor, "rows tasks"]:
        """Logit of a click and expected log watch time of every view, as served."""
        items = functional.embedding(views.video_id, self.item_table())
        inputs = torch.cat([self.pooled(views, items), self.standard(views.features)], dim=1)
        hidden = functional.relu(self.inner(inputs))
        vectors = self.outer(torch.cat([inputs, hidden], dim=1)).view(-1, TASKS, SIZE + 1)
        vectors = functional.embedding(views.of_row, vectors.flatten(1)).view(-1, TASKS, SIZE + 1)
        match = (vectors[:, :, :SIZE] * items[:, None, :SIZE]).sum(-1)
        return match + vectors[:, :, SIZE] + items[:, SIZE:]

    def pooled(self, views: ViewBatch, items: Float32[Tensor, "rows c"]) -> Float32[Tensor, "requests p"]:
        """Pooled history, mean worth and strength of each request; sums of slices are differences of running sums."""
        worth = self.worth[views.grade] - items[:, SIZE:] @ self.alpha
        parts = torch.cat([worth[:, None] * items[:, :SIZE], worth[:, None]], dim=1)
        running = functional.pad(parts.cumsum(0), (0, 0, 1, 0))
        n = (views.start - views.first).to(torch.float32)[:, None]
        share = 1 / (n + self.log_pull.exp())
        sums = functional.embedding(views.start, running) - functional.embedding(views.first, running)
        return torch.cat([sums * share, n * share], dim=1)

    def standard(self, features: Float32[Tensor, "requests f"]) -> Float32[Tensor, "requests f"]:
        """Standardised user features."""
        return (features - self.feature_mean) / self.feature_spread

    def prior(self) -> Float32[Tensor, ""]:
        """Minus the log-density of every id's embedding and biases, up to a constant."""
        embedding, bias = self.by_id[:, :SIZE], self.by_id[:, SIZE:]
        return 0.5 * (_PRIOR_EMBEDDING * embedding.square().sum() + _PRIOR_BIAS * bias.square().sum())

    @torch.no_grad()
    def export(self, seen: Bool[np.ndarray, " videos"]) -> Towers:
        """Export the towers as arrays; videos that are not `seen` get a zero id embedding."""
        self.by_id[torch.from_numpy(~seen)] = 0
        items = self.item_table()
        arrays = [
            items, items[:, SIZE :] @ self.alpha, self.worth, self.log_pull.exp(),
            self.feature_mean, self.feature_spread,
            self.inner.weight.T, self.inner.bias, self.outer.weight.T, self.outer.bias,
        ]  # fmt: skip
        return Towers(*(np.ascontiguousarray(array.numpy(), np.float32) for array in arrays))


def loss(model: TwoTower, views: ViewBatch) -> Float32[Tensor, ""]:
    """Minus the log-likelihood per view: Bernoulli clicks, normal log watch times of learned spread.

    The spread weighs the tasks against each other (Kendall, Gal and Cipolla, CVPR 2018,
    https://arxiv.org/abs/1705.07115).
    """
    predicted = model(views)
    click = functional.binary_cross_entropy_with_logits(predicted[:, 0], views.clicked)
    squared = functional.mse_loss(predicted[:, 1], views.log_watch)
    return click + 0.5 * squared * (-2 * model.log_spread).exp() + model.log_spread
