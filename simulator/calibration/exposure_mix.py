"""Mix of exposures: shares and effects of user profiles, of topics and lengths, and of hours.

Axes: `kinds` of anything; `n`, `m` views; `tags`; `lengths` bins of length.
"""

from dataclasses import replace
from typing import Final

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64
from scipy.special import logit

from simulator.calibration.simulated_impressions import PolicySample, drawn_users
from simulator.validation.views import ValidationViews
from user_models.fit.matching.expected_outcomes import SampledImpressions, outcome
from user_models.published import (
    ACTIVITY_DEGREES,
    RANDOM_BY_ACTIVITY,
    RANDOM_CLICK_BY_HOUR,
    REGIMES,
    STANDARD_BY_ACTIVITY,
    STANDARD_CLICK_BY_HOUR,
)
from user_models.world.tables import N_LENGTHS, USER_LATENTS
from user_models.world.world import World

_SHRINK: Final = 100.0
"""Views of the sample that a kind of user, of video or of hour needs to count for itself."""
_FEWEST: Final = 300
"""Views of a degree from which it is moved."""
_SCALE: Final = (0.5, 1.5)
"""A degree's appeal is spread by so much of everybody's spread at least and at most."""
_ROUNDS: Final = 4
_STEP: Final = 0.05
_LARGEST: Final = 0.4
"""Mean appeal, and the log of its spread, move by so much in a step at most."""
_CATALOGUE: Final = 0.5
_LENGTH_GROUPS: Final = 16
"""Lengths of a topic are told apart in so many groups when their shares are compared."""


def composed(world: World, seen: PolicySample, real: ValidationViews, share: float) -> World:
    """Topics, lengths, kinds of user and hours come as often under `base` as in the log, by `share` of the way.

    Topics and lengths go half as far: a ranker that shows too much of one finds its slopes too steep, and only then
    too many of it; what is on offer is random exposures' to show as well.
    """
    t = world.tables
    lengths = t.length_share * _lack_of_lengths(world, seen, real) ** (_CATALOGUE * share)
    tags = t.tag_share * lack(seen.tag, real.tag.astype(np.int64), len(t.tag_share)) ** (_CATALOGUE * share)
    hours = t.hour_share * lack(seen.hour, real.hour.astype(np.int64), 24) ** share
    ours, theirs = _kinds(world, seen, real)
    mean = t.user_mean.copy()
    mean[:, USER_LATENTS.index("log_views")] += share * np.log(lack(ours, theirs, len(mean)))
    return world.with_tables(
        tag_share=tags / tags.sum(),
        length_share=lengths / lengths.sum(axis=1, keepdims=True),
        hour_share=hours / hours.sum(),
        user_mean=mean,
    )


def _lack_of_lengths(world: World, seen: PolicySample, real: ValidationViews) -> Float64[np.ndarray, "tags lengths"]:
    """Compute `lack` of lengths within each topic; topics with few views are shrunk to all topics' lengths."""
    nodes, tags = world.tables.node_log_duration, len(world.tables.tag_share)
    edges = np.linspace(nodes[0], nodes[-1], _LENGTH_GROUPS + 1)[1:-1]
    ours, theirs = (
        np.searchsorted(edges, np.log(length)).astype(np.int64)
        for length in (seen.videos.duration_s[seen.video], real.duration_s)
    )
    everywhere = np.tile(lack(ours, theirs, _LENGTH_GROUPS), tags)
    mine, real_ones = (
        np.where(tag >= 0, tag * _LENGTH_GROUPS + group, -1)
        for tag, group in ((seen.tag, ours), (real.tag.astype(np.int64), theirs))
    )
    missing = lack(mine, real_ones, tags * _LENGTH_GROUPS, everywhere).reshape(tags, _LENGTH_GROUPS)
    return missing.repeat(N_LENGTHS // _LENGTH_GROUPS, axis=1)


def lack(
    ours: Int64[np.ndarray, " n"],
    theirs: Int64[np.ndarray, " m"],
    kinds: int,
    prior: Float64[np.ndarray, " kinds"] | float = 1.0,
) -> Float64[np.ndarray, " kinds"]:
    """Share of each kind in the log over its share in the simulation; -1 left out, small kinds shrunk to the prior."""
    mine, real = (np.bincount(each[each >= 0], minlength=kinds) for each in (ours, theirs))
    same_size = real * (mine.sum() / max(1, real.sum()))
    return np.clip((same_size + _SHRINK * prior) / (mine + _SHRINK), 0.5, 2.0)


def _kinds(
    world: World, seen: PolicySample, real: ValidationViews
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " m"]]:
    """Profiles of who watched, simulated and real; -1 for real ones that the world has not."""
    profiles = pd.MultiIndex.from_arrays(list(world.tables.profile_code.T))
    codes = drawn_users(world, seen.spec).profile_code[seen.user]
    ours, theirs = (profiles.get_indexer(pd.MultiIndex.from_arrays(list(each.T))) for each in (codes, real.profile))
    return ours.astype(np.int64), theirs.astype(np.int64)


