"""The model of watching and acting that the fit maximises; its feed part is the kernel's, term by term.

P(pass threshold j | passed j-1) = sigma(stage_j(log duration) + stray_s(j) + slope_s(j) * appeal), with appeal = user +
video + match + hour + momentum + page, where `s(j)` is the threshold's segment. `stray` are effects of user and video
on a single segment and of the page on single thresholds: they sharpen the fit, and the world keeps of them what bears
on appeal and on the pass logits. On the two-column page most videos are never started, so there the first segment has a
slope of its own. P(action) = sigma(base + user + video + stage reached + match + page).

Where random rows are at hand, standard rows have terms for what the ranker's choice adds: a shift per segment, along
the duration and along the user's activity, and one per action. The world leaves them out, so that its levels are those
of random rows. Without random rows the terms are 0, and levels are those of the ranker's rows.

Axes: `rows` of a batch; `thresholds` and `segments` of watch time; `actions`.
"""

from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor, nn

from user_models.dynamics.watch_thresholds import N_SEGMENTS, N_THRESHOLDS, SEGMENT
from user_models.fit.rows.batches import NODES_S, Batch
from user_models.fit.rows.features import Features
from user_models.fit.rows.log_rows import N_SURFACES
from user_models.fit.watch_model.effects import EffectTable, log_odds
from user_models.world.tables import ACTIONS

N_PAGES: Final = N_SURFACES + 1
TWO_COLUMNS: Final = 1
"""Code of page 0, where videos are chosen from a grid."""
_APPEAL: Final = 0
_ACTED: Final = slice(1, 1 + len(ACTIONS))
_GRID: Final = _ACTED.stop
_STRAY: Final = slice(-N_SEGMENTS, None)
_SPREADS: Final = (0.6, 0.37)
"""Prior standard deviations of appeal of users and of videos, to begin with."""


@final
@dataclass(frozen=True)
class Priors:
    """Prior standard deviations of the effects on each action."""

    user_action: Float32[ndarray, " actions"]
    video_action: Float32[ndarray, " actions"]
    action_rate: Float32[ndarray, " actions"]


