"""The ladder of `user_models.dynamics.watch_thresholds` as a formulation: a continuation ratio at every rung.

P(pass rung j | passed j-1) = sigma(o_j), the discrete-time hazard model (Cox, J. R. Stat. Soc. B 34, 1972,
https://doi.org/10.1111/j.2517-6161.1972.tb00899.x; Fienberg's continuation ratios). Rungs are at fixed seconds, then
at fixed shares of the video, then at replays of it, so the completion spike is a cell of its own whatever the length.

Axes: `rows` views; `rungs` of the ladder, one output each; `points` at which a distribution is asked.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from steps import Steps
from torch import Tensor
from torch.nn.functional import logsigmoid

from user_models.dynamics.watch_thresholds import LONGEST, N_THRESHOLDS, threshold_seconds


@final
@dataclass(frozen=True)
class LadderForm:
    """One chance to go on per rung."""

    def start(self) -> Float[Tensor, " rungs"]:
        """Each rung is passed by most."""
        return torch.full((N_THRESHOLDS,), 1.5)

    def loss(
        self, outputs: Float[Tensor, "rows rungs"], watch_s: Float[Tensor, " rows"], duration_s: Float[Tensor, " rows"]
    ) -> Float[Tensor, " rows"]:
        """Minus the log-chance of the stage reached; rungs without length are free."""
        thresholds_s = _rungs_s(duration_s)
        passed, stands = thresholds_s <= watch_s[:, None], _stands(thresholds_s)
        passed[:, 0] = watch_s > 0
        ended = torch.arange(N_THRESHOLDS) == passed.sum(dim=1, keepdim=True)
        went_on = torch.where(passed & stands, logsigmoid(outputs), 0.0)
        return -(went_on + torch.where(ended & stands, logsigmoid(-outputs), 0.0)).sum(dim=1)

    def cdf(
        self,
        outputs: Float[Tensor, "rows rungs"],
        seconds: Float[Tensor, "rows points"],
        duration_s: Float[Tensor, " rows"],
    ) -> Float[Tensor, "rows points"]:
        """See `WatchForm.cdf`; no view lasts longer than `LONGEST` videos."""
        return self.steps(outputs, duration_s).cdf(seconds)

    def draw(
        self, outputs: Float[Tensor, "rows rungs"], duration_s: Float[Tensor, " rows"], generator: torch.Generator
    ) -> Float[Tensor, " rows"]:
        """See `WatchForm.draw`."""
        return self.steps(outputs, duration_s).draw(generator)

    def steps(self, outputs: Float[Tensor, "rows rungs"], duration_s: Float[Tensor, " rows"]) -> Steps:
        """The distribution at the rungs and at the longest view."""
        thresholds_s = _rungs_s(duration_s)
        passing = torch.where(_stands(thresholds_s), torch.sigmoid(outputs), 1.0)
        stopped = 1 - passing.cumprod(dim=1)
        edges_s = torch.cat([thresholds_s, LONGEST * duration_s[:, None]], dim=1)
        return Steps(edges_s, torch.cat([stopped, torch.ones_like(stopped[:, :1])], dim=1))


def _rungs_s(duration_s: Float[Tensor, " rows"]) -> Float[Tensor, "rows rungs"]:
    """Where the rungs lie, in the precision of the durations."""
    return torch.from_numpy(threshold_seconds(duration_s.numpy().astype("float32"))).to(duration_s.dtype)


def _stands(thresholds_s: Float[Tensor, "rows rungs"]) -> Tensor:
    """True where a rung has a length."""
    return thresholds_s.diff(dim=1, prepend=torch.full_like(thresholds_s[:, :1], -1.0)) > 0
