"""Matching both regimes: the fitted world is tuned until the same users give the random and the standard figures.

The rows that a world is fitted on were chosen by a ranker, so the fit alone cannot say how users meet random videos,
nor how far a ranker can lift them. Both gaps are closed by simulated moments (McFadden, Econometrica 1989). Each step
plays `random` and `base`, a real ranker trained in the world, on the same users, and keeps a sample of the views with
the latents that decided them. On that sample levels, slopes and pulls are solved for with the noise integrated out;
the next step shows what the ranker makes of the new world.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, final

import numpy as np
from jaxtyping import Float32, Float64
from scipy.optimize import brentq
from scipy.special import expit, ndtr

from policies.base import Event
from simulator.calibration.exposure_mix import by_degree, by_hour, composed
from simulator.calibration.simulated_impressions import CalibrationStep, play
from simulator.experiment.runner import Progress
from simulator.validation.policy_rates import Regimes
from simulator.validation.real_views import read_real
from simulator.validation.user_spread import EventCounts, logit_spread, thin
from simulator.validation.views import ValidationViews
from user_models.data.folder import open_folder
from user_models.dynamics.watch_thresholds import threshold_seconds
from user_models.fit import RandomTargets, calibrate_random, check_world, fit_world, save_predictor
from user_models.fit.matching.action_levels import match_actions
from user_models.fit.matching.expected_outcomes import SampledImpressions, outcome
from user_models.fit.matching.watch_levels import LevelTargets, match_watching, pass_counts
from user_models.fit.rows.log_rows import LogRows, read_rows
from user_models.published import (
    NEGATIVE_ANSWERS,
    REGIMES,
    RETURN_GAP,
    VIEWS_PER_DAY,
)
from user_models.world.parameters import PRESETS
from user_models.world.store import save_world
from user_models.world.tables import ACTIONS
from user_models.world.world import World

STEPS: Final = 6
"""Simulated tests from which the world is tuned, each with users, videos and a ranker of its own."""
AVERAGED: Final = 3
"""The mean of so many last steps is kept."""
USERS: Final = 14_000
"""Users in each of them: as many as the ranker learns from in larger tests."""
ELIGIBLE_S: Final = 7.0
ELIGIBLE_SHARE: Final = 0.5
"""A view is eligible for a questionnaire from so many seconds, or such a share of the video, on."""
UNCERTAIN_ANSWERS: Final = 0.1
"""Share of answers that are neither satisfied nor dissatisfied (assumed)."""
WATCHED: Final = 30_000
"""Views on which pass logits and actions are solved for."""
_TUNED: Final = (
    *("stage", "slope", "hour_effect", "hour_share", "action_base", "action_match", "return_logit"),
    *("user_mean", "user_root", "appeal_scale", "tag_share", "length_share"),
)
"""Tables that a step moves."""
_SEED: Final = 20_220_425
_SPREAD: Final = (0.7, 1.4)
"""A step stretches the differences between users by a factor within these."""


@final
@dataclass(frozen=True)
class CalibrationTargets:
    """Target figures of a calibrated world.

    Attributes:
        aims: Watching, under both policies.
        rates: Of actions, random exposures first, the production ranker's second.
        views: The standard log.
    """

    aims: LevelTargets
    rates: Float64[np.ndarray, "2 actions"]
    views: ValidationViews

    @staticmethod
    def of(rows: LogRows, views: ValidationViews, random: RandomTargets | None = None) -> "CalibrationTargets":
        """Combine published figures with a log's: passes by duration, and the mix of exposures.

        Args:
            rows: The standard log.
            views: The same, in the codes of the world.
            random: Figures of the folder's own random log, which take the place of the published ones.
        """
        aims = LevelTargets(pass_counts(rows), _targets("base"), random or _targets("random"))
        return CalibrationTargets(aims, np.array([aims.random.action, aims.base.action]), views)

    def counts(self, event: Event) -> EventCounts:
        """Events and views of each user of the log."""
        user = np.unique(self.views.user, return_inverse=True)[1]
        return EventCounts.of(np.bincount(user, self.views.had(event)), np.bincount(user))


def _targets(regime: str) -> RandomTargets:
    """The overall figures of a regime."""
    real = REGIMES[regime]
    actions = tuple(real[name] for name in ACTIONS)
    return RandomTargets(real["click"], real["long_view"], real["complete"], real["watch_s"], actions)


@final
@dataclass(frozen=True)
class Order:
    """Settings of a fit.

    Attributes:
        data: A KuaiRand folder.
        name: Of the world.
        seed: Of the fit.
        exposures: Parquet file of earlier exposures of the same users and videos, or None.
    """

    data: Path
    name: str
    seed: int
    exposures: Path | None = None


def fit_and_calibrate(order: Order, out: Path, workers: int, progress: Progress) -> World:
    """Fit a world, match both logging policies, validate it, and store it with its predictor and verdict.

    Raises:
        DataError: The KuaiRand folder is damaged, or holds too little.
        FitError: Its rows are so unlike KuaiRand's that no world gives their figures.
        WorldError: `out` is not empty or cannot be written.
    """
    folder = open_folder(order.data)
    fitted = fit_world(folder, order.name, order.seed, exposures=order.exposures)
    rows = read_rows(folder).rows
    views = read_real(order.data, fitted.world).views
    goals = CalibrationTargets.of(rows.take(~rows.random), views, fitted.random)
    world = calibrate(fitted.world, goals, workers, progress)
    check_world(world)
    save_world(world, out)
    save_predictor(fitted.predictor, out)
    return world


def calibrate(world: World, goals: CalibrationTargets, workers: int, progress: Progress) -> World:
    """Tune a world until both regimes give their figures on average over crowds and rankers.

    What a ranker reaches differs by some percent from one crowd and training to the next, and a few users give most of
    the rare actions; so each step has its own crowd, steps shrink (stochastic approximation: Robbins and Monro, Annals
    of Mathematical Statistics 1951), and the mean of the last worlds is kept (Polyak and Juditsky, SIAM Journal on
    Control and Optimization 1992).
    """
    world = calibrate_random(world, goals.aims.random)
    worlds: list[World] = []
    for step in range(STEPS):
        progress("matching both regimes", step, STEPS + 1)
        world = improved(play(world, _SEED + step, USERS, workers), goals, gain(step))
        worlds.append(world)
    progress("matching both regimes", STEPS, STEPS + 1)
    world = mean_world(worlds[-AVERAGED:])
    base = play(world, _SEED + STEPS, USERS, workers).samples["base"]
    world = world.with_values({"returning.mood_usual": float(base.satisfaction.mean())})
    return _settled(cut_answers(world, base.as_impressions_in(world, world)))


def mean_world(worlds: list[World]) -> World:
    """Average worlds that differ in their tuned values."""
    tables = {name: np.mean([getattr(w.tables, name) for w in worlds], axis=0) for name in _TUNED}
    like = {name: table.astype(getattr(worlds[0].tables, name).dtype) for name, table in tables.items()}
    cost = float(np.mean([w.value("leaving.cost_scale") for w in worlds]))
    return worlds[0].with_tables(**like).with_values({"leaving.cost_scale": cost})


def gain(step: int) -> float:
    """Share of the way that slopes and spreads go in a step; steeper slopes also make the ranker better, so not all.

    >>> [round(gain(step), 2) for step in range(6)]
    [0.6, 0.6, 0.49, 0.42, 0.38, 0.35]
    """
    return 0.6 * min(1.0, math.sqrt(2 / (step + 1)))


def improved(trial: CalibrationStep, goals: CalibrationTargets, share: float) -> World:
    """Tune one step: differences between users first, then levels, slopes and match coefficients, then activity."""
    world = trial.world.with_scaled_latent("appeal", _excess(trial, "clicks", goals.counts(Event.CLICK)) ** share)
    world = world.with_scaled_latent("like", _excess(trial, "likes", goals.counts(Event.LIKE)) ** share)
    world = by_degree(world, *_impressions_in(trial, world), share)
    world = by_hour(world, *_impressions_in(trial, world))
    random, base = _impressions_in(trial, world)
    some = np.arange(min(WATCHED, len(random), len(base)))
    world = match_watching(world, random.take(some), base.take(some), goals.aims, share)
    world = match_actions(world, random.take(some), base.take(some), goals.rates, share)
    world = world.with_values({"returning.mood_usual": float(base.satisfaction.mean())})
    return _activity(composed(world, trial.samples["base"], goals.views, share), trial.regimes)


def _impressions_in(trial: CalibrationStep, world: World) -> tuple[SampledImpressions, SampledImpressions]:
    """Meetings under `random` and `base` as they would be in a world."""
    random, base = (trial.samples[name].as_impressions_in(world, trial.world) for name in ("random", "base"))
    return random, base


def _excess(trial: CalibrationStep, column: str, real: EventCounts) -> float:
    """Spread of users' rates in the log over that of simulated users with as many views; 1 where either has none."""
    line = trial.days.lines["all:base"]
    ours = thin(EventCounts.of(line.of_users(column), line.of_users("views")), real.views, np.random.default_rng(_SEED))
    ratio = logit_spread(real) / logit_spread(ours)
    return float(np.clip(ratio, *_SPREAD)) if np.isfinite(ratio) else 1.0


