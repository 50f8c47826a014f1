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
import pandas as pd
from jaxtyping import Float64, Int64
from scipy.optimize import brentq
from scipy.special import ndtr

from policies.base import Event
from simulator.experiment import Progress
from simulator.regimes import Regimes
from simulator.trials import Seen, Trial, people, play
from simulator.validate.real_rows import read_real
from simulator.validate.spread import Counts, logit_spread, thin
from simulator.validate.views import Views
from user_models.data.folder import open_folder
from user_models.fit import RandomTargets, calibrate_random, fit_world, save_predictor
from user_models.fit.meetings import Meetings, outcome
from user_models.fit.rows import Rows, read_rows
from user_models.fit.two_actions import match_actions
from user_models.fit.two_regimes import Aims, climbs, match_watching
from user_models.ladder import rungs
from user_models.published import (
    ACTIVITY_DEGREES,
    NEGATIVE_ANSWERS,
    REGIMES,
    RETURN_GAP,
    STANDARD_BY_ACTIVITY,
    VIEWS_PER_DAY,
)
from user_models.store import save_world
from user_models.world import ACTIONS, USER_LATENTS, World

STEPS: Final = 4
"""Simulated tests from which the world is tuned, each with users, videos and a ranker of its own."""
USERS: Final = 7_000
"""Users in each of them: as many as the ranker learns from in larger tests."""
ELIGIBLE_S: Final = 7.0
ELIGIBLE_SHARE: Final = 0.5
"""A view is eligible for a questionnaire from so many seconds, or such a share of the video, on."""
UNCERTAIN_ANSWERS: Final = 0.1
"""Share of answers that are neither satisfied nor dissatisfied (assumed)."""
WATCHED: Final = 30_000
"""Views on which the ladder is solved for; actions, of which a few users give many, need all that were kept."""
_SEED: Final = 20_220_425
_SHRINK: Final = 100.0
"""Views of the sample that a kind of user, of video or of hour needs to count for itself."""
_SPREAD: Final = (0.7, 1.4)
"""A step stretches the differences between users by a factor within these."""


@final
@dataclass(frozen=True)
class Goals:
    """What a calibrated world shall reproduce.

    Attributes:
        aims: Watching, under both policies.
        rates: Of actions, random exposures first, the production ranker's second.
        views: The standard log.
    """

    aims: Aims
    rates: Float64[np.ndarray, "2 actions"]
    views: Views

    @staticmethod
    def of(rows: Rows, views: Views, random: RandomTargets | None = None) -> "Goals":
        """The published figures, and from a log what is not published: climbs by duration, who watched what, and when.

        Args:
            rows: The standard log.
            views: The same, in the codes of the world.
            random: Figures of the folder's own random log, which take the place of the published ones.
        """
        aims = Aims(climbs(rows), _targets("base"), random or _targets("random"))
        return Goals(aims, np.array([aims.random.action, aims.base.action]), views)

    def counts(self, event: Event) -> Counts:
        """Events and views of each user of the log."""
        user = np.unique(self.views.user, return_inverse=True)[1]
        return Counts.of(np.bincount(user, self.views.had(event)), np.bincount(user))


def _targets(regime: str) -> RandomTargets:
    """The overall figures of a regime."""
    real = REGIMES[regime]
    actions = tuple(real[name] for name in ACTIONS)
    return RandomTargets(real["click"], real["long_view"], real["complete"], real["watch_s"], actions)


