"""The encoder that all formulations share, and the ways from it to a formulation's outputs.

Axes: `rows` views; `hidden` numbers of the encoder; `context` numbers; `outputs` of a formulation; `stretches`.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias, final

import torch
from form import WatchForm
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu, softplus
from views import N_CONTEXT, TWO_COLUMNS, Views

from user_models.dynamics.watch_thresholds import N_SEGMENTS, SEGMENT

N_HIDDEN: Final = 32
_WIDE: Final = 64
_ITEM: Final = 12
_HOUR: Final = 4


@final
@dataclass(frozen=True)
class Sizes:
    """How many users and videos there are."""

    n_users: int
    n_videos: int


@final
class Encoder(nn.Module):
    """A view as numbers: user, video, their product, context and hour through two layers, and past them."""

    def __init__(self, sizes: Sizes, generator: torch.Generator) -> None:
        super().__init__()
        self.users = _normal(generator, 0.05, sizes.n_users, _ITEM)
        self.videos = _normal(generator, 0.05, sizes.n_videos, _ITEM)
        self.hours = _normal(generator, 0.1, 24, _HOUR)
        n_inputs = 3 * _ITEM + N_CONTEXT + _HOUR
        self.first = _normal(generator, n_inputs**-0.5, n_inputs, _WIDE)
        self.first_bias = nn.Parameter(torch.zeros(_WIDE))
        self.second = _normal(generator, _WIDE**-0.5, _WIDE, N_HIDDEN)
        self.second_bias = nn.Parameter(torch.zeros(N_HIDDEN))
        self.direct = _normal(generator, n_inputs**-0.5, n_inputs, N_HIDDEN)

    def forward(self, views: Views, context: Float[Tensor, "rows context"]) -> Float[Tensor, "rows hidden"]:
        """The numbers."""
        user, video = self.users[views.user], self.videos[views.video]
        inputs = torch.cat([user, video, 10 * user * video, context, self.hours[views.hour]], dim=1)
        wide = silu(inputs @ self.first + self.first_bias)
        return inputs @ self.direct + silu(wide @ self.second + self.second_bias)


@final
class FreeOutput(nn.Module):
    """Every output linear in all that the encoder says."""

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(N_HIDDEN, n_outputs))

    def forward(self, hidden: Float[Tensor, "rows hidden"], views: Views) -> Float[Tensor, "rows outputs"]:
        """What user, video and moment add to the outputs."""
        del views
        return hidden @ self.weight


@final
class AppealOutput(nn.Module):
    """One number per view, the appeal, lifts all rungs of the ladder, with one positive slope per stretch of it.

    As in the world: more appeal is a longer watch whatever the draw. The two-column page has slopes of its own.
    """

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = _normal(generator, 0.1, N_HIDDEN)
        self.free_slope = nn.Parameter(torch.full((2, N_SEGMENTS), 0.5))

    def forward(self, hidden: Float[Tensor, "rows hidden"], views: Views) -> Float[Tensor, "rows outputs"]:
        """Slope times appeal per rung."""
        slopes = softplus(self.free_slope)[(views.tab == TWO_COLUMNS).long()]
        return (slopes * (hidden @ self.weight)[:, None])[:, torch.from_numpy(SEGMENT)]


@final
class StretchOutput(nn.Module):
    """One number per view and stretch of the ladder: appeal, and strays from it on each stretch."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(N_HIDDEN, N_SEGMENTS))

    def forward(self, hidden: Float[Tensor, "rows hidden"], views: Views) -> Float[Tensor, "rows outputs"]:
        """The stretch's number on each of its rungs."""
        del views
        return (hidden @ self.weight)[:, torch.from_numpy(SEGMENT)]


Output: TypeAlias = FreeOutput | AppealOutput | StretchOutput
"""From the encoder's numbers to what they add to a formulation's outputs."""


@final
class WatchNet(nn.Module):
    """Encoder, outputs and a formulation: a distribution of watch time for every view."""

    def __init__(self, form: WatchForm, output: Output, sizes: Sizes, generator: torch.Generator) -> None:
        super().__init__()
        self.form = form
        self.encoder = Encoder(sizes, generator)
        self.output = output
        self.base = nn.Parameter(form.start())
        self.by_context = nn.Parameter(torch.zeros(N_CONTEXT, len(self.base)))

    def forward(self, views: Views) -> Float[Tensor, "rows outputs"]:
        """The formulation's outputs: what the context says linearly, and what the encoder adds."""
        context = views.context()
        return self.base + context @ self.by_context + self.output(self.encoder(views, context), views)

    def loss(self, views: Views) -> Float[Tensor, " rows"]:
        """The formulation's loss, per view."""
        return self.form.loss(self(views), views.watch_s, views.duration_s)


def _normal(generator: torch.Generator, spread: float, *shape: int) -> nn.Parameter:
    """Random numbers to begin with."""
    return nn.Parameter(spread * torch.randn(shape, generator=generator))
