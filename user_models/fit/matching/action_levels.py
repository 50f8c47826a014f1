"""Actions from both regimes at once, on given meetings: each action's level, and how strongly the match pulls it.

Random exposures and the production ranker's log give one rate each; the level and the pull are what meets both, the
user's and video's own effects, how many thresholds were passed and the pull of satisfaction being given. What a ranker
raises is the match. Satisfaction, of which it knows little, would have to pull so hard to lift likes as far that
whoever is pleased once would decide them all.

A few users give most of the rare actions, so no crowd is to be trusted with their rates: rates are those of all users
who are alike in profile, appeal and taste, whose own effects are integrated out (Gauss-Hermite).

Axes: `actions`; `n` meetings; `stages` thresholds passed.
"""

from typing import Final

import numpy as np
from jaxtyping import Float64

from user_models.dynamics.kernel import MOST_FELT
from user_models.fit.matching.expected_outcomes import ExpectedOutcome, SampledImpressions, outcome
from user_models.world.world import World

_PULL: Final = (-3.0, 3.0)
_STEP: Final = 0.02
_ROUNDS: Final = 10
_LARGEST: Final = 1.0
_CLOSE: Final = 1e-4
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
_SHARES = _WEIGHTS / _WEIGHTS.sum()


def match_actions(
    world: World,
    random: SampledImpressions,
    base: SampledImpressions,
    rates: Float64[np.ndarray, "2 actions"],
    damping: float = 1.0,
) -> World:
    """Shift action levels and match coefficients until both samples of impressions give their target rates.

    Newton steps on the logs of the two rates. Where no pull within reason gives both, that of random exposures is met.

    Args:
        world: Where the meetings came about, its watch times already matched.
        random: Views under random slates.
        base: Views under the production-like ranker.
        rates: Wanted per view: random exposures first, the production ranker's second.
        damping: Share of the way that pulls go; levels go all the way that random exposures then ask for.
    """
    met = (random, base)
    watched = tuple(outcome(world, each) for each in met)
    levels, pulls = world.tables.action_base.copy(), world.tables.action_match.copy()
    for action in range(len(levels)):
        start = np.array([levels[action], pulls[action]], np.float64)
        levels[action], pulls[action] = _solve(world, met, watched, action, start, np.log(rates[:, action]), damping)
    return world.with_tables(action_base=levels, action_match=pulls)


def _solve(
    world: World,
    met: tuple[SampledImpressions, ...],
    watched: tuple[ExpectedOutcome, ...],
    action: int,
    at: Float64[np.ndarray, " 2"],
    goal: Float64[np.ndarray, " 2"],
    damping: float,
) -> Float64[np.ndarray, " 2"]:
    """Level and pull of one action."""

    def rates(where: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, " 2"]:
        sides = zip(met, watched, strict=True)
        return np.log([_rate(world, each, seen, action, where) for each, seen in sides])

    first = at[1]
    for _ in range(_ROUNDS):
        now = rates(at)
        if np.abs(goal - now).max() < _CLOSE:
            break
        slopes = np.stack([(rates(at + _STEP * unit) - now) / _STEP for unit in np.eye(2)], axis=1)
        at = at + np.clip(np.linalg.lstsq(slopes, goal - now)[0], -_LARGEST, _LARGEST)
        at[1] = np.clip(at[1], *_PULL)
    at[1] = first + damping * (at[1] - first)
    for _ in range(_ROUNDS):
        short = goal[0] - np.log(_rate(world, met[0], watched[0], action, at))
        at[0] += short
        if abs(short) < _CLOSE:
            break
    return at


def _rate(
    world: World, met: SampledImpressions, watched: ExpectedOutcome, action: int, at: Float64[np.ndarray, " 2"]
) -> float:
    """Compute the rate per view at a level and a match coefficient, averaged over similar users."""
    t = world.tables
    felt = t.action_satisfaction[action] * np.clip(met.satisfaction, -MOST_FELT, MOST_FELT)
    mean = at[0] + met.action[:, action] + felt + at[1] * met.match
    total = 0.0
    for node, share in zip(_NODES, _SHARES, strict=True):
        logit = (mean + node * met.action_spread[:, action]).astype(np.float32)[:, None] + t.action_stage[action]
        total += share * float((watched.stages / (1 + np.exp(-logit))).sum(axis=1, dtype=np.float64).mean())
    return total
