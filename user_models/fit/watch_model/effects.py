"""Effects of users and of videos: a prior mean linear in public features, and a shrunken deviation of each item.

Deviations are Gaussian a priori; the posterior is a factorised Gaussian fitted by reparametrised sampling (Kingma
and Welling, ICLR 2014, https://arxiv.org/abs/1312.6114). Effects on rare actions have a fixed prior spread and are
point estimates, since sampling noise would drown them.

Axes: `items` users or videos; `rows` of a batch; `n` effects; `d` taste dimensions; `f` numbers.
"""

import math
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from user_models.fit.rows.features import Features


@final
class EffectTable(nn.Module):
    """Effects and taste coordinates of all users, or of all videos.

    Attributes:
        codes: Category codes of every item.
        numbers: Standardised features of every item.
        sampled: Which effects have a posterior spread and a prior spread to learn.
        fixed_spread: Prior standard deviation of the others.
    """

    def __init__(
        self, features: Features, spread: list[float], sampled: list[bool], d: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.codes: Tensor
        self.numbers: Tensor
        self.sampled: Tensor
        self.fixed_spread: Tensor
        items, f = features.numbers.shape
        n = len(spread)
        self.register_buffer("codes", torch.from_numpy(features.codes))
        self.register_buffer("numbers", torch.from_numpy(features.numbers))
        self.register_buffer("sampled", torch.tensor(sampled))
        self.register_buffer("fixed_spread", torch.tensor(spread))
        self.by_code = nn.Parameter(torch.zeros(features.n_codes, n))
        self.by_number = nn.Parameter(torch.zeros(f, n))
        self.taste_by_code = nn.Parameter(0.07 * torch.randn(features.n_codes, d, generator=generator))
        self.taste_by_number = nn.Parameter(0.1 * torch.randn(f, d, generator=generator))
        self.centre = nn.Parameter(torch.zeros(items, n))
        self.log_spread = nn.Parameter(torch.tensor(spread).log().repeat(items, 1))
        self.log_prior = nn.Parameter(torch.tensor(spread).log())

    def prior_mean(self, items: Int[Tensor, " rows"]) -> Float[Tensor, "rows n"]:
        """Return the prior mean of each item's effects, from its public features."""
        return _bag(self.codes[items], self.by_code) + self.numbers[items] @ self.by_number

    def effects(self, items: Int[Tensor, " rows"], generator: torch.Generator | None) -> Float[Tensor, "rows n"]:
        """Posterior draws with a generator, posterior means without."""
        deviation = self.centre[items]
        if generator is not None:
            noise = torch.randn(deviation.shape, generator=generator)
            deviation = deviation + noise * self.sampled * self.log_spread[items].exp()
        return self.prior_mean(items) + deviation

    def taste(self, items: Int[Tensor, " rows"]) -> Float[Tensor, "rows d"]:
        """Coordinates whose products are the match of a user and a video."""
        return _bag(self.codes[items], self.taste_by_code) + self.numbers[items] @ self.taste_by_number

    def prior_log_spread(self) -> Float[Tensor, " n"]:
        """Learned or fixed log standard deviation of each effect's deviation."""
        return torch.where(self.sampled, self.log_prior, self.fixed_spread.log())

    def divergence(self) -> Float[Tensor, ""]:
        """KL divergence of the posterior from the prior; for point estimates the negative log prior density."""
        log_prior = self.prior_log_spread()
        pull = self.centre**2 / (2 * (2 * log_prior).exp())
        width = log_prior - self.log_spread + ((2 * (self.log_spread - log_prior)).exp() - 1) / 2
        return (pull + torch.where(self.sampled, width, 0.0)).sum()

    def posterior_variance(self) -> Float[Tensor, "items n"]:
        """Return the posterior variance of each effect; for point estimates the prior's, an upper bound."""
        learned = (2 * self.log_spread).exp()
        return torch.where(self.sampled, learned, self.fixed_spread**2)

    def all_items(self) -> Int[Tensor, " items"]:
        """Every item."""
        return torch.arange(len(self.codes))


def _bag(codes: Int[Tensor, "rows columns"], weights: Float[Tensor, "codes n"]) -> Float[Tensor, "rows n"]:
    """Sum of the weights of each row's categories."""
    return nn.functional.embedding_bag(codes, weights, mode="sum")


def log_odds(rate: float) -> float:
    """Logit of a rate strictly between 0 and 1."""
    return math.log(rate / (1 - rate))
