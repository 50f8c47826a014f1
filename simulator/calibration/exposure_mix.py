"""Mix of exposures: shares and effects of user profiles, topics, lengths and hours.

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
from user_models.world.tables import N_LENGTHS, USER_LATENTS
from user_models.world.world import World

_SHRINK: Final = 100.0
"""Number of views that ratios of shares are shrunk by."""
_FEWEST: Final = 300
"""Smallest number of views of a degree that is tuned."""
_SCALE: Final = (0.5, 1.5)
"""Limits of the scale of a degree's spread of appeal."""
_ROUNDS: Final = 4
_STEP: Final = 0.05
_LARGEST: Final = 0.4
"""Largest change of mean appeal, and of the log of its spread, in a step."""
_CATALOGUE: Final = 0.5
_LENGTH_GROUPS: Final = 16
"""Number of groups of lengths within a topic."""


def match_exposure_mix(world: World, sample: PolicySample, real: ValidationViews, share: float) -> World:
    """Move shares of topics, lengths, user profiles and hours under `base` towards the log's, by `share` of the gap.

    Topics and lengths move half as far: a ranker that shows too much of one mainly has too steep slopes, and the
    catalogue also determines random exposures.
    """
    tables = world.tables
    lengths = tables.length_share * _length_ratio(world, sample, real) ** (_CATALOGUE * share)
    tags = tables.tag_share * share_ratio(sample.tag, real.tag.astype(np.int64), len(tables.tag_share)) ** (
        _CATALOGUE * share
    )
    hours = tables.hour_share * share_ratio(sample.hour, real.hour.astype(np.int64), 24) ** share
    simulated_kinds, real_kinds = _kinds(world, sample, real)
    mean = tables.user_mean.copy()
    mean[:, USER_LATENTS.index("log_views")] += share * np.log(share_ratio(simulated_kinds, real_kinds, len(mean)))
    return world.with_tables(
        tag_share=tags / tags.sum(),
        length_share=lengths / lengths.sum(axis=1, keepdims=True),
        hour_share=hours / hours.sum(),
        user_mean=mean,
    )