def _activity(world: World, measured: Regimes) -> World:
    """Patience and loyalty set so that `base` gives the published views per day and share of active days."""
    cost = world.value("leaving.cost_scale") * measured.views_per_user_day / VIEWS_PER_DAY
    have, want = (math.log(p / (1 - p)) for p in (measured.return_share, RETURN_GAP[0]))
    logits = world.tables.return_logit + np.float32(want - have)
    return world.with_values({"leaving.cost_scale": cost}).with_tables(return_logit=logits)


def cut_answers(world: World, base: SampledImpressions) -> World:
    """Set the cuts between answers that give the published shares of negative and uncertain ones.

    Under `base`, of eligible views, each weighted by its chance to be answered under the preset of SAQRec, whose shares
    these are: the pleased answer more.
    """
    reach = np.minimum(ELIGIBLE_S, ELIGIBLE_SHARE * base.duration_s)
    first = np.argmax(threshold_seconds(base.duration_s) >= reach[:, None], axis=1)
    left = np.cumsum(outcome(world, base).stages, axis=1, dtype=np.float64)
    weight = (1 - left[np.arange(len(base)), first]) * _answering(world, base.satisfaction)
    slip = world.value("questionnaire.say_noise")

    def cut(share: float) -> float:
        def excess(at: float) -> float:
            return float(weight @ ndtr((at - base.satisfaction) / slip) / weight.sum()) - share

        return float(np.asarray(brentq(excess, -10.0, 10.0)))

    cuts = (cut(NEGATIVE_ANSWERS), cut(NEGATIVE_ANSWERS + UNCERTAIN_ANSWERS))
    return world.with_values(
        {
            "questionnaire.dissatisfied_below": cuts[0],
            "questionnaire.satisfied_above": cuts[1],
            "satisfaction.satisfied_above": cuts[1],
        }
    )


