"""Strengths that decide what a good ranker can reach: taste, and how much satisfaction moves each action.

Random exposures fix levels, not strengths. These start where the stand-in ranker of `selector` gives the figures of
the standard log.

Axes: `actions`; `users`.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float64

from user_models.fit.calibrate import Crowd, RandomTargets, calibrate_actions, calibrate_watching, draw_crowd
from user_models.fit.expected import Watching, expected_actions, expected_watching
from user_models.fit.selector import Selector, selected_crowd
from user_models.kernel import HATE
from user_models.ladder import CLICK_RUNG
from user_models.parameters import Status
from user_models.published import RANDOM_CLICK_RATE_SPREAD, REGIMES, SESSIONS_PER_DAY, VIEWS_PER_DAY
from user_models.world import ACTIONS, USER_LATENTS, World

_USERS: Final = 8_000
_ROUNDS: Final = 5
_TASTE: Final = (0.2, 1.8)
_PULL: Final = (0.05, 3.0)
_SPREAD_KEPT: Final = 0.84
"""Share of the published random spread that is aimed at, as the published standard spread asks for about 0.7 of it."""
_STAND_IN: Final = "set so that a stand-in ranker reaches the standard figures; refined by simulator.calibration"


def tune_strengths(world: World, selector: Selector) -> World:
    """Set how much users differ, then `watch.taste`, `action_satisfaction`, and what sessions and moods depend on.

    All but the first by the stand-in ranker.
    """
    tasted = _tune_pulls(_tune_taste(spread_users(world), selector), selector)
    return tune_sessions(tasted, selector)


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


def tune_sessions(world: World, selector: Selector) -> World:
    """Set the usual mood, and the cost of a view so that sessions keep their published length, by the stand-in."""
    watching = _watch(world, selected_crowd(world, _USERS, selector))
    mood = float(watching.satisfaction.mean())
    set_mood = with_parameter(world, "returning.mood_usual", mood, "fitted", "mean satisfaction under the stand-in")
    length = VIEWS_PER_DAY / SESSIONS_PER_DAY
    scale = float((1 / view_cost(world, watching)).mean()) * length / (length - 0.5)
    source = f"sessions of {length:.0f} views on average (27K) under the stand-in"
    return with_parameter(set_mood, "leaving.cost_scale", scale, "fitted", source)


def view_cost(world: World, watching: Watching) -> Float64[np.ndarray, " users"]:
    """Patience that a view of each user costs on average, before `leaving.cost_scale`; see `kernel.tire`.

    Views skipped with chance s follow a run of skips: the excess over one skip in a row is s^2 / (1 - s) on average.
    """
    skip = np.minimum(watching.skip, 0.95)
    pleasure = watching.satisfaction.mean(axis=1, dtype=np.float64)
    runs = world.value("leaving.skips") * skip**2 / (1 - skip)
    return np.maximum(0.1, 1 - world.value("leaving.satisfaction") * pleasure + runs)


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


def _tune_pulls(world: World, selector: Selector) -> World:
    """Move each action's pull of satisfaction by log(wanted / found) per unit of satisfaction gained."""
    wanted = np.array([REGIMES["base"][name] for name in ACTIONS])
    random = np.array([REGIMES["random"][name] for name in ACTIONS])
    crowd = selected_crowd(world, 5 * _USERS, selector)
    watching = _watch(world, crowd)
    gained = max(0.1, float(watching.satisfaction.mean()))
    for _ in range(_ROUNDS):
        found = _actions(world, crowd, watching)
        pull = world.tables.action_satisfaction + 0.7 * np.log(wanted / found) / gained
        signed = np.where(np.arange(len(ACTIONS)) == HATE, -np.clip(-pull, *_PULL), np.clip(pull, *_PULL))
        world = calibrate_actions(world.with_tables(action_satisfaction=signed.astype(np.float32)), random)
    return world


def _watch(world: World, crowd: Crowd) -> Watching:
    """What becomes of a crowd's views."""
    return expected_watching(crowd.users, crowd.videos, crowd.slates, world.rules(1.0))


def _actions(world: World, crowd: Crowd, watching: Watching) -> Float64[np.ndarray, " actions"]:
    """Rates of a crowd's actions."""
    return expected_actions(crowd.users, crowd.videos, crowd.slates, world.rules(1.0), watching)
