"""Parameter recovery: simulate a world under random slates and refit it from its rows.

Slates hold one video, so that a user's state can be read before every view. The videos' effects, each user's taste and
state, and the weights of satisfaction are known. Estimated are the pass logits at their nodes, the coefficient of
appeal, the effects of hours, taste, momentum, satiation and habituation, each action's levels by stage and its
coefficient of satisfaction, and one appeal and one effect on each action per user.
"""

from dataclasses import fields, replace
from typing import Final

import numpy as np
from jaxtyping import Float64

from policies.base import Event
from simulator.rollout.catalogue import RolloutSettings, Size
from simulator.rollout.population import Block
from simulator.rollout.request import respond
from simulator.validation.random_requests import Request, random_rollout, requests
from user_models.dynamics.state import Users
from user_models.dynamics.watch_thresholds import threshold_seconds
from user_models.recovery.action_likelihood import ActTruth
from user_models.recovery.result import RecoveryResult, recover_from
from user_models.recovery.views import CONTEXT, RecoveryViews
from user_models.recovery.watch_likelihood import WatchTruth
from user_models.world.tables import ACTIONS
from user_models.world.world import World

USUAL: Final = Size(users=40, videos=3000, views_scale=1.0, n_days=5)
_EVENTS: Final = tuple(Event[name.upper()] for name in ACTIONS)
_COMMON: Final = -2.2
"""Logit of each action in the average view; rarer actions would leave most cells empty."""


def recover(world: World, size: Size = USUAL, seed: int = 0) -> RecoveryResult:
    """Simulate a world and refit it.

    The intercepts of the actions are raised until about one view in ten has each. The check is whether equations and
    estimator agree, for which rare actions are no better.

    Args:
        world: World with the parameters to recover.
        size: Few users with thousands of views each: a user's estimated effects then bias the shared parameters by
            much less than a standard error (Neyman and Scott, Econometrica 1948; Lancaster, J. Econometrics 2000).
        seed: Seed of the simulation.

    Raises:
        NoMaximumError: There are too few views.
    """
    settings, blocks = random_rollout(world, size, 1, seed)
    world_to_fit = _with_common_actions(settings, blocks[0].users)
    settings, blocks = random_rollout(world_to_fit, size, 1, seed)
    days = range(size.first_day, size.first_day + size.n_days)
    views = watch(settings, blocks[0], days)
    user_ids, user_row = np.unique(views.user, return_inverse=True)
    users = Users(*(array[user_ids] for array in blocks[0].users))
    return recover_from(
        replace(views, user=user_row), watch_truth(world_to_fit, users), act_truths(world_to_fit, users)
    )


def watch(settings: RolloutSettings, block: Block, days: range) -> RecoveryViews:
    """Simulate a block under random slates; views are in order of time."""
    request_views = [_views(settings, request) for request in requests(settings, block, days)]
    columns = {
        f.name: np.concatenate([getattr(views, f.name) for views in request_views]) for f in fields(RecoveryViews)[:-1]
    }
    return RecoveryViews(**columns, noise=settings.platform.world.value("satisfaction.noise"))


def watch_truth(world: World, users: Users) -> WatchTruth:
    """True parameters of the watch thresholds."""
    t = world.tables
    return WatchTruth(
        node_log_duration=t.node_log_duration.astype(np.float64),
        stage=t.stage.astype(np.float64),
        slope=t.slope.astype(np.float64),
        hour_effect=t.hour_effect.astype(np.float64),
        context=np.array([world.value(name) for name in CONTEXT]),
        user_appeal=users.appeal.astype(np.float64),
    )


def act_truths(world: World, users: Users) -> tuple[ActTruth, ...]:
    """True parameters of the actions."""
    t = world.tables
    cell = (t.action_base[:, None] + t.action_stage).astype(np.float64)
    user_effects = users.action.astype(np.float64)
    return tuple(
        ActTruth(name, cell[a], float(t.action_satisfaction[a]), user_effects[:, a]) for a, name in enumerate(ACTIONS)
    )


def _with_common_actions(settings: RolloutSettings, users: Users) -> World:
    """Raise the intercepts of the actions to `_COMMON`."""
    t = settings.platform.world.tables
    usual = t.action_stage.mean(axis=1) + users.action.mean(axis=0) + settings.platform.videos.action.mean(axis=0)
    return settings.platform.world.with_tables(action_base=(_COMMON - usual).astype(np.float32))


def _views(settings: RolloutSettings, request: Request) -> RecoveryViews:
    """Read the users' state, simulate their responses, and return both."""
    regressors = _regressors(settings, request)
    response = respond(settings, request.block, request.ring, request.day, request.rows, request.slates)
    video = request.slates[:, 0]
    videos = request.ring.videos
    events = response.events[:, 0]
    thresholds_s = threshold_seconds(videos.duration_s[video])
    return RecoveryViews(
        user=request.block.user_id[request.rows],
        hour=request.block.state.hour[request.rows].astype(np.int64),
        log_duration=np.log(videos.duration_s[video].astype(np.float64)),
        exists=np.diff(thresholds_s, axis=1, prepend=-1) > 0,
        passed=(thresholds_s < response.watch_s).sum(axis=1),
        acted=np.stack([(events & event.value) > 0 for event in _EVENTS], axis=1),
        video_appeal=videos.appeal[video].astype(np.float64),
        context=regressors[0],
        video_action=videos.action[video] + np.outer(regressors[0][:, 0], settings.platform.rules.action_match),
        satisfaction=regressors[1],
        noise=0.0,
    )


def _regressors(
    settings: RolloutSettings, request: Request
) -> tuple[Float64[np.ndarray, "rows context"], Float64[np.ndarray, " rows"]]:
    """Compute the regressors of `CONTEXT` and the satisfaction that features predict, before the view."""
    rows, video, state = request.rows, request.slates[:, 0], request.block.state
    topic = request.ring.videos.topic[video].astype(np.float64)
    bait, quality = (request.ring.videos.bait[video], request.ring.videos.quality[video])
    match = ((request.block.users.taste[rows] + state.leaning[rows]) * topic).sum(axis=1)
    context = [
        match,
        state.clicked[rows] - 0.5,
        -(state.seen[rows] * topic).sum(axis=1),
        -np.maximum(0, state.wary[rows]) * bait,
    ]
    rules = settings.platform.rules
    satisfaction = rules.weight_taste * match + rules.weight_quality * quality - rules.weight_bait * bait
    return np.stack(context, axis=1).astype(np.float64), satisfaction.astype(np.float64)