def _answering(world: World, satisfaction: Float32[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Compute the mean answer rate of the asked under the preset of SAQRec."""
    z, share = np.polynomial.hermite_e.hermegauss(9)
    asked = world.with_values(PRESETS["saqrec"])
    mean = asked.value("questionnaire.answer_base") + asked.value("questionnaire.answer_satisfaction") * satisfaction
    odds = mean.astype(np.float64)[:, None] + asked.value("questionnaire.answer_spread") * z
    return expit(odds) @ (share / share.sum())


def _settled(world: World) -> World:
    """Add the provenance of the tuned values."""
    source = "simulated moments: `random` and `base` in this world give the published figures"
    cuts = {
        "questionnaire.dissatisfied_below": "28.8% of answers negative under `base` (SAQRec)",
        "questionnaire.satisfied_above": "10% of answers uncertain under `base` (assumed)",
        "satisfaction.satisfied_above": "the cut of the answer `satisfied`, without slip",
    }
    for name, source_text in cuts.items():
        world = world.with_values({name: world.value(name)}, source=source_text)
    tuned = {name: world.value(name) for name in ("leaving.cost_scale", "returning.mood_usual")}
    world = world.with_values(tuned, "fitted", source)
    provenance = {
        name: f"{text}; then {source}" if name in _TUNED and source not in text else text
        for name, text in world.provenance.items()
    }
    return replace(world, provenance=provenance)