def by_degree(world: World, random: SampledImpressions, base: SampledImpressions, share: float = 1.0) -> World:
    """Mean and spread of each activity degree's appeal moved towards its published click rates, by `share` of the way.

    The more its users differ, the more of them like random videos already and the less a ranker adds. Rates are to
    those of everybody as published; who happens to be in the crowd is taken out of them.
    """
    t, at = world.tables, USER_LATENTS.index("appeal")
    mean, scale = t.user_mean.copy(), t.appeal_scale.copy()
    for code, level in enumerate(world.columns[0].levels):
        met = tuple(_typical(each.take(each.group == code)) for each in (random, base))
        if level in ACTIVITY_DEGREES and min(len(each) for each in met) > _FEWEST:
            wanted = np.array([_target_rate(world, random, "random", level), _target_rate(world, base, "base", level)])
            more, factor = _mean_and_spread(world, met, logit(wanted))
            mine = t.profile_code[:, 0] == code
            mean[mine, at] += share * more
            scale[mine] *= factor**share
    return world.with_tables(user_mean=mean, appeal_scale=np.clip(scale, *_SCALE).astype(np.float32))


def _typical(met: SampledImpressions) -> SampledImpressions:
    """Meetings as with users whose mean appeal is that of their kinds."""
    return replace(met, appeal=met.appeal - met.appeal_residual.mean()) if len(met) else met


def _target_rate(world: World, everybody: SampledImpressions, regime: str, level: str) -> float:
    """Return the click rate at which a degree's ratio to the overall rate is the published one."""
    published = {"random": RANDOM_BY_ACTIVITY, "base": STANDARD_BY_ACTIVITY}[regime]["click"]
    return _clicks(world, everybody) / REGIMES[regime]["click"] * published[ACTIVITY_DEGREES.index(level)]


def _mean_and_spread(
    world: World, met: tuple[SampledImpressions, ...], wanted: Float64[np.ndarray, " 2"]
) -> tuple[float, float]:
    """Solve for the shift and the scale of appeal that give the wanted logits of click rates, by Newton steps."""
    at = np.zeros(2)

    def click_logits(where: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, " 2"]:
        add, wider = np.float32(where[0]), np.float32(np.expm1(where[1]))
        moved = (each.appeal + add + wider * (each.appeal_residual - each.appeal_residual.mean()) for each in met)
        return logit([_clicks(world, replace(each, appeal=a)) for each, a in zip(met, moved, strict=True)])

    for _ in range(_ROUNDS):
        now = click_logits(at)
        slopes = np.stack([(click_logits(at + _STEP * unit) - now) / _STEP for unit in np.eye(2)], axis=1)
        at = np.clip(at + np.linalg.lstsq(slopes, wanted - now)[0], -_LARGEST, _LARGEST)
    return float(at[0]), float(np.exp(at[1]))


def by_hour(world: World, random: SampledImpressions, base: SampledImpressions) -> World:
    """Effects of the hour that give the published click rates by hour, as nearly as both regimes allow.

    The curves of both regimes, as distances from their own means on the scale of the logit, over what a unit of appeal
    moves that logit; between the two, where both rates are off by the same percentage.
    """
    curves = ((random, RANDOM_CLICK_BY_HOUR), (base, STANDARD_CLICK_BY_HOUR))
    steepness = [_steepness(world, met) for met, _ in curves]
    effects = [logit(np.array(rates)) / steep for steep, (_, rates) in zip(steepness, curves, strict=True)]
    weight = [steep * (1 - _clicks(world, met)) for steep, (met, _) in zip(steepness, curves, strict=True)]
    effect = np.average([each - world.tables.hour_share @ each for each in effects], axis=0, weights=weight)
    return world.with_tables(hour_effect=effect.astype(np.float32))


def _steepness(world: World, met: SampledImpressions) -> float:
    """Return the gain in the logit of the click rate per unit of appeal."""
    now, more = (_clicks(world, replace(met, appeal=met.appeal + np.float32(add))) for add in (0.0, 0.1))
    return float(logit(more) - logit(now)) / 0.1


def _clicks(world: World, met: SampledImpressions) -> float:
    """Click rate of meetings."""
    return float(outcome(world, met).nested()[0].mean())