@final
class WatchModel(nn.Module):
    """All parameters of the fit, and the log-odds they give."""

    def __init__(self, users: Features, videos: Features, priors: Priors, d: int, generator: torch.Generator) -> None:
        super().__init__()
        n_actions = len(ACTIONS)
        self.users = _effects(users, _SPREADS[0], priors.user_action, [0.9, 0.6], d, generator)
        self.videos = _effects(videos, _SPREADS[1], priors.video_action, [0.37], d, generator)
        self.stage = nn.Parameter(torch.full((len(NODES_S), N_THRESHOLDS), 1.5))
        self.free_slope = nn.Parameter(torch.full((N_SEGMENTS,), 0.5))
        self.free_grid_slope = nn.Parameter(torch.tensor(0.5))
        self.page_rung = nn.Parameter(torch.zeros(N_PAGES, N_THRESHOLDS))
        self.page_length = nn.Parameter(torch.zeros(N_PAGES, N_THRESHOLDS))
        self.page_appeal = nn.Parameter(torch.zeros(N_PAGES))
        self.page_action = nn.Parameter(torch.zeros(N_PAGES, n_actions))
        self.hour = nn.Parameter(torch.zeros(24))
        self.momentum = nn.Parameter(torch.zeros(N_PAGES))
        rates = [log_odds(float(rate)) for rate in priors.action_rate]
        self.action_base = nn.Parameter(torch.tensor(rates))
        self.action_stage = nn.Parameter(torch.zeros(n_actions, N_THRESHOLDS + 1))
        self.action_match = nn.Parameter(torch.zeros(n_actions))
        self.chosen_segment = nn.Parameter(torch.zeros(N_SEGMENTS))
        self.chosen_appeal = nn.Parameter(torch.zeros(3))
        self.chosen_action = nn.Parameter(torch.zeros(n_actions))
        self.action_watcher = nn.Parameter(torch.zeros(1 + N_SEGMENTS, n_actions))

    def slope(self) -> Float[Tensor, " segments"]:
        """Pull of appeal on each segment, above 0."""
        return nn.functional.softplus(self.free_slope)

    def match(self, batch: Batch) -> Float[Tensor, " rows"]:
        """Products of taste and topic."""
        return (self.users.taste(batch.user) * self.videos.taste(batch.video)).sum(dim=1)

    def log_odds(
        self, batch: Batch, generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "rows thresholds"], Float[Tensor, "rows actions"]]:
        """Return the log-odds of passing each threshold, and of each action before the stage is known.

        Args:
            batch: Views.
            generator: Draws effects from their posterior; without one their means are used.
        """
        user = self.users.effects(batch.user, generator)
        video = self.videos.effects(batch.video, generator)
        match = self.match(batch)
        appeal = match + self._appeal(batch, user, video)
        stray = user[:, _STRAY] + video[:, _STRAY]
        moved = stray + self._slopes(batch) * appeal[:, None] + batch.chosen[:, None] * self.chosen_segment
        acted = user[:, _ACTED] + video[:, _ACTED] + self.watcher_actions(user)
        fixed = self.action_base + batch.chosen[:, None] * self.chosen_action
        fixed = fixed + self.page_action[batch.tab] + match[:, None] * self.action_match
        return self._pass_logits(batch) + moved[:, torch.from_numpy(SEGMENT)], fixed + acted

    def watcher_actions(self, user: Float[Tensor, "rows n"]) -> Float[Tensor, "rows actions"]:
        """Predict users' action effects from their watch effects."""
        watching = torch.cat([user[:, : _APPEAL + 1], user[:, _STRAY]], dim=1)
        return watching @ self.action_watcher

    def _slopes(self, batch: Batch) -> Float[Tensor, "rows segments"]:
        """Pull of appeal per segment on each row's page."""
        slopes = self.slope().expand(len(batch), -1)
        start = nn.functional.softplus(self.free_grid_slope)
        first = torch.where(batch.tab == TWO_COLUMNS, start, slopes[:, 0])
        return torch.cat([first[:, None], slopes[:, 1:]], dim=1)

    def _appeal(
        self, batch: Batch, user: Float[Tensor, "rows n"], video: Float[Tensor, "rows m"]
    ) -> Float[Tensor, " rows"]:
        """Appeal but for the match."""
        grid = (batch.tab == TWO_COLUMNS) * (user[:, _GRID] + video[:, _GRID])
        elsewhere = (batch.tab > TWO_COLUMNS) * user[:, _GRID + 1]
        moment = self.hour[batch.hour] + self.momentum[batch.tab] * batch.before + self._choice(batch)
        return user[:, _APPEAL] + video[:, _APPEAL] + grid + elsewhere + moment + self.page_appeal[batch.tab]

    def _choice(self, batch: Batch) -> Float[Tensor, " rows"]:
        """Return the selection term that the ranker's choice adds to appeal, by duration and activity."""
        along = torch.stack([batch.length, batch.length.square(), batch.activity], dim=1)
        return batch.chosen * (along @ self.chosen_appeal)

    def _pass_logits(self, batch: Batch) -> Float[Tensor, "rows thresholds"]:
        """Pass logits at each row's duration and page; offsets of pages are against the main feed."""
        part = batch.part[:, None]
        stage = (1 - part) * self.stage[batch.right - 1] + part * self.stage[batch.right]
        page = self.page_rung[batch.tab] + self.page_length[batch.tab] * batch.length[:, None]
        return stage + (batch.tab > 0)[:, None] * page


def _effects(
    features: Features,
    appeal: float,
    action: Float32[ndarray, " actions"],
    pages: list[float],
    d: int,
    generator: torch.Generator,
) -> EffectTable:
    """A table of effects: appeal, actions, pages, segments."""
    actions = [float(spread) for spread in action]
    spread = [appeal, *actions, *pages, *([0.5] * N_SEGMENTS)]
    sampled = [True, *([False] * len(actions)), *([True] * (len(pages) + N_SEGMENTS))]
    return EffectTable(features, spread, sampled, d, generator)
