"""A mixture density: an exponential, lognormals, and point masses at nothing and at the end.

f = pi_0 [w = 0] + pi_1 [w at the end] + pi_2 Exp(m) + sum_k pi_k LogNormal(mu_k, sigma_k), after EGMN's exponential for
quick skips plus Gaussians for the rest (Zhao et al., RecSys 2025, https://arxiv.org/abs/2508.12665). Departures:
lognormals in place of Gaussians, which give chance to negative times; the two point masses; likelihood alone, without
EGMN's entropy and regression terms. Nothing but the point mass knows of the end, so the rest reaches beyond it freely.

Axes: `rows` views; `outputs` log-weights, log m, mu_k, width_k; `parts` lognormals; `points` in seconds.
"""

import math
from dataclasses import dataclass
from typing import Final, final

import torch
from form import END_BAND, completed, completion_log_density, uniforms
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import log_softmax, softplus
from torch.special import ndtr

_OTHERS: Final = 3
"""Weights that come before those of the lognormals: nothing, the end, the exponential."""
_NARROWEST: Final = 0.02
_SHORTEST_S: Final = 1e-4
"""Stands for 0 where a logarithm is taken whose value is not used."""


@final
@dataclass(frozen=True)
class DensityForm:
    """Weights, scales and places of the parts.

    Attributes:
        n_parts: Lognormals.
    """

    n_parts: int

    def start(self) -> Float[Tensor, " outputs"]:
        """Equal weights; medians from 1 to 100 s."""
        weights = torch.zeros(_OTHERS + self.n_parts)
        places = torch.linspace(0.0, math.log(100.0), self.n_parts)
        return torch.cat([weights, torch.tensor([math.log(3.0)]), places, torch.zeros(self.n_parts)])

    def loss(
        self,
        outputs: Float[Tensor, "rows outputs"],
        watch_s: Float[Tensor, " rows"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, " rows"]:
        """Minus the log-chance of nothing watched, or the log-density per second."""
        weights, log_mean, places, widths = self._parts(outputs)
        log_watch = watch_s.clamp(min=_SHORTEST_S).log()[:, None]
        normals = -((log_watch - places) / widths).square() / 2 - widths.log() - log_watch - math.log(2 * math.pi) / 2
        end = completion_log_density(watch_s, duration_s)[:, None]
        short = -log_mean - watch_s[:, None] / log_mean.exp()
        played = torch.logsumexp(weights[:, 1:] + torch.cat([end, short, normals], dim=1), dim=1)
        return -torch.where(watch_s > 0, played, weights[:, 0])

    def cdf(
        self,
        outputs: Float[Tensor, "rows outputs"],
        seconds: Float[Tensor, "rows points"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, "rows points"]:
        """See `WatchForm.cdf`."""
        weights, log_mean, places, widths = self._parts(outputs)
        chances = weights.exp()
        total = chances[:, :1] + chances[:, 1:2] * completed(seconds, duration_s)
        total = total + chances[:, 2:3] * -torch.expm1(-seconds / log_mean.exp())
        log_s, played = seconds.clamp(min=_SHORTEST_S).log(), seconds > 0
        for part in range(self.n_parts):
            below = torch.where(played, ndtr((log_s - places[:, part, None]) / widths[:, part, None]), 0.0)
            total = total + chances[:, _OTHERS + part, None] * below
        return total

    def draw(
        self, outputs: Float[Tensor, "rows outputs"], duration_s: Float[Tensor, " rows"], generator: torch.Generator
    ) -> Float[Tensor, " rows"]:
        """See `WatchForm.draw`; three draws per view: which part, and where in it."""
        weights, log_mean, places, widths = self._parts(outputs)
        which, where = uniforms(duration_s, generator)[:, None], uniforms(duration_s, generator)[:, None]
        normal = torch.randn(duration_s.shape, generator=generator, dtype=duration_s.dtype)[:, None]
        part = (which > weights.exp().cumsum(dim=1)).sum(dim=1, keepdim=True).clamp(max=weights.shape[1] - 1)
        end = duration_s[:, None] * (1 + (END_BAND - 1) * where)
        drawn = [torch.zeros_like(end), end, -torch.log1p(-where) * log_mean.exp(), (places + widths * normal).exp()]
        return torch.cat(drawn, dim=1).gather(1, part)[:, 0]

    def _parts(
        self, outputs: Float[Tensor, "rows outputs"]
    ) -> tuple[
        Float[Tensor, "rows weights"], Float[Tensor, "rows 1"], Float[Tensor, "rows parts"], Float[Tensor, "rows parts"]
    ]:
        """Log-weights, log mean of the exponential, log-medians and log-widths of the lognormals."""
        weights, log_mean, places, widths = outputs.split(
            [_OTHERS + self.n_parts, 1, self.n_parts, self.n_parts], dim=1
        )
        return log_softmax(weights, dim=1), log_mean, places, _NARROWEST + softplus(widths)
