"""Matching both regimes: the fitted world is tuned until the same users give the random and the standard figures.

The rows that a world is fitted on were chosen by a ranker, so the fit alone cannot say how users meet random videos,
nor how far a ranker can lift them. Both gaps are closed by simulated moments (McFadden, Econometrica 1989): levels
are set so that random videos get the real random figures (`calibrate_random`), and a few strengths so that `base`,
a real ranker trained in the world, gets the real standard figures.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

import numpy as np

from simulator.experiment import Progress
from simulator.regimes import Regimes, measure_regimes, regime_spec
from user_models.data.folder import open_folder
from user_models.fit import calibrate_random, fit_world
from user_models.published import REGIMES, RETURN_GAP, VIEWS_PER_DAY
from user_models.store import save_world
from user_models.world import ACTIONS, World

STEPS: Final = 6
"""Simulated tests from which the strengths are found."""
USERS: Final = 4_000
"""Users in each of them."""
_SEED: Final = 20_220_425
_LONG, _COMPLETE = 3, 4


@final
@dataclass(frozen=True)
class Lever:
    """A strength that answers for one figure under `base` while random figures are held.

    Attributes:
        name: For messages.
        gap: log(real / simulated) of its figure, from the figures under `base`.
        read: The strength in a world.
        write: A world with another strength.
        first: Change of the strength per unit of gap at the first step; later steps learn it (secant).
        low: Least value.
        high: Greatest value.
    """

    name: str
    gap: Callable[[dict[str, float]], float]
    read: Callable[[World], float]
    write: Callable[[World, float], World]
    first: float
    low: float
    high: float


@final
@dataclass(frozen=True)
class Trial:
    """A world that was tried.

    Attributes:
        world: As it was measured.
        gaps: log(real / simulated) of each lever's figure.
        distance: Sum of squared log ratios, simulated over real, of what `base` gives.
    """

    world: World
    gaps: list[float]
    distance: float


def fit_and_calibrate(data: Path, out: Path, name: str, seed: int, workers: int, progress: Progress) -> World:
    """Fit a world, match both regimes, and store it.

    Raises:
        DataError: The KuaiRand folder is damaged.
        WorldError: `out` is not empty or cannot be written.
    """
    world = calibrate(fit_world(open_folder(data), name, seed).world, workers, progress)
    save_world(world, out)
    return world


def calibrate(world: World, workers: int, progress: Progress) -> World:
    """Tune the strengths until `base` gives the standard figures; keep the best of all steps."""
    levers = _levers()
    tried: list[Trial] = []
    for step in range(STEPS):
        progress("matching both regimes", step, STEPS)
        world = calibrate_random(world)
        measured = measure_regimes(world, regime_spec(USERS, _SEED), workers, _silent)
        tried.append(_trial(world, measured, levers))
        world = _activity(_move(levers, tried), measured)
    return _settled(min(tried, key=lambda trial: trial.distance).world)


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Show no progress."""


def _trial(world: World, measured: Regimes, levers: list[Lever]) -> Trial:
    """How near a world comes.

    What counts is the lift of `base` over `random`: the same users are in both, so those few who act the most, and
    differ from sample to sample, cancel.
    """
    ratio = {(row.regime, row.figure): row.ratio for row in measured.rows}
    lifted = {f: real * ratio["base", f] / ratio["random", f] for f, real in REGIMES["base"].items()}
    distance = sum(math.log(lifted[f] / real) ** 2 for f, real in REGIMES["base"].items())
    return Trial(world, [lever.gap(lifted) for lever in levers], distance)


def _move(levers: list[Lever], tried: list[Trial]) -> World:
    """The next world to try: each lever moves by its own gap, at the rate that its last two steps showed."""
    world = tried[-1].world
    for index, lever in enumerate(levers):
        value, gap, rate = lever.read(world), tried[-1].gaps[index], lever.first
        if len(tried) > 1:
            moved = lever.read(tried[-1].world) - lever.read(tried[-2].world)
            closed = tried[-2].gaps[index] - gap
            if abs(closed) > 1e-3 and moved / closed > 0:
                rate = float(np.clip(moved / closed, lever.first / 2, lever.first * 2))
        world = lever.write(world, float(np.clip(value + rate * gap, lever.low, lever.high)))
    return world


def _activity(world: World, measured: Regimes) -> World:
    """Patience and loyalty set so that `base` gives the published views per day and share of active days."""
    cost = world.value("leaving.cost_scale") * measured.views_per_user_day / VIEWS_PER_DAY
    have, want = (math.log(p / (1 - p)) for p in (measured.return_share, RETURN_GAP[0]))
    logits = world.tables.return_logit + np.float32(want - have)
    return world.with_values({"leaving.cost_scale": cost}).with_tables(return_logit=logits)


def _settled(world: World) -> World:
    """The world with the provenance of what was tuned."""
    source = "simulated moments: `base` in this world gives the published standard figures"
    fitted = {"watch.taste", "leaving.cost_scale"}
    parameters = {
        name: p.model_copy(update={"status": "fitted", "source": source}) if name in fitted else p
        for name, p in world.parameters.items()
    }
    slope = f"{world.provenance['slope']}; from 7 s to the end by {source}"
    provenance = {**world.provenance, "slope": slope, "action_satisfaction": f"fitted: {source}"}
    return replace(world, parameters=parameters, provenance=provenance)


def _levers() -> list[Lever]:
    """Taste for clicks; the pull of appeal above the click for long views and completes; one per action."""
    watch = [
        Lever("taste", _gap("click"), _taste, _with_taste, 1.2, 0.1, 3.0),
        _slope_lever("long_view", "click", _LONG),
        _slope_lever("complete", "long_view", _COMPLETE),
    ]
    return watch + [_action_lever(index) for index in range(len(ACTIONS))]


def _gap(figure: str, over: str | None = None) -> Callable[[dict[str, float]], float]:
    """log(real / simulated) of a figure under `base`, or of its ratio to another."""

    def gap(simulated: dict[str, float]) -> float:
        real = REGIMES["base"]
        ours, theirs = simulated[figure], real[figure]
        if over is not None:
            ours, theirs = ours / simulated[over], theirs / real[over]
        return math.log(theirs / ours)

    return gap


def _taste(world: World) -> float:
    return world.value("watch.taste")


def _with_taste(world: World, value: float) -> World:
    return world.with_values({"watch.taste": value})


def _slope_lever(figure: str, over: str, stretch: int) -> Lever:
    """The slope of one stretch of the ladder answers for the share that goes on from the rung below."""

    def write(world: World, value: float) -> World:
        slope = world.tables.slope.copy()
        slope[stretch] = value
        return world.with_tables(slope=slope)

    return Lever(figure, _gap(figure, over), lambda world: float(world.tables.slope[stretch]), write, 0.5, 0.0, 3.0)


def _action_lever(index: int) -> Lever:
    """The pull of satisfaction on an action answers for how much a ranker lifts it."""

    def write(world: World, value: float) -> World:
        pull = world.tables.action_satisfaction.copy()
        pull[index] = value
        return world.with_tables(action_satisfaction=pull)

    name = ACTIONS[index]
    return Lever(name, _gap(name), lambda world: float(world.tables.action_satisfaction[index]), write, 1.0, -3.0, 3.0)