@final
@dataclass(frozen=True)
class Order:
    """What is to be fitted.

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
    """Fit a world, match both regimes, judge it, and store it with its predictor; a refused world says so.

    Raises:
        DataError: The KuaiRand folder is damaged.
        WorldError: `out` is not empty or cannot be written.
    """
    folder = open_folder(order.data)
    fitted = fit_world(folder, order.name, order.seed, exposures=order.exposures)
    rows = read_rows(folder).rows
    views = read_real(order.data, fitted.world).views
    goals = Goals.of(rows.take(~rows.random), views, fitted.random)
    world = calibrate(fitted.world, goals, workers, progress)
    save_world(world, out)
    save_predictor(fitted.predictor, out)
    return world


def calibrate(world: World, goals: Goals, workers: int, progress: Progress) -> World:
    """Tune a world until both regimes give their figures on average over crowds and rankers.

    What a ranker reaches differs by some percent from one crowd and training to the next; so each step has its own,
    and steps shrink (stochastic approximation: Robbins and Monro, Annals of Mathematical Statistics 1951). The world
    that came nearest is kept.
    """
    world = calibrate_random(world, goals.aims.random)
    tried: list[Trial] = []
    for step in range(STEPS):
        progress("matching both regimes", step, STEPS)
        tried.append(play(world, _SEED + step, USERS, workers))
        world = improved(tried[-1], goals, gain(step))
    best = min(tried, key=lambda trial: trial.distance)
    return _settled(cut_answers(best.world, best.seen["base"].met_in(best.world, best.world)))


def gain(step: int) -> float:
    """Share of the way that slopes and spreads go in a step; steeper slopes also make the ranker better, so not all.

    >>> [round(gain(step), 2) for step in range(6)]
    [0.6, 0.6, 0.49, 0.42, 0.38, 0.35]
    """
    return 0.6 * min(1.0, math.sqrt(2 / (step + 1)))


def improved(trial: Trial, goals: Goals, share: float) -> World:
    """The next world to try: first how users differ, then everybody's levels, slopes and pulls, then activity."""
    world = _stretched(trial.world, "appeal", _excess(trial, "clicks", goals.counts(Event.CLICK)) ** share)
    world = _stretched(world, "like", _excess(trial, "likes", goals.counts(Event.LIKE)) ** share)
    world = _by_degree(world, trial.seen["base"].met_in(world, trial.world))
    random, base = (trial.seen[name].met_in(world, trial.world) for name in ("random", "base"))
    some = np.arange(min(WATCHED, len(random), len(base)))
    world = match_watching(world, random.take(some), base.take(some), goals.aims, share)
    world = match_actions(world, random, base, goals.rates, share)
    world = world.with_values({"returning.mood_usual": float(base.satisfaction.mean())})
    return _activity(_composed(world, trial.seen["base"], goals.views, share), trial.regimes)


def _composed(world: World, seen: Seen, real: Views, share: float) -> World:
    """Topics, kinds of user and hours come as often in the views under `base` as in the log, by `share` of the way."""
    t = world.tables
    tags = t.tag_share * _lack(seen.tag, real.tag.astype(np.int64), len(t.tag_share)) ** share
    hours = t.hour_share * _lack(seen.hour, real.hour.astype(np.int64), 24) ** share
    ours, theirs = _kinds(world, seen, real)
    mean = t.user_mean.copy()
    mean[:, USER_LATENTS.index("log_views")] += share * np.log(_lack(ours, theirs, len(mean)))
    return world.with_tables(tag_share=tags / tags.sum(), hour_share=hours / hours.sum(), user_mean=mean)


def _lack(ours: Int64[np.ndarray, " n"], theirs: Int64[np.ndarray, " m"], kinds: int) -> Float64[np.ndarray, " kinds"]:
    """Share of each kind in the log over its share in the simulation; small kinds shrunk towards 1, -1 left out."""
    mine, real = (np.bincount(each[each >= 0], minlength=kinds) for each in (ours, theirs))
    same_size = real * (mine.sum() / max(1, real.sum()))
    return np.clip((same_size + _SHRINK) / (mine + _SHRINK), 0.5, 2.0)


def _kinds(world: World, seen: Seen, real: Views) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " m"]]:
    """Profiles of who watched, simulated and real; -1 for real ones that the world has not."""
    known = pd.MultiIndex.from_arrays(list(world.tables.profile_code.T))
    codes = people(world, seen.spec).profile_code[seen.user]
    ours, theirs = (known.get_indexer(pd.MultiIndex.from_arrays(list(each.T))) for each in (codes, real.profile))
    return ours.astype(np.int64), theirs.astype(np.int64)


