"""Calibration: tune a fitted world until the same users give the rates of the random and of the standard log.

The rows that a world is fitted on were chosen by a ranker. So the fit alone determines neither the rates of random
videos nor the gain of a ranker. Both are matched by simulated moments (McFadden, Econometrica 1989). Each step
simulates `random` and `base`, a ranker trained in the world, on the same users, and samples views with their latents.
On that sample it solves for levels, slopes and coefficients with the noise integrated out. The next step simulates the
new world.
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
from simulator.calibration.exposure_mix import by_degree, by_hour, match_exposure_mix
from simulator.calibration.simulated_impressions import CalibrationStep, play
from simulator.experiment.runner import Progress
from simulator.validation.policy_rates import Regimes
from simulator.validation.real_views import read_real
from simulator.validation.user_spread import EventCounts, logit_spread, thin
from simulator.validation.views import ValidationViews
from user_models.data.log import open_log
from user_models.dynamics.watch_thresholds import threshold_seconds
from user_models.fit import RandomTargets, calibrate_random, check_world, fit_world, save_predictor
from user_models.fit.matching.action_levels import match_actions
from user_models.fit.matching.expected_outcomes import SampledImpressions, outcome
from user_models.fit.matching.watch_levels import LevelTargets, match_watching, pass_counts, rates_by_length
from user_models.fit.rows.log_rows import LogRows, read_rows
from user_models.targets import Targets
from user_models.world.parameters import PRESETS
from user_models.world.store import save_world
from user_models.world.world import World

STEPS: Final = 6
"""Number of steps, each with its own users, videos and ranker."""
AVERAGED: Final = 3
"""Number of last steps that are averaged."""
USERS: Final = 14_000
"""Users per step: as many as the ranker learns from in larger tests."""
ELIGIBLE_S: Final = 7.0
ELIGIBLE_SHARE: Final = 0.5
"""Seconds, or share of the video, from which a view is eligible for a questionnaire."""
UNCERTAIN_ANSWERS: Final = 0.1
"""Share of answers that are neither satisfied nor dissatisfied (assumed)."""
WATCHED: Final = 30_000
"""Number of views for the pass logits and actions."""
_TUNED: Final = (
    *("stage", "slope", "hour_effect", "hour_share", "action_base", "action_match", "return_logit"),
    *("user_mean", "user_root", "appeal_scale", "tag_share", "length_share"),
)
"""Tables that a step tunes."""
_SEED: Final = 20_220_425
_SPREAD: Final = (0.7, 1.4)
"""Limits of the factor by which a step scales the differences between users."""


@final
@dataclass(frozen=True)
class CalibrationTargets:
    """Target figures of a calibrated world.

    Attributes:
        aims: Targets of watching, under both policies.
        rates: Rates of actions, of random exposures first, then of the production ranker.
        views: Views of the standard log.
    """

    aims: LevelTargets
    rates: Float64[np.ndarray, "2 actions"]
    views: ValidationViews

    @staticmethod
    def of(
        targets: Targets, rows: LogRows, views: ValidationViews, random: RandomTargets | None = None
    ) -> "CalibrationTargets":
        """Combine a world's targets with a log: passes by duration, and the mix of exposures.

        Args:
            targets: Of the world.
            rows: The log without random exposures.
            views: The same, in the codes of the world.
            random: Figures of the data's own random exposures, which take the place of the targets'.
        """
        aims = LevelTargets(
            pass_counts(rows),
            RandomTargets.of(targets.base),
            random or RandomTargets.of(targets.random),
            rates_by_length(targets.base_by_duration),
            rates_by_length(targets.random_by_duration),
        )
        return CalibrationTargets(aims, np.array([aims.random.action, aims.base.action]), views)

    def counts(self, event: Event) -> EventCounts:
        """Events and views of each user of the log."""
        user = np.unique(self.views.user, return_inverse=True)[1]
        return EventCounts.of(np.bincount(user, self.views.had(event)), np.bincount(user))


@final
@dataclass(frozen=True)
class FitSettings:
    """Settings of a fit.

    Attributes:
        data: A mapping file, or a folder of data that askew has a mapping for.
        name: Name of the world.
        seed: Seed of the fit.
        exposures: Parquet file of earlier exposures of the same users and videos, or None.
    """

    data: Path
    name: str
    seed: int
    exposures: Path | None = None


def fit_and_calibrate(settings: FitSettings, out: Path, workers: int, progress: Progress) -> World:
    """Fit a world, match both logging policies, validate it, and store it with its predictor and verdict.

    Raises:
        DataError: The data are damaged or have too few rows.
        FitError: The rows are such that no world fits them.
        WorldError: `out` is not empty or cannot be written.
    """
    folder = open_log(settings.data)
    fitted = fit_world(folder, settings.name, settings.seed, exposures=settings.exposures)
    rows = read_rows(folder).rows
    views = read_real(settings.data, fitted.world).views
    targets = CalibrationTargets.of(fitted.world.targets, rows.take(~rows.random), views, fitted.random)
    world = calibrate(fitted.world, targets, workers, progress)
    check_world(world)
    save_world(world, out)
    save_predictor(fitted.predictor, out)
    return world


def calibrate(world: World, targets: CalibrationTargets, workers: int, progress: Progress) -> World:
    """Tune a world until the rates under both logging policies match on average over draws of users and rankers.

    Rates under a ranker differ by some percent between draws of users and trainings, and a few users have most of the
    rare actions. So each step draws its own users, steps shrink (stochastic approximation: Robbins and Monro, Annals of
    Mathematical Statistics 1951), and the last worlds are averaged (Polyak and Juditsky, SIAM Journal on Control and
    Optimization 1992).
    """
    world = calibrate_random(world, targets.aims.random)
    worlds: list[World] = []
    for step in range(STEPS):
        progress("matching both regimes", step, STEPS + 1)
        world = tune_step(play(world, _SEED + step, USERS, workers), targets, gain(step))
        worlds.append(world)
    progress("matching both regimes", STEPS, STEPS + 1)
    world = mean_world(worlds[-AVERAGED:])
    base = play(world, _SEED + STEPS, USERS, workers).samples["base"]
    world = world.with_values({"returning.mood_usual": float(base.satisfaction.mean())})
    return _with_provenance(cut_answers(world, base.as_impressions_in(world, world)))


def mean_world(worlds: list[World]) -> World:
    """Average worlds that differ in their tuned values."""
    tables = {name: np.mean([getattr(w.tables, name) for w in worlds], axis=0) for name in _TUNED}
    means = {name: table.astype(getattr(worlds[0].tables, name).dtype) for name, table in tables.items()}
    cost = float(np.mean([w.value("leaving.cost_scale") for w in worlds]))
    return worlds[0].with_tables(**means).with_values({"leaving.cost_scale": cost})


def gain(step: int) -> float:
    """Step size of slopes and spreads; below 1, because steeper slopes also make the ranker better.

    >>> [round(gain(step), 2) for step in range(6)]
    [0.6, 0.6, 0.49, 0.42, 0.38, 0.35]
    """
    return 0.6 * min(1.0, math.sqrt(2 / (step + 1)))


def tune_step(step: CalibrationStep, targets: CalibrationTargets, share: float) -> World:
    """Tune one step: differences between users first, then levels, slopes and match coefficients, then activity."""
    world = step.world.with_scaled_latent("appeal", _excess(step, "clicks", targets.counts(Event.CLICK)) ** share)
    world = world.with_scaled_latent("like", _excess(step, "likes", targets.counts(Event.LIKE)) ** share)
    world = by_degree(world, *_impressions_in(step, world), share)
    world = by_hour(world, *_impressions_in(step, world))
    random, base = _impressions_in(step, world)
    sampled = np.arange(min(WATCHED, len(random), len(base)))
    world = match_watching(world, random.take(sampled), base.take(sampled), targets.aims, share)
    world = match_actions(world, random.take(sampled), base.take(sampled), targets.rates, share)
    world = world.with_values({"returning.mood_usual": float(base.satisfaction.mean())})
    return _tune_activity(match_exposure_mix(world, step.samples["base"], targets.views, share), step.regimes)


def _impressions_in(step: CalibrationStep, world: World) -> tuple[SampledImpressions, SampledImpressions]:
    """Impressions under `random` and `base` as they would be in a world."""
    random, base = (step.samples[name].as_impressions_in(world, step.world) for name in ("random", "base"))
    return random, base


def _excess(step: CalibrationStep, column: str, logged: EventCounts) -> float:
    """Spread of users' rates in the log over that of simulated users with as many views; 1 if one has none."""
    timeline = step.days.timelines["all:base"]
    simulated = thin(
        EventCounts.of(timeline.of_users(column), timeline.of_users("views")),
        logged.views,
        np.random.default_rng(_SEED),
    )
    ratio = logit_spread(logged) / logit_spread(simulated)
    return float(np.clip(ratio, *_SPREAD)) if np.isfinite(ratio) else 1.0


