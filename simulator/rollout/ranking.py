"""Slates of a policy, checked, with the chances that it tells of them.

Axes: `rows` requests, `k` slate length.
"""

from typing import Final

import numpy as np
from jaxtyping import Float64, Int64

from policies.base import ExploringPolicy, Observation, Policy, Slates
from policies.noise import KeyedNoise
from simulator.noise import row_keys, seed_word
from simulator.rollout.catalogue import RolloutSettings
from simulator.rollout.loop_kernel import first_bad_slate
from simulator.rollout.population import Block

_ROUNDING: Final = 1e-6
"""What a log-chance may be above 0."""


class InvalidSlateError(ValueError):
    """A policy broke its contract: says which policy, which slate and what was wanted."""


def rank(
    settings: RolloutSettings,
    block: Block,
    policy: Policy,
    obs: Observation,
    rows: Int64[np.ndarray, " rows"],
    *,
    traced: bool,
) -> tuple[Slates, Float64[np.ndarray, "rows k"] | None]:
    """The policy's slates, checked, and their log-chances where they are traced."""
    if not traced:
        return rank_checked(settings, block, policy, obs, rows), None
    return rank_traced(settings, block, policy, obs, rows)


def rank_checked(
    settings: RolloutSettings, block: Block, policy: Policy, obs: Observation, rows: Int64[np.ndarray, " rows"]
) -> Slates:
    """The policy's slates, checked.

    Raises:
        InvalidSlateError: Wrong shape, a repeat, or a video that was not on offer.
    """
    return _checked(settings, policy, obs, policy.rank(obs, settings.slate_size, _noise(settings, block, obs, rows)))


def rank_traced(
    settings: RolloutSettings, block: Block, policy: Policy, obs: Observation, rows: Int64[np.ndarray, " rows"]
) -> tuple[Slates, Float64[np.ndarray, "rows k"]]:
    """Rank as `rank_checked`, with the log-chance of each video given those above it; NaN if the policy has none.

    Raises:
        InvalidSlateError: As `rank_checked`, or chances that are not of these slates.
    """
    if not isinstance(policy, ExploringPolicy):
        slates = rank_checked(settings, block, policy, obs, rows)
        return slates, np.full(slates.shape, np.nan)
    noise = _noise(settings, block, obs, rows)
    slates, log_propensity = policy.rank_with_propensity(obs, settings.slate_size, noise)
    slates = _checked(settings, policy, obs, slates)
    if log_propensity.shape != slates.shape or not ((log_propensity > -np.inf) & (log_propensity < _ROUNDING)).all():
        raise InvalidSlateError(
            f"{type(policy).__name__}.rank_with_propensity returned log-chances of shape {log_propensity.shape}, up "
            f"to {log_propensity.max(initial=-np.inf)}; want finite numbers up to 0 of shape {slates.shape}"
        )
    return slates, log_propensity


def _noise(settings: RolloutSettings, block: Block, obs: Observation, rows: Int64[np.ndarray, " rows"]) -> KeyedNoise:
    """The policy's noise of some requests."""
    request = block.state.request[rows].astype(np.int32)
    return KeyedNoise(row_keys(seed_word(settings.seed, "policy"), block.user_id[rows], obs.day, request))


def _checked(settings: RolloutSettings, policy: Policy, obs: Observation, ranked: Slates) -> Slates:
    """Slates that a policy returned, checked."""
    slates = np.ascontiguousarray(ranked, dtype=np.int32)
    shape = (len(obs.user_id), settings.slate_size)
    name = type(policy).__name__
    if slates.shape != shape:
        raise InvalidSlateError(f"{name}.rank returned slates of shape {slates.shape}, want {shape}")
    bad = first_bad_slate(slates, obs.candidates)
    if bad >= 0:
        raise InvalidSlateError(
            f"{name}.rank returned slate {slates[bad].tolist()} for user {obs.user_id[bad]}, want "
            f"{settings.slate_size} different ids from that user's {settings.n_candidates} candidates"
        )
    return slates