def _by_degree(world: World, base: Meetings) -> World:
    """Appeal of each activity degree moved until its click rate under `base` is to the others' as published."""
    levels = world.columns[0].levels
    at = USER_LATENTS.index("appeal")
    mean = world.tables.user_mean.copy()
    real = dict(zip(ACTIVITY_DEGREES, STANDARD_BY_ACTIVITY["click"], strict=True))
    overall = _clicks(world, base) / REGIMES["base"]["click"]
    for code, level in enumerate(levels):
        met = base.take(base.group == code)
        if level in real and len(met) > len(base) / 200:
            now, more = (_clicks(world, replace(met, appeal=met.appeal + np.float32(add))) for add in (0.0, 0.1))
            shift = np.clip(0.1 * (overall * real[level] - now) / (more - now), -0.5, 0.5)
            mean[world.tables.profile_code[:, 0] == code, at] += shift
    return world.with_tables(user_mean=mean)


def _clicks(world: World, met: Meetings) -> float:
    """Click rate of meetings."""
    return float(outcome(world, met).nested()[0].mean())


def _excess(trial: Trial, column: str, real: Counts) -> float:
    """Spread of users' rates in the log over that of simulated users with as many views; 1 where either has none."""
    line = trial.days.lines["all:base"]
    ours = thin(Counts.of(line.of_users(column), line.of_users("views")), real.views, np.random.default_rng(_SEED))
    ratio = logit_spread(real) / logit_spread(ours)
    return float(np.clip(ratio, *_SPREAD)) if np.isfinite(ratio) else 1.0


def _stretched(world: World, latent: str, factor: float) -> World:
    """The same world with one latent of its users stretched around 0."""
    at = USER_LATENTS.index(latent)
    mean, root = world.tables.user_mean.copy(), world.tables.user_root.copy()
    mean[:, at] *= np.float32(factor)
    root[at] *= np.float32(factor)
    return world.with_tables(user_mean=mean, user_root=root)


def _activity(world: World, measured: Regimes) -> World:
    """Patience and loyalty set so that `base` gives the published views per day and share of active days."""
    cost = world.value("leaving.cost_scale") * measured.views_per_user_day / VIEWS_PER_DAY
    have, want = (math.log(p / (1 - p)) for p in (measured.return_share, RETURN_GAP[0]))
    logits = world.tables.return_logit + np.float32(want - have)
    return world.with_values({"leaving.cost_scale": cost}).with_tables(return_logit=logits)


def cut_answers(world: World, base: Meetings) -> World:
    """The world with the cuts between answers where the published shares of negative and uncertain ones ask for them.

    Under `base`, of eligible views, each weighted by exp(slope * satisfaction): the pleased answer more, and answers
    are rare.
    """
    reach = np.minimum(ELIGIBLE_S, ELIGIBLE_SHARE * base.duration_s)
    first = np.argmax(rungs(base.duration_s) >= reach[:, None], axis=1)
    left = np.cumsum(outcome(world, base).stages, axis=1, dtype=np.float64)
    weight = (1 - left[np.arange(len(base)), first]) * np.exp(
        world.value("questionnaire.answer_satisfaction") * base.satisfaction
    )
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


def _settled(world: World) -> World:
    """The world with the provenance of what was tuned."""
    source = "simulated moments: `random` and `base` in this world give the published figures"
    cuts = {
        "questionnaire.dissatisfied_below": "28.8% of answers negative under `base` (SAQRec)",
        "questionnaire.satisfied_above": "10% of answers uncertain under `base` (assumed)",
        "satisfaction.satisfied_above": "the cut of the answer `satisfied`, without slip",
    }
    parameters = {
        **world.parameters,
        **{name: world.parameters[name].model_copy(update={"source": told}) for name, told in cuts.items()},
        **{
            name: world.parameters[name].model_copy(update={"status": "fitted", "source": source})
            for name in ("leaving.cost_scale", "returning.mood_usual")
        },
    }
    told = ("stage", "slope", "action_base", "action_satisfaction", "user_mean", "user_root")
    provenance = {
        name: f"{text}; then {source}" if name in told and source not in text else text
        for name, text in world.provenance.items()
    }
    return replace(world, parameters=parameters, provenance=provenance)