def _tune_activity(world: World, measured: Regimes) -> World:
    """Tune patience and returning so that `base` gives the target's views per day and share of active days."""
    cost = world.value("leaving.cost_scale") * measured.views_per_user_day / world.targets.views_per_day
    shares = measured.return_share, world.targets.return_gap[0]
    simulated_logit, target_logit = (math.log(p / (1 - p)) for p in shares)
    logits = world.tables.return_logit + np.float32(target_logit - simulated_logit)
    return world.with_values({"leaving.cost_scale": cost}).with_tables(return_logit=logits)


def cut_answers(world: World, base: SampledImpressions) -> World:
    """Set the cuts between answers that give the published shares of negative and uncertain answers.

    The shares are those of eligible views under `base`, weighted by their answer probability under SAQRec's preset,
    because satisfied users answer more.
    """
    eligible_s = np.minimum(ELIGIBLE_S, ELIGIBLE_SHARE * base.duration_s)
    first_threshold = np.argmax(threshold_seconds(base.duration_s) >= eligible_s[:, None], axis=1)
    stopped = np.cumsum(outcome(world, base).stages, axis=1, dtype=np.float64)
    weight = (1 - stopped[np.arange(len(base)), first_threshold]) * _answering(world, base.satisfaction)
    slip = world.value("questionnaire.say_noise")

    def cut(share: float) -> float:
        def excess(at: float) -> float:
            return float(weight @ ndtr((at - base.satisfaction) / slip) / weight.sum()) - share

        return float(np.asarray(brentq(excess, -10.0, 10.0)))

    negative = world.targets.negative_answers
    cuts = (cut(negative), cut(negative + UNCERTAIN_ANSWERS))
    return world.with_values(
        {
            "questionnaire.dissatisfied_below": cuts[0],
            "questionnaire.satisfied_above": cuts[1],
            "satisfaction.satisfied_above": cuts[1],
        }
    )


