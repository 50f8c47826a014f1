"""Strengths that limit a ranker's gain: the spread between users, and taste.

Random exposures fix levels, not strengths. Taste starts where the stand-in ranker of `selector` gives the click rate of
the standard log.
"""

from typing import Final

from user_models.dynamics.watch_thresholds import CLICK_THRESHOLD
from user_models.fit.matching.expected_outcomes import Watching, expected_watching
from user_models.fit.matching.random_exposure import Crowd, RandomTargets, calibrate_watching, draw_crowd
from user_models.fit.matching.standin_ranker import Selector, selected_crowd
from user_models.world.world import World

_USERS: Final = 8_000
_ROUNDS: Final = 5
_TASTE: Final = (0.2, 1.8)
_SPREAD_KEPT: Final = 0.84
"""Share of the published random spread that is aimed at, as the published standard spread asks for about 0.7 of it."""
_STAND_IN: Final = (
    "set so that a stand-in ranker reaches the standard figures; refined by simulator.calibration.calibrate"
)


def tune_strengths(world: World, selector: Selector) -> World:
    """Tune the spread between users, then `watch.taste`, with the stand-in ranker."""
    return _tune_taste(spread_users(world), selector)


def spread_users(world: World) -> World:
    """Scale the appeal of users until their click rates under random exposures differ nearly as much as published.

    The fit tells users apart by few rows each; its spread is a lower bound.
    """
    for _ in range(_ROUNDS):
        world = calibrate_watching(world, RandomTargets.of(world.targets.random))
        crowd = draw_crowd(world, 2_000, 100)
        spread = _watch(world, crowd).passing(CLICK_THRESHOLD).std()
        world = world.with_scaled_latent("appeal", _SPREAD_KEPT * world.targets.random_click_spread / float(spread))
    return world


def _tune_taste(world: World, selector: Selector) -> World:
    """Bisect on taste until the stand-in reaches the standard click rate; return the nearer end if it cannot."""
    wanted = RandomTargets.of(world.targets.random)
    low, high = _TASTE
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        crowd_world = calibrate_watching(_with_taste(world, middle), wanted)
        click = _watch(crowd_world, selected_crowd(crowd_world, _USERS, selector)).click
        low, high = (middle, high) if click < world.targets.base.click else (low, middle)
    return calibrate_watching(_with_taste(world, (low + high) / 2), wanted)


def _with_taste(world: World, value: float) -> World:
    return world.with_values({"watch.taste": value}, source=_STAND_IN)


def _watch(world: World, crowd: Crowd) -> Watching:
    return expected_watching(crowd.users, crowd.videos, crowd.slates, world.rules(1.0))
