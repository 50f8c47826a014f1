"""Calibration of levels: shift pass logits and action bases to the rates of random exposures.

The rows of a fit were chosen by a ranker, so their levels are not those of random exposures. Shifts of five parts of
the watch thresholds (to 7 s, to 18 s, on the way to the end, at the end, replays) answer for four figures of watching.
Each action's base answers for its rate.

Axes: `users`; `k` videos of each; `thresholds`; `actions`; `levers`; `figures` click, long view, complete, seconds.
"""

from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from jaxtyping import Float64, Int32

from user_models.dynamics.state import Users, Videos
from user_models.dynamics.watch_thresholds import CLICK_THRESHOLD, COMPLETE_THRESHOLD, LONG_VIEW_THRESHOLD, N_THRESHOLDS
from user_models.errors import FitError
from user_models.fit.matching.expected_outcomes import Watching, expected_actions, expected_watching
from user_models.targets import Rates
from user_models.world.tables import ACTIONS
from user_models.world.world import World

PART: Final = np.searchsorted([CLICK_THRESHOLD, LONG_VIEW_THRESHOLD], np.arange(N_THRESHOLDS))
"""Which part each threshold is in: to 7 s, to 18 s, beyond."""
LEVER: Final = np.searchsorted(
    [CLICK_THRESHOLD, LONG_VIEW_THRESHOLD, COMPLETE_THRESHOLD - 1, COMPLETE_THRESHOLD], np.arange(N_THRESHOLDS)
)
"""Which lever moves each threshold: to 7 s, to 18 s, on the way to the end, at the end, replays."""
N_LEVERS: Final = 5
_STEP: Final = 0.05
_LARGEST: Final = 1.5
_ROUNDS: Final = 20
_NEARER: Final = "give rows whose regimes differ less"
_CLOSE: Final = 1e-3
"""Figures within this share of their targets are taken as met."""


@final
@dataclass(frozen=True)
class RandomTargets:
    """Target figures per view of random exposures.

    Attributes:
        click: Share played over 7 s or to the end.
        long_view: Share played 18 s or to the end.
        complete: Share played to the end.
        watch_s: Mean seconds.
        action: Rates in the order of `user_models.world.tables.ACTIONS`.
    """

    click: float
    long_view: float
    complete: float
    watch_s: float
    action: tuple[float, ...]

    @staticmethod
    def of(rates: Rates) -> "RandomTargets":
        """The figures of a regime."""
        figures = rates.figures()
        actions = tuple(figures[name] for name in ACTIONS)
        return RandomTargets(rates.click, rates.long_view, rates.complete, rates.watch_s, actions)

    def watching(self) -> Float64[np.ndarray, " figures"]:
        """Logs of the four figures of watching, each as the share of the one before where it is one."""
        return _logs(self.click, self.long_view, self.complete, self.watch_s)


@final
@dataclass(frozen=True)
class Crowd:
    """Users and videos drawn from a world, and their slates."""

    users: Users
    videos: Videos
    slates: Int32[np.ndarray, "users k"]


def draw_crowd(world: World, n_users: int, k: int, n_videos: int = 8_000, seed: int = 17) -> Crowd:
    """Draw users, weighted by their number of views, with `k` uniformly random videos each: figures are per view."""
    rng = np.random.default_rng(seed)
    slates = rng.integers(0, n_videos, (n_users, k), dtype=np.int32)
    activity = world.draw_users(np.arange(2 * n_users), seed).latents
    views = (activity.sessions_per_day * activity.views_per_session).astype(np.float64)
    ids = rng.choice(2 * n_users, n_users, p=views / views.sum())
    population = world.draw_users(ids, seed)
    return Crowd(population.latents, world.draw_videos(n_videos, seed).latents, slates)


def calibrate_random(world: World, targets: RandomTargets | None = None) -> World:
    """Shift a world's watch thresholds and action bases until random exposures give the targets.

    Changes the tables `stage` and `action_base` alone; the same world gives the same result. Takes a few seconds.

    Raises:
        FitError: No shift within reason gives the targets.
    """
    wanted = targets or RandomTargets.of(world.targets.random)
    watched = calibrate_watching(world, wanted)
    return calibrate_actions(watched, np.array(wanted.action))


def random_figures(world: World, n_users: int = 100_000) -> dict[str, float]:
    """Expected figures per view of random exposures, by name."""
    return figures(world, draw_crowd(world, n_users, 2))


def figures(world: World, crowd: Crowd) -> dict[str, float]:
    """Expected figures per view of a crowd, by name."""
    rules = world.rules(1.0)
    watching = expected_watching(crowd.users, crowd.videos, crowd.slates, rules)
    actions = expected_actions(crowd.users, crowd.videos, crowd.slates, rules, watching)
    rates = {"click": watching.click, "long_view": watching.long_view, "complete": watching.complete}
    return {**rates, "watch_s": watching.mean_watch_s, **dict(zip(ACTIONS, map(float, actions), strict=True))}