def _length_ratio(world: World, sample: PolicySample, real: ValidationViews) -> Float64[np.ndarray, "tags lengths"]:
    """Compute `share_ratio` of lengths within each topic; topics with few views are shrunk to all topics' ratios."""
    nodes, tags = world.tables.node_log_duration, len(world.tables.tag_share)
    edges = np.linspace(nodes[0], nodes[-1], _LENGTH_GROUPS + 1)[1:-1]
    simulated_lengths, real_lengths = (
        np.searchsorted(edges, np.log(length)).astype(np.int64)
        for length in (sample.videos.duration_s[sample.video], real.duration_s)
    )
    overall_ratio = np.tile(share_ratio(simulated_lengths, real_lengths, _LENGTH_GROUPS), tags)
    simulated_cells, real_cells = (
        np.where(tag >= 0, tag * _LENGTH_GROUPS + group, -1)
        for tag, group in ((sample.tag, simulated_lengths), (real.tag.astype(np.int64), real_lengths))
    )
    ratios = share_ratio(simulated_cells, real_cells, tags * _LENGTH_GROUPS, overall_ratio).reshape(
        tags, _LENGTH_GROUPS
    )
    return ratios.repeat(N_LENGTHS // _LENGTH_GROUPS, axis=1)


def share_ratio(
    simulated: Int64[np.ndarray, " n"],
    real: Int64[np.ndarray, " m"],
    kinds: int,
    prior: Float64[np.ndarray, " kinds"] | float = 1.0,
) -> Float64[np.ndarray, " kinds"]:
    """Share of each kind in the log over that in the simulation, without -1; small kinds are shrunk to the prior."""
    simulated_counts, real_counts = (np.bincount(codes[codes >= 0], minlength=kinds) for codes in (simulated, real))
    same_size = real_counts * (simulated_counts.sum() / max(1, real_counts.sum()))
    return np.clip((same_size + _SHRINK * prior) / (simulated_counts + _SHRINK), 0.5, 2.0)


def _kinds(
    world: World, sample: PolicySample, real: ValidationViews
) -> tuple[Int64[np.ndarray, " n"], Int64[np.ndarray, " m"]]:
    """User profiles of the simulated and the real views; -1 for real ones that the world lacks."""
    profiles = pd.MultiIndex.from_arrays(list(world.tables.profile_code.T))
    codes = drawn_users(world, sample.spec).profile_code[sample.user]
    simulated_kinds, real_kinds = (
        profiles.get_indexer(pd.MultiIndex.from_arrays(list(profile_codes.T)))
        for profile_codes in (codes, real.profile)
    )
    return simulated_kinds.astype(np.int64), real_kinds.astype(np.int64)


def by_degree(world: World, random: SampledImpressions, base: SampledImpressions, share: float = 1.0) -> World:
    """Move mean and spread of each activity degree's appeal towards its published click rates, by `share` of the gap.

    A larger spread raises the rate of random videos and lowers the gain of a ranker. The target is the published ratio
    of a degree's rate to the overall rate; the mean residual of the drawn users is removed.
    """
    tables, appeal_column = world.tables, USER_LATENTS.index("appeal")
    mean, scale = tables.user_mean.copy(), tables.appeal_scale.copy()
    for code, level in enumerate(world.columns[0].levels):
        impressions = tuple(_without_mean_residual(sampled.take(sampled.group == code)) for sampled in (random, base))
        if level in world.targets.groups and min(len(sampled) for sampled in impressions) > _FEWEST:
            target_rates = np.array(
                [_target_rate(world, random, "random", level), _target_rate(world, base, "base", level)]
            )
            mean_shift, factor = _mean_and_spread(world, impressions, logit(target_rates))
            has_degree = tables.profile_code[:, 0] == code
            mean[has_degree, appeal_column] += share * mean_shift
            scale[has_degree] *= factor**share
    return world.with_tables(user_mean=mean, appeal_scale=np.clip(scale, *_SCALE).astype(np.float32))


def _without_mean_residual(impressions: SampledImpressions) -> SampledImpressions:
    """Remove the mean residual of the users' appeal."""
    return (
        replace(impressions, appeal=impressions.appeal - impressions.appeal_residual.mean())
        if len(impressions)
        else impressions
    )


def _target_rate(world: World, impressions: SampledImpressions, regime: str, level: str) -> float:
    """Return the click rate at which a degree's ratio to the overall rate is the published one."""
    targets = world.targets
    by_group = {"random": targets.random_by_group, "base": targets.base_by_group}[regime].click
    overall = targets.regimes()[regime]["click"]
    return _click_rate(world, impressions) / overall * by_group[targets.groups.index(level)]


def _mean_and_spread(
    world: World, impressions: tuple[SampledImpressions, ...], target_logits: Float64[np.ndarray, " 2"]
) -> tuple[float, float]:
    """Solve for the shift and the scale of appeal that give the wanted logits of click rates, by Newton steps."""
    solution = np.zeros(2)

    def click_logits(point: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, " 2"]:
        add, added_scale = np.float32(point[0]), np.float32(np.expm1(point[1]))
        appeals = (
            sampled.appeal + add + added_scale * (sampled.appeal_residual - sampled.appeal_residual.mean())
            for sampled in impressions
        )
        return logit(
            [_click_rate(world, replace(sampled, appeal=a)) for sampled, a in zip(impressions, appeals, strict=True)]
        )

    for _ in range(_ROUNDS):
        logits = click_logits(solution)
        slopes = np.stack([(click_logits(solution + _STEP * unit) - logits) / _STEP for unit in np.eye(2)], axis=1)
        solution = np.clip(solution + np.linalg.lstsq(slopes, target_logits - logits)[0], -_LARGEST, _LARGEST)
    return float(solution[0]), float(np.exp(solution[1]))


def by_hour(world: World, random: SampledImpressions, base: SampledImpressions) -> World:
    """Set effects of the hour from the published click rates by hour under both logging policies.

    An effect is the distance of an hour's logit from the mean, over the gain in the logit per unit of appeal. The two
    policies are averaged with weights that make both rates off by the same percentage.
    """
    curves = ((random, world.targets.random_click_by_hour), (base, world.targets.base_click_by_hour))
    steepness = [_steepness(world, impressions) for impressions, _ in curves]
    effects = [logit(np.array(rates)) / slope for slope, (_, rates) in zip(steepness, curves, strict=True)]
    weight = [
        slope * (1 - _click_rate(world, impressions)) for slope, (impressions, _) in zip(steepness, curves, strict=True)
    ]
    effect = np.average(
        [effect_of_policy - world.tables.hour_share @ effect_of_policy for effect_of_policy in effects],
        axis=0,
        weights=weight,
    )
    return world.with_tables(hour_effect=effect.astype(np.float32))


def _steepness(world: World, impressions: SampledImpressions) -> float:
    """Return the gain in the logit of the click rate per unit of appeal."""
    rate, rate_above = (
        _click_rate(world, replace(impressions, appeal=impressions.appeal + np.float32(add))) for add in (0.0, 0.1)
    )
    return float(logit(rate_above) - logit(rate)) / 0.1


def _click_rate(world: World, impressions: SampledImpressions) -> float:
    """Click rate of impressions."""
    return float(outcome(world, impressions).nested()[0].mean())
