"""Skip, truncated lognormal watch, replay: a mixture in which every part has a story.

With chance p the view is a skip: nothing at all with chance z, else min(Exp(m), d). Otherwise the viewer would watch
exp(mu + sigma N(0, 1)) seconds; who would outlast the video completes it, and with chance r plays on for d Exp(kappa)
more. Truncation at the end is that of CWM (Zhao et al., KDD 2024, https://arxiv.org/abs/2406.07932); the three parts
are a reconstruction of ours from published shapes. Replays are not cut off at eight lengths, so that no view is
impossible.

Axes: `rows` views; `outputs` logit p, logit z, log m, mu, log sigma, logit r, log kappa; `points` in seconds.
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from form import END_BAND, completed, completion_log_density, uniforms
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid
from torch.special import log_ndtr, ndtr

_SHORTEST_S = 1e-4
"""Stands for 0 where a logarithm is taken whose value is not used."""


@final
@dataclass(frozen=True)
class SkipForm:
    """A skip, a watch cut off by the end, or a replay."""

    def start(self) -> Float[Tensor, " outputs"]:
        """Half of the views skip after 3 s or so; the others would watch for 20 s."""
        return torch.tensor([0.0, -2.0, math.log(3.0), math.log(20.0), 0.0, -1.0, math.log(0.5)])

    def loss(
        self,
        outputs: Float[Tensor, "rows outputs"],
        watch_s: Float[Tensor, " rows"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, " rows"]:
        """Minus the log-chance of nothing watched, or the log-density per second."""
        skip, zero = outputs[:, 0], outputs[:, 1]
        before, after = self._before(outputs, watch_s), self._after(outputs, watch_s, duration_s)
        played = torch.where(watch_s < duration_s, before, after)
        return -torch.where(watch_s > 0, played, logsigmoid(skip) + logsigmoid(zero))

    def cdf(
        self,
        outputs: Float[Tensor, "rows outputs"],
        seconds: Float[Tensor, "rows points"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, "rows points"]:
        """See `WatchForm.cdf`."""
        o = outputs[:, :, None]
        skip, zero, replay = (torch.sigmoid(o[:, at]) for at in (0, 1, 5))
        d = duration_s[:, None]
        reach = torch.minimum(seconds, d).clamp(min=_SHORTEST_S)
        skipped = zero + (1 - zero) * -torch.expm1(-torch.minimum(seconds, d) / o[:, 2].exp())
        stopped = torch.where(seconds > 0, ndtr((reach.log() - o[:, 3]) / o[:, 4].exp()), 0.0)
        ends = skip * (1 - zero) * (-d / o[:, 2].exp()).exp()
        outlasts = (1 - skip) * ndtr((o[:, 3] - d.log()) / o[:, 4].exp())
        over = (seconds / d - 1).clamp(min=0)
        replayed = outlasts * replay * -torch.expm1(-over / o[:, 6].exp())
        return (
            skip * skipped
            + (1 - skip) * stopped
            + (ends + outlasts * (1 - replay)) * completed(seconds, duration_s)
            + replayed
        )

    def draw(
        self, outputs: Float[Tensor, "rows outputs"], duration_s: Float[Tensor, " rows"], generator: torch.Generator
    ) -> Float[Tensor, " rows"]:
        """See `WatchForm.draw`; six draws per view, whatever becomes of it."""
        p, z, r = (torch.sigmoid(outputs[:, at]) for at in (0, 1, 5))
        skips, starts, replays, waits, places = (uniforms(duration_s, generator) for _ in range(5))
        normal = torch.randn(duration_s.shape, generator=generator, dtype=duration_s.dtype)
        wait = -torch.log1p(-waits)
        skipped = torch.where(starts < z, 0.0, wait * outputs[:, 2].exp())
        watch_s = torch.where(skips < p, skipped, (outputs[:, 3] + outputs[:, 4].exp() * normal).exp())
        completion = 1 + (END_BAND - 1) * places
        lengths = torch.where((skips >= p) & (replays < r), 1 + outputs[:, 6].exp() * wait, completion)
        return torch.where(watch_s < duration_s, watch_s, duration_s * lengths)

    def _before(
        self, outputs: Float[Tensor, "rows outputs"], watch_s: Float[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """Log-density of a view that ends before the video: a skip or a watch."""
        skip, zero, log_mean, mu, log_sigma = outputs[:, :5].unbind(1)
        skipped = logsigmoid(skip) + logsigmoid(-zero) - log_mean - watch_s / log_mean.exp()
        log_watch = watch_s.clamp(min=_SHORTEST_S).log()
        normal = -((log_watch - mu) / log_sigma.exp()).square() / 2 - log_sigma - math.log(2 * math.pi) / 2
        return torch.logaddexp(skipped, logsigmoid(-skip) + normal - log_watch)

    def _after(
        self,
        outputs: Float[Tensor, "rows outputs"],
        watch_s: Float[Tensor, " rows"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, " rows"]:
        """Log-density of a view that reaches the end: a completion or a replay."""
        skip, zero, log_mean, mu, log_sigma, replay, log_kappa = outputs.unbind(1)
        outlasts = logsigmoid(-skip) + log_ndtr((mu - duration_s.log()) / log_sigma.exp())
        skipped = logsigmoid(skip) + logsigmoid(-zero) - duration_s / log_mean.exp()
        over = (watch_s / duration_s - 1).clamp(min=0)
        replayed = outlasts + logsigmoid(replay) - over / log_kappa.exp() - log_kappa - duration_s.log()
        completes = torch.logaddexp(skipped, outlasts + logsigmoid(-replay))
        return torch.logaddexp(completes + completion_log_density(watch_s, duration_s), replayed)