def calibrate_watching(world: World, targets: RandomTargets, n_users: int = 40_000) -> World:
    """The watch-time part of `calibrate_random`: damped Newton steps on the logs of the four figures of watching.

    Args:
        world: Any world.
        targets: What random exposures shall give.
        n_users: Users averaged over; the more, the less the result depends on who is drawn.

    Raises:
        FitError: No shift within reason gives the targets.
    """
    crowd = draw_crowd(world, n_users, 2)
    wanted = targets.watching()
    shift = np.zeros(N_LEVERS)
    now = _shifted_figures(world, crowd, shift)
    for _ in range(_ROUNDS):
        if np.abs(wanted - now).max() < _CLOSE:
            return _shifted(world, shift)
        found = np.linalg.lstsq(_slopes(world, crowd, shift, now), wanted - now)[0]
        move = np.clip(found, -_LARGEST, _LARGEST)
        shift, now = _nearer(world, crowd, shift, now, move, wanted)
    asked, found = (", ".join(f"{share:.4g}" for share in np.exp(logs)) for logs in (wanted, now))
    raise FitError(
        f"{world.name}: no shift of pass logits gives these shares of click, long view among clicks, of complete play"
        f" among long views, and seconds of random exposures: {asked}; nearest {found}; {_NEARER}"
    )


def _nearer(
    world: World,
    crowd: Crowd,
    shift: Float64[np.ndarray, " levers"],
    now: Float64[np.ndarray, " figures"],
    move: Float64[np.ndarray, " levers"],
    wanted: Float64[np.ndarray, " figures"],
) -> tuple[Float64[np.ndarray, " levers"], Float64[np.ndarray, " figures"]]:
    """Try a move, its half, its quarter, ... and return the first that reduces the distance: shift and figures."""
    for part in 0.5 ** np.arange(6):
        found = _shifted_figures(world, crowd, shift + part * move)
        if np.linalg.norm(wanted - found) < np.linalg.norm(wanted - now):
            return shift + part * move, found
    return shift, now


def calibrate_actions(world: World, rates: Float64[np.ndarray, " actions"]) -> World:
    """Calibrate actions: each base moves by the log of target over simulated rate until they agree.

    Raises:
        FitError: No base within reason gives the rates.
    """
    crowd = draw_crowd(world, 100_000, 1)
    watching = expected_watching(crowd.users, crowd.videos, crowd.slates, world.rules(1.0))
    base, found = world.tables.action_base.astype(np.float64), rates
    for _ in range(_ROUNDS):
        trial = world.with_tables(action_base=base.astype(np.float32))
        found = expected_actions(crowd.users, crowd.videos, crowd.slates, trial.rules(1.0), watching)
        miss = np.log(rates / found)
        if np.abs(miss).max() < _CLOSE:
            return trial
        base = base + np.clip(miss, -_LARGEST, _LARGEST)
    asked, nearest = (", ".join(f"{rate:.4g}" for rate in each) for each in (rates, found))
    raise FitError(
        f"{world.name}: no base of the actions gives these rates of {', '.join(ACTIONS)} in random exposures: {asked};"
        f" nearest {nearest}; {_NEARER}"
    )


def _slopes(
    world: World, crowd: Crowd, shift: Float64[np.ndarray, " levers"], now: Float64[np.ndarray, " figures"]
) -> Float64[np.ndarray, "figures levers"]:
    """Compute the finite-difference slope of each figure along each lever."""
    moved = [_shifted_figures(world, crowd, shift + _STEP * unit) for unit in np.eye(N_LEVERS)]
    return (np.stack(moved, axis=1) - now[:, None]) / _STEP


def _shifted_figures(
    world: World, crowd: Crowd, shift: Float64[np.ndarray, " levers"]
) -> Float64[np.ndarray, " figures"]:
    """Logs of the figures of watching after a shift."""
    moved = _moved(crowd.videos, shift)
    watching: Watching = expected_watching(crowd.users, moved, crowd.slates, world.rules(1.0))
    return _logs(watching.click, watching.long_view, watching.complete, watching.mean_watch_s)


def _logs(click: float, long_view: float, complete: float, watch_s: float) -> Float64[np.ndarray, " figures"]:
    """Logs of nested shares, so that each part of the thresholds moves mostly one of them."""
    return np.log([click, long_view / click, complete / long_view, watch_s])


def _moved(videos: Videos, shift: Float64[np.ndarray, " levers"]) -> Videos:
    """Shift every threshold's logit: divide the odds against passing by exp(shift)."""
    return videos._replace(stop_odds=videos.stop_odds * np.exp(-shift[LEVER]).astype(np.float32))


def _shifted(world: World, shift: Float64[np.ndarray, " levers"]) -> World:
    stage = world.tables.stage + shift[LEVER]
    return replace(world, tables=replace(world.tables, stage=stage.astype(np.float32)))
