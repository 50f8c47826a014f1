"""Pass logits and slopes from both logging policies at once, on given meetings.

The production ranker's log says how long its views last at every length of video; random exposures say how long
views last that nobody chose. The gap between the two is carried by appeal, which a ranker raises: so the log sets the
level of every threshold, and the gap sets how strongly appeal pulls on each part of the thresholds. What a log of some
ten days says of click, long view and complete play gives way to the figures published for the whole of it.

Axes: `classes` of duration; `lengths` classes of published figures; `parts` of the thresholds (to 7 s, to 18 s, to the
end); `thresholds`; `n` meetings.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float32, Float64, Int64

from user_models.dynamics.watch_thresholds import CLICK_THRESHOLD, COMPLETE_THRESHOLD, LONG_VIEW_THRESHOLD, N_THRESHOLDS
from user_models.fit.matching.expected_outcomes import ExpectedOutcome, SampledImpressions, outcome
from user_models.fit.matching.random_exposure import RandomTargets
from user_models.fit.rows.log_rows import LogRows
from user_models.targets import DURATION_EDGES, RATES, LengthRates
from user_models.world.world import World

EDGES: Final = np.array([7.0, 15.0, 18.0, 30.0, 60.0, 120.0, 300.0])
"""Seconds that part the classes of duration."""
KNOTS: Final = np.log([6.0, 11.0, 16.5, 24.0, 44.0, 88.0, 185.0, 400.0])
"""Where the shift of each class applies in full; between them it is interpolated."""
_PART: Final = np.searchsorted([CLICK_THRESHOLD, LONG_VIEW_THRESHOLD, COMPLETE_THRESHOLD], np.arange(N_THRESHOLDS))
"""Which part each threshold is in; replays are a fourth, with levels from the log alone."""
_PART_OF_SEGMENT: Final = np.array([0, 0, 0, 1, 2, 3])
"""Which part's gap each segment of the thresholds answers for; the last is that in seconds."""
_PUBLISHED: Final = np.array([0, 0, 1, 1, 2, 3, 4, 4])
"""In which class of published figures each class of duration is."""
N_LENGTH_CLASSES: Final = len(DURATION_EDGES) + 1
_ROUNDS: Final = 20
_LARGEST: Final = 0.7
_SLOPE: Final = (0.25, 3.5)
_FEW: Final = 30.0
"""A threshold that fewer views of a class reach is left as it is."""
_SHRINK: Final = 0.7
_SLOWLY: Final = 0.4
"""Levels follow what is wanted of them one round later: a larger share would swing."""
_LEAST_GAP: Final = 0.05
_SMALL_GAP: Final = 0.3
"""Gaps in log-odds smaller than this, which lengths within a class can turn round, are not taken by their ratio."""
_LARGEST_TURN: Final = 0.35
_MOST: Final = 0.8
"""Log-odds by which the passes may differ from the log's at most, so that a threshold without a figure stays near."""


@final
@dataclass(frozen=True)
class PassCounts:
    """Counts of standard-log views at each threshold, by class of duration.

    Attributes:
        reached: Views that came to a threshold.
        passed: Views that passed it.
    """

    reached: Float64[np.ndarray, "classes thresholds"]
    passed: Float64[np.ndarray, "classes thresholds"]

    def log_odds(self) -> Float64[np.ndarray, "classes thresholds"]:
        """Return the log-odds of passing each threshold; half a count on either side keeps them finite."""
        return np.log((self.passed + 0.5) / (self.reached - self.passed + 0.5))


def pass_counts(rows: LogRows) -> PassCounts:
    """Count the passes of a log, all pages together: a world has one feed for all of them."""
    threshold = np.arange(N_THRESHOLDS)
    reached = rows.exists & (threshold <= rows.passed[:, None])
    passed = rows.exists & (threshold < rows.passed[:, None])
    kind = classes(np.exp(rows.log_duration.astype(np.float64)))
    return PassCounts(_by_class(reached, kind), _by_class(passed, kind))


