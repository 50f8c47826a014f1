"""Levels and slopes of the ladder from both regimes at once, on given meetings.

The production ranker's log says how long its views last at every length of video; random exposures say how long
views last that nobody chose. The gap between the two is carried by appeal, which a ranker raises: so the log sets the
levels rung by rung, and the gap sets how strongly appeal pulls on each part of the ladder.

Axes: `classes` of duration; `parts` of the ladder (to 7 s, to 18 s, to the end); `rungs`; `levers` groups of rungs; `n`
meetings.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int64

from user_models.fit.calibrate import LEVER, N_LEVERS, RandomTargets
from user_models.fit.meetings import Meetings, Outcome, mean_seconds, outcome
from user_models.fit.rows import Rows
from user_models.ladder import CLICK_RUNG, COMPLETE_RUNG, LONG_RUNG, N_RUNGS, rungs
from user_models.world import World

EDGES: Final = np.array([7.0, 15.0, 18.0, 30.0, 60.0, 120.0, 300.0])
"""Seconds that part the classes of duration."""
KNOTS: Final = np.log([6.0, 11.0, 16.5, 24.0, 44.0, 88.0, 185.0, 400.0])
"""Where the shift of each class applies in full; between them it is interpolated."""
_PART: Final = np.searchsorted([CLICK_RUNG, LONG_RUNG, COMPLETE_RUNG], np.arange(N_RUNGS))
"""Which part each rung is in; replays are a fourth, with levels from the log alone."""
_PART_OF_STRETCH: Final = np.array([0, 0, 0, 1, 2, -1])
"""Which part's gap each stretch of the ladder answers for; replays keep their slope."""
_ROUNDS: Final = 15
_STEP: Final = 0.05
_LARGEST: Final = 0.7
_SLOPE: Final = (0.25, 2.5)
_FEW: Final = 30.0
"""A rung that fewer views of a class reach is left as it is."""
_SHRINK: Final = 0.7
_LEAST_GAP: Final = 0.05


@final
@dataclass(frozen=True)
class Climbs:
    """How views of the standard log climb, by class of duration.

    Attributes:
        reached: Views that came to a rung.
        passed: Views that passed it.
    """

    reached: Float64[np.ndarray, "classes rungs"]
    passed: Float64[np.ndarray, "classes rungs"]

    def log_odds(self) -> Float64[np.ndarray, "classes rungs"]:
        """Of passing each rung; a count of one half on either side keeps it finite."""
        return np.log((self.passed + 0.5) / (self.reached - self.passed + 0.5))


def climbs(rows: Rows) -> Climbs:
    """Count the climbs of a log, all pages together: a world has one feed for all of them."""
    rung = np.arange(N_RUNGS)
    reached = rows.stands & (rung <= rows.passed[:, None])
    passed = rows.stands & (rung < rows.passed[:, None])
    kind = classes(np.exp(rows.log_duration.astype(np.float64)))
    return Climbs(_by_class(reached, kind), _by_class(passed, kind))


