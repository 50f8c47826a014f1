"""Strengths that decide what a good ranker can reach: how much users differ, and taste.

Random exposures fix levels, not strengths. Taste starts where the stand-in ranker of `selector` gives the click rate of
the standard log.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from user_models.dynamics.watch_thresholds import CLICK_RUNG
from user_models.fit.matching.expected_outcomes import Watching, expected_watching
from user_models.fit.matching.random_exposure import Crowd, RandomTargets, calibrate_watching, draw_crowd
from user_models.fit.matching.standin_ranker import Selector, selected_crowd
from user_models.published import RANDOM_CLICK_RATE_SPREAD, REGIMES
from user_models.world.parameters import Status
from user_models.world.world import USER_LATENTS, World

_USERS: Final = 8_000
_ROUNDS: Final = 5
_TASTE: Final = (0.2, 1.8)
_SPREAD_KEPT: Final = 0.84
"""Share of the published random spread that is aimed at, as the published standard spread asks for about 0.7 of it."""
_STAND_IN: Final = (
    "set so that a stand-in ranker reaches the standard figures; refined by simulator.calibration.calibrate"
)


def tune_strengths(world: World, selector: Selector) -> World:
    """Set how much users differ, then `watch.taste` by the stand-in ranker."""
    return _tune_taste(spread_users(world), selector)


def spread_users(world: World) -> World:
    """Scale the appeal of users until their click rates under random exposures differ nearly as much as published.

    The fit tells users apart by few rows each; its spread is a lower bound.
    """
    for _ in range(_ROUNDS):
        world = calibrate_watching(world, RandomTargets())
        crowd = draw_crowd(world, 2_000, 100)
        found = _watch(world, crowd).passing(CLICK_RUNG).std()
        world = _with_user_appeal(world, _SPREAD_KEPT * RANDOM_CLICK_RATE_SPREAD / float(found))
    return world


def _with_user_appeal(world: World, factor: float) -> World:
    """The same world with the appeal of users stretched around 0."""
    at = USER_LATENTS.index("appeal")
    mean, root = world.tables.user_mean.copy(), world.tables.user_root.copy()
    mean[:, at] *= np.float32(factor)
    root[at] *= np.float32(factor)
    return world.with_tables(user_mean=mean, user_root=root)


def with_parameter(world: World, name: str, value: float, status: Status, source: str) -> World:
    """The same world with one scalar set and its provenance told."""
    changed = world.parameters[name].model_copy(update={"value": value, "status": status, "source": source})
    return replace(world, parameters={**world.parameters, name: changed})


def _tune_taste(world: World, selector: Selector) -> World:
    """Bisection on taste until the stand-in reaches the standard click rate; the nearer end where it cannot."""
    low, high = _TASTE
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        crowd_world = calibrate_watching(_with_taste(world, middle), RandomTargets())
        click = _watch(crowd_world, selected_crowd(crowd_world, _USERS, selector)).click
        low, high = (middle, high) if click < REGIMES["base"]["click"] else (low, middle)
    return calibrate_watching(_with_taste(world, (low + high) / 2), RandomTargets())


def _with_taste(world: World, value: float) -> World:
    """The same world with another strength of taste."""
    return with_parameter(world, "watch.taste", value, "assumed", _STAND_IN)


def _watch(world: World, crowd: Crowd) -> Watching:
    """What becomes of a crowd's views."""
    return expected_watching(crowd.users, crowd.videos, crowd.slates, world.rules(1.0))