def classes(duration_s: Float64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """Class of duration; a length on an edge belongs below it."""
    return np.searchsorted(EDGES, duration_s, side="left")


@final
@dataclass(frozen=True)
class LevelTargets:
    """Target figures of both logging policies.

    Attributes:
        pass_counts: Of the standard log.
        base: Overall figures under the production ranker.
        random: Overall figures of random exposures.
        base_by_length: Click, long view and complete play under the production ranker, by class of length.
        random_by_length: The same of random exposures.
    """

    pass_counts: PassCounts
    base: RandomTargets
    random: RandomTargets
    base_by_length: Float64[np.ndarray, "parts lengths"]
    random_by_length: Float64[np.ndarray, "parts lengths"]


def rates_by_length(rates: LengthRates) -> Float64[np.ndarray, "parts lengths"]:
    """Return rates by length; below 15 s a long view is a complete one, so the mean of both replaces both."""
    by_length = np.array([rates.figures()[name] for name in RATES])
    by_length[1:, 0] = by_length[1:, 0].mean()
    return by_length


def match_watching(
    world: World, random: SampledImpressions, base: SampledImpressions, aims: LevelTargets, damping: float = 1.0
) -> World:
    """Fit pass logits and slopes until both samples of impressions give their target figures.

    Alternates two fixed points: every threshold's level by the log-odds that its class lacks under `base`, and every
    slope by the ratio of the wanted gap between the regimes to the present one. A ranker finds more where slopes are
    steeper; so slopes may be moved by part of the way only, the levels then being those that random exposures ask for.

    Args:
        world: Where the meetings came about.
        random: Views under random slates.
        base: Views under the production-like ranker.
        aims: Figures to meet.
        damping: Share of the way that slopes go, on a log scale; 1 for all of it. What sets lengths apart goes its
            square: a ranker turns from lengths with flat slopes to those with steep ones, and from one step to the next
            they would swing.
    """
    goals = _Goals(_goal(aims.random, aims.random_by_length, random), _goal(aims.base, aims.base_by_length, base))
    known = aims.pass_counts.reached >= _FEW
    log_odds = np.where(known, aims.pass_counts.log_odds(), np.nan)
    found, shift, replays = world, np.zeros((N_LENGTH_CLASSES, 3)), 0.0
    met = _met(random, base)
    for _ in range(_ROUNDS):
        found = _level(found, base, log_odds + _by_threshold(shift, replays))
        shift = np.clip(shift + _SLOWLY * met * (goals.base - _conditionals(found, base)), -_MOST, _MOST)
        replays += _SLOWLY * _short_of_seconds(found, base, aims.base)
        found = _steepen(found, random, base, goals, _short_of_lift(found, random, base, aims))
    found = found.with_tables(slope=_part_of_way(world, found, base, damping))
    for _ in range(_ROUNDS):
        found = _level(found, base, log_odds + _by_threshold(shift, replays))
        shift = np.clip(shift + _SLOWLY * met * (goals.random - _conditionals(found, random)), -_MOST, _MOST)
        short = (_short_of_seconds(found, met, aim) for met, aim in ((random, aims.random), (base, aims.base)))
        replays += _SLOWLY * float(np.mean(list(short)))
    return found


def _part_of_way(
    world: World, found: World, base: SampledImpressions, damping: float
) -> Float32[np.ndarray, "nodes segments"]:
    """Interpolate the slopes of two worlds; the mean change over the views of `base` is common to all lengths."""
    turn, log_s = np.log(found.tables.slope / world.tables.slope), np.log(base.duration_s)
    common = np.array([np.interp(log_s, world.tables.node_log_duration, along).mean() for along in turn.T])
    return (world.tables.slope * np.exp(damping * common + damping**2 * (turn - common))).astype(np.float32)


def _short_of_seconds(world: World, met: SampledImpressions, wanted: RandomTargets) -> float:
    """Return the log-ratio of target to simulated seconds per view."""
    return float(np.log(wanted.watch_s / outcome(world, met).watch_s().mean()))


def _short_of_lift(world: World, random: SampledImpressions, base: SampledImpressions, aims: LevelTargets) -> float:
    """Return the ranker's target gain in log-seconds over its simulated gain."""
    wanted = np.log(aims.base.watch_s / aims.random.watch_s)
    now = np.log(outcome(world, base).watch_s().mean() / outcome(world, random).watch_s().mean())
    return float(wanted / max(now, _LEAST_GAP))


@final
@dataclass(frozen=True)
class _Goals:
    """Target log-odds of click, long view given click, complete given long view; by class of length."""

    random: Float64[np.ndarray, "lengths parts"]
    base: Float64[np.ndarray, "lengths parts"]


def _goal(
    overall: RandomTargets, by_length: Float64[np.ndarray, "parts lengths"], met: SampledImpressions
) -> Float64[np.ndarray, "lengths parts"]:
    """Log-odds by length, moved together half-way to where the meetings give the overall figures.

    With the lengths that are met the two may ask for different rates.
    """
    log_odds = _logit(_conditional(by_length))
    share = np.bincount(length_classes(met), minlength=N_LENGTH_CLASSES) / len(met)
    wanted = np.array([overall.click, overall.long_view, overall.complete])
    shift = np.zeros((3, 1))
    for _ in range(_ROUNDS):
        chance = 1 / (1 + np.exp(-(log_odds + shift)))
        now = np.cumprod(chance, axis=0) @ share
        shift += _logit(_conditional(wanted[:, None])) - _logit(_conditional(now[:, None]))
    return (log_odds + shift / 2).T


def length_classes(met: SampledImpressions) -> Int64[np.ndarray, " n"]:
    """Class of length in which figures are published."""
    return np.searchsorted(DURATION_EDGES, met.duration_s, side="right").astype(np.int64)


def _conditionals(world: World, met: SampledImpressions) -> Float64[np.ndarray, "lengths parts"]:
    """Log-odds of click, long view given click, complete given long view, by class of length."""
    kind, nested = length_classes(met), outcome(world, met).nested()
    sums = np.stack([np.bincount(kind, chance, N_LENGTH_CLASSES) for chance in nested])
    count = np.maximum(np.bincount(kind, minlength=N_LENGTH_CLASSES), 1)
    return _logit(_conditional(sums / count)).T


def _met(*samples: SampledImpressions) -> Float64[np.ndarray, "lengths 1"]:
    """1 for classes of length that all samples have, 0 for others, of which nothing is known."""
    counts = np.stack([np.bincount(length_classes(met), minlength=N_LENGTH_CLASSES) for met in samples])
    met_by_all = np.asarray((counts > 0).all(axis=0), np.float64)
    return met_by_all[:, None]


def _by_threshold(
    shift: Float64[np.ndarray, "lengths parts"], replays: float
) -> Float64[np.ndarray, "classes thresholds"]:
    """Shifts of the parts, and of replays, at each class and threshold."""
    parts = np.concatenate([shift, np.full((N_LENGTH_CLASSES, 1), replays)], axis=1)
    return np.clip(parts, -_MOST, _MOST)[_PUBLISHED][:, _PART]


def _level(world: World, base: SampledImpressions, wanted: Float64[np.ndarray, "classes thresholds"]) -> World:
    """Move the pass logits one step towards target log-odds; NaN where the log has too few views."""
    found = _expected_pass_counts(outcome(world, base), base)
    gap = np.where(found.reached >= _FEW, wanted - found.log_odds(), 0)
    shift = np.clip(np.nan_to_num(gap), -_LARGEST, _LARGEST)
    return world.with_tables(stage=(world.tables.stage + _at_nodes(world, shift)).astype(np.float32))


def _steepen(world: World, random: SampledImpressions, base: SampledImpressions, goals: _Goals, lift: float) -> World:
    """Move the slopes one step: by the target and simulated gap between the logging policies, by class of length.

    Replays take up what is lacking of the gap in seconds, for all lengths alike.
    """
    at_random, at_base = _conditionals(world, random), _conditionals(world, base)
    wanted, now = goals.base - goals.random, at_base - at_random
    size = np.maximum(np.maximum(np.abs(wanted), np.abs(now)), _SMALL_GAP)
    turn = _met(random, base) * np.clip((wanted - now) / size, -_LARGEST_TURN, _LARGEST_TURN)
    ratio = np.exp(_SHRINK * turn)
    by_segment = np.concatenate([ratio, np.full((N_LENGTH_CLASSES, 1), np.clip(lift, 0.8, 1.25))], axis=1)[_PUBLISHED][
        :, _PART_OF_SEGMENT
    ]
    factor = _at_nodes(world, by_segment)
    return world.with_tables(slope=np.clip(world.tables.slope * factor, *_SLOPE).astype(np.float32))


def _conditional(rates: Float64[np.ndarray, "3 k"]) -> Float64[np.ndarray, "3 k"]:
    """Each nested rate as a share of the one before."""
    return np.concatenate([rates[:1], rates[1:] / np.maximum(rates[:-1], 1e-9)])


def _logit(share: Float64[np.ndarray, "*any"]) -> Float64[np.ndarray, "*any"]:
    """Return the log-odds of a share clipped to [1e-4, 1 - 1e-4]."""
    inside = np.clip(share, 1e-4, 1 - 1e-4)
    return np.log(inside / (1 - inside))


def _expected_pass_counts(now: ExpectedOutcome, met: SampledImpressions) -> PassCounts:
    """Expected passes of impressions."""
    survival = np.cumsum(now.stages[:, ::-1], axis=1, dtype=np.float64)[:, ::-1]
    kind = classes(met.duration_s.astype(np.float64))
    return PassCounts(_by_class(survival[:, :-1] * now.exists, kind), _by_class(survival[:, 1:] * now.exists, kind))


def _by_class(values: np.ndarray, kind: Int64[np.ndarray, " n"]) -> Float64[np.ndarray, "classes thresholds"]:
    """Sums over the rows of each class."""
    return np.stack([np.bincount(kind, weights=column, minlength=len(KNOTS)) for column in values.T], axis=1)


def _at_nodes(world: World, by_class: Float64[np.ndarray, "classes k"]) -> Float64[np.ndarray, "nodes k"]:
    """Values of the classes at the nodes of a world's tables."""
    nodes = world.tables.node_log_duration
    return np.stack([np.interp(nodes, KNOTS, column) for column in by_class.T], axis=1)