def classes(duration_s: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Class of duration; a length on an edge belongs below it."""
    return np.searchsorted(EDGES, duration_s, side="left")


@final
@dataclass(frozen=True)
class Aims:
    """What both regimes shall give.

    Attributes:
        climbs: Of the standard log.
        base: Overall figures under the production ranker.
        random: Overall figures of random exposures.
    """

    climbs: Climbs
    base: RandomTargets
    random: RandomTargets


def match_watching(world: World, random: Meetings, base: Meetings, aims: Aims, damping: float = 1.0) -> World:
    """The same world with ladder and slopes such that both kinds of meetings give what they shall.

    Alternates two fixed points: every rung's level by the log-odds that its class lacks under `base`, and every slope
    by the ratio of the wanted gap between the regimes to the present one. A ranker finds more where slopes are
    steeper; so slopes may be moved by part of the way only, the levels then being those that random exposures ask for.

    Args:
        world: Where the meetings came about.
        random: Views under random slates.
        base: Views under the production-like ranker.
        aims: Figures to meet.
        damping: Share of the way that slopes go, on a log scale; 1 for all of it.
    """
    goal = _logit(_conditional(np.array([[aims.random.click], [aims.random.long_view], [aims.random.complete]])))[:, 0]
    wanted = _wanted_climbs(base, aims)
    found = world
    for _ in range(_ROUNDS):
        found = _steepen(_level(found, base, wanted), random, base, goal)
    part_of_way = (found.tables.slope / world.tables.slope) ** damping
    found = found.with_tables(slope=(world.tables.slope * part_of_way).astype(np.float32))
    shift = np.zeros(3)
    for _ in range(_ROUNDS):
        found = _level(found, base, wanted + np.append(shift, 0.0)[_PART])
        shift += _SHRINK * (goal - _overall(found, random))
    return found


def _level(world: World, base: Meetings, wanted: Float64[np.ndarray, "classes rungs"]) -> World:
    """One step of the ladder's levels towards wanted log-odds; NaN where the log has too few views."""
    found = _climbs(outcome(world, base), base)
    gap = np.where(found.reached >= _FEW, wanted - found.log_odds(), 0)
    shift = np.clip(np.nan_to_num(gap), -_LARGEST, _LARGEST)
    return world.with_tables(stage=(world.tables.stage + _at_nodes(world, shift)).astype(np.float32))


def _wanted_climbs(base: Meetings, aims: Aims) -> Float64[np.ndarray, "classes rungs"]:
    """Log-odds of every rung, each lever's shifted until the overall figures come out (Gauss-Newton)."""
    known = aims.climbs.reached >= _FEW
    log_odds = np.where(known, aims.climbs.log_odds(), np.nan)
    kind = classes(base.duration_s.astype(np.float64))
    count = np.maximum(np.bincount(kind, minlength=len(KNOTS)), 1e-9)
    share = count / len(base)
    rungs_s = rungs(base.duration_s)
    seconds = _by_class(mean_seconds(rungs_s), kind) / count[:, None]
    stands = _by_class(np.diff(rungs_s, axis=1, prepend=-1) > 0, kind) / count[:, None]
    goal = _log_figures(np.array([aims.base.click, aims.base.long_view, aims.base.complete]), aims.base.watch_s)
    shift = np.zeros(N_LEVERS)

    def figures(at: Float64[np.ndarray, " levers"]) -> Float64[np.ndarray, " 4"]:
        chance = 1 - np.where(known, stands / (1 + np.exp(np.nan_to_num(log_odds) + at[LEVER])), 0)
        edge = np.ones((len(KNOTS), 1))
        survival = np.concatenate([edge, np.cumprod(chance, axis=1), 0 * edge], axis=1)
        nested = share @ survival[:, np.array([CLICK_RUNG, LONG_RUNG, COMPLETE_RUNG]) + 1]
        return _log_figures(nested, float(share @ (-np.diff(survival, axis=1) * seconds).sum(axis=1)))

    for _ in range(_ROUNDS):
        now = figures(shift)
        slopes = np.stack([figures(shift + _STEP * unit) - now for unit in np.eye(N_LEVERS)], axis=1) / _STEP
        shift = shift + np.clip(np.linalg.lstsq(slopes, goal - now)[0], -_LARGEST, _LARGEST)
    return log_odds + shift[LEVER]


def _steepen(world: World, random: Meetings, base: Meetings, goal: Float64[np.ndarray, " parts"]) -> World:
    """One step of the slopes: the gap between the regimes, as it is and as it shall be.

    One factor per part for all lengths of video: gaps by length are small differences of noisy figures.
    """
    at_random, at_base = _overall(world, random), _overall(world, base)
    ratio = np.clip((at_base - goal) / np.maximum(at_base - at_random, _LEAST_GAP), 0.7, 1.4) ** _SHRINK
    factor = np.where(_PART_OF_STRETCH >= 0, ratio[_PART_OF_STRETCH], 1)
    return world.with_tables(slope=np.clip(world.tables.slope * factor, *_SLOPE).astype(np.float32))


def _overall(world: World, met: Meetings) -> Float64[np.ndarray, " parts"]:
    """Log-odds of click, long view given click, complete given long view."""
    return _logit(_conditional(outcome(world, met).nested().mean(axis=1, keepdims=True)))[:, 0]


def _conditional(rates: Float64[np.ndarray, "3 k"]) -> Float64[np.ndarray, "3 k"]:
    """Each nested rate as a share of the one before."""
    return np.concatenate([rates[:1], rates[1:] / np.maximum(rates[:-1], 1e-9)])


def _log_figures(nested: Float64[np.ndarray, " 3"], watch_s: float) -> Float64[np.ndarray, " 4"]:
    """Logs of the conditional shares and of seconds per view."""
    return np.log(np.append(_conditional(nested[:, None])[:, 0], watch_s))


def _logit(share: Float64[np.ndarray, "*any"]) -> Float64[np.ndarray, "*any"]:
    """Log-odds of a share, kept off its ends."""
    inside = np.clip(share, 1e-4, 1 - 1e-4)
    return np.log(inside / (1 - inside))


def _climbs(now: Outcome, met: Meetings) -> Climbs:
    """Expected climbs of meetings."""
    survival = np.cumsum(now.stages[:, ::-1], axis=1, dtype=np.float64)[:, ::-1]
    kind = classes(met.duration_s.astype(np.float64))
    return Climbs(_by_class(survival[:, :-1] * now.stands, kind), _by_class(survival[:, 1:] * now.stands, kind))


def _by_class(values: np.ndarray, kind: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, "classes rungs"]:
    """Sums over the rows of each class."""
    return np.stack([np.bincount(kind, weights=column, minlength=len(KNOTS)) for column in values.T], axis=1)


def _at_nodes(world: World, by_class: Float64[np.ndarray, "classes k"]) -> Float64[np.ndarray, "nodes k"]:
    """Values of the classes at the nodes of a world's tables."""
    nodes = world.tables.node_log_duration
    return np.stack([np.interp(nodes, KNOTS, column) for column in by_class.T], axis=1)