def _answering(world: World, satisfaction: Float32[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Compute the mean answer probability of the asked under SAQRec's preset."""
    z, share = np.polynomial.hermite_e.hermegauss(9)
    preset_world = world.with_values(PRESETS["saqrec"])
    mean = (
        preset_world.value("questionnaire.answer_base")
        + preset_world.value("questionnaire.answer_satisfaction") * satisfaction
    )
    logits = mean.astype(np.float64)[:, None] + preset_world.value("questionnaire.answer_spread") * z
    return expit(logits) @ (share / share.sum())


def _negative(targets: Targets) -> str:
    """Return the provenance of the share of negative answers."""
    source = targets.sources.get("negative_answers", "SAQRec")
    return f"{100 * targets.negative_answers:.1f}% of answers negative under `base` ({source})"


def _with_provenance(world: World) -> World:
    """Add the provenance of the tuned values."""
    source = "simulated moments: `random` and `base` in this world give the published figures"
    cut_sources = {
        "questionnaire.dissatisfied_below": _negative(world.targets),
        "questionnaire.satisfied_above": "10% of answers uncertain under `base` (assumed)",
        "satisfaction.satisfied_above": "the cut of the answer `satisfied`, without slip",
    }
    for name, source_text in cut_sources.items():
        world = world.with_values({name: world.value(name)}, source=source_text)
    tuned = {name: world.value(name) for name in ("leaving.cost_scale", "returning.mood_usual")}
    world = world.with_values(tuned, "fitted", source)
    provenance = {
        name: f"{text}; then {source}" if name in _TUNED and source not in text else text
        for name, text in world.provenance.items()
    }
    return replace(world, provenance=provenance)
