"""Actions from both regimes at once, on given meetings: each action's level, and how strongly satisfaction pulls it.

Random exposures and the production ranker's log give one rate each; the level and the pull are what meets both, the
user's and video's own effects and the stage of the climb being given.

Axes: `actions`; `n` meetings; `stages` rungs passed.
"""

from typing import Final

import numpy as np
from jaxtyping import Float64

from user_models.fit.meetings import Meetings, Outcome, outcome
from user_models.world import World

_PULL: Final = (-3.0, 3.0)
"""Steeper, and a handful of delighted views would give most of the rare actions."""
_STEP: Final = 0.02
_ROUNDS: Final = 10
_LARGEST: Final = 1.0


def match_actions(
    world: World,
    random: Meetings,
    base: Meetings,
    rates: Float64[np.ndarray, "2 actions"],
    damping: float = 1.0,
) -> World:
    """The same world with action levels and pulls of satisfaction such that both kinds of meetings give their rates.

    Newton steps on the logs of the two rates. Where no pull within reason gives both, that of random exposures is met.

    Args:
        world: Where the meetings came about, its ladder already matched.
        random: Views under random slates.
        base: Views under the production-like ranker.
        rates: Wanted per view: random exposures first, the production ranker's second.
        damping: Share of the way that levels and pulls go; a few users give most of the rare actions, so that one
            crowd's meetings are to be trusted by half only.
    """
    met = (random, base)
    watched = tuple(outcome(world, each) for each in met)
    levels, pulls = world.tables.action_base.copy(), world.tables.action_satisfaction.copy()
    for action in range(len(levels)):
        start = np.array([levels[action], pulls[action]], np.float64)
        levels[action], pulls[action] = _solve(world, met, watched, action, start, np.log(rates[:, action]), damping)
    return world.with_tables(action_base=levels, action_satisfaction=pulls)


def _solve(
    world: World,
    met: tuple[Meetings, ...],
    watched: tuple[Outcome, ...],
    action: int,
    at: Float64[np.ndarray, " 2"],
    goal: Float64[np.ndarray, " 2"],
    damping: float,
) -> Float64[np.ndarray, " 2"]:
    """Level and pull of one action."""

    def rates(where: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, " 2"]:
        sides = zip(met, watched, strict=True)
        return np.log([_rate(world, each, seen, action, where) for each, seen in sides])

    first = at
    for _ in range(_ROUNDS):
        now = rates(at)
        slopes = np.stack([(rates(at + _STEP * unit) - now) / _STEP for unit in np.eye(2)], axis=1)
        at = at + np.clip(np.linalg.lstsq(slopes, goal - now)[0], -_LARGEST, _LARGEST)
        at[1] = np.clip(at[1], *_PULL)
    for _ in range(_ROUNDS):
        at[0] += goal[0] - rates(at)[0]
    return first + damping * (at - first)


def _rate(world: World, met: Meetings, watched: Outcome, action: int, at: Float64[np.ndarray, " 2"]) -> float:
    """Rate per view at a level and a pull."""
    mean = (at[0] + met.action[:, action] + at[1] * met.satisfaction).astype(np.float32)
    chance = 1 / (1 + np.exp(-(mean[:, None] + world.tables.action_stage[action])))
    return float((watched.stages * chance).sum(axis=1, dtype=np.float64).mean())
