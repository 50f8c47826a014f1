"""Arrays that the kernels read and write: latents of users and videos, user state, parameters, and responses.

Bundles are NamedTuples, which numba reads directly. Axes: `users`; `videos`; `d` taste dimensions; `actions` like,
follow, comment, forward, hate, profile_enter; `thresholds` of watch time; `rows` users served now; `k` slate length.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int8, Int16, Int32, UInt16


class Videos(NamedTuple):
    """Latents of every video."""

    duration_s: Float32[np.ndarray, " videos"]
    thresholds_s: Float32[np.ndarray, "videos thresholds"]
    stop_odds: Float32[np.ndarray, "videos thresholds"]
    """Odds against passing each threshold at appeal 0; 0 where the threshold has no length."""
    slope: Float32[np.ndarray, "videos segments"]
    """Pull of appeal on each segment of the thresholds."""
    appeal: Float32[np.ndarray, " videos"]
    topic: Float32[np.ndarray, "videos d"]
    quality: Float32[np.ndarray, " videos"]
    bait: Float32[np.ndarray, " videos"]
    action: Float32[np.ndarray, "videos actions"]


class Users(NamedTuple):
    """Latents of every user."""

    appeal: Float32[np.ndarray, " users"]
    taste: Float32[np.ndarray, "users d"]
    action: Float32[np.ndarray, "users actions"]
    answering: Float32[np.ndarray, " users"]
    """Logit of answering, apart from satisfaction and fatigue."""
    sessions_per_day: Float32[np.ndarray, " users"]
    """On an active day; at least 1."""
    views_per_session: Float32[np.ndarray, " users"]
    return_intercept: Float32[np.ndarray, " users"]
    """Added to the logit of coming back."""


class UserState(NamedTuple):
    """State of every user that changes over time; the kernels write into these arrays."""

    patience: Float32[np.ndarray, " users"]
    """Views of average pleasure left in the session; at or below 0 no session is open."""
    sessions_left: Int16[np.ndarray, "users rounds"]
    session: Int16[np.ndarray, " users"]
    """Sessions opened today."""
    request: Int16[np.ndarray, " users"]
    """Requests made today."""
    views: Int32[np.ndarray, " users"]
    """Views made today."""
    hour: Int8[np.ndarray, " users"]
    clicked: Float32[np.ndarray, " users"]
    """1 if the last view of the session was clicked, else 0; 0.5 at its start."""
    skips: Int16[np.ndarray, " users"]
    """Skips in a row."""
    pleasure: Float32[np.ndarray, " users"]
    """Sum of satisfaction over today's views."""
    mood: Float32[np.ndarray, " users"]
    """Running mean of daily satisfaction."""
    days_away: Int16[np.ndarray, " users"]
    """Days since the user was last active; 0 on the day after an active one."""
    prompts: Float32[np.ndarray, " users"]
    """Recent questionnaires, fading by the day."""
    last_asked: Int16[np.ndarray, " users"]
    """Day of the last questionnaire."""
    asked: Int16[np.ndarray, " users"]
    """Questionnaires today."""
    leaning: Float32[np.ndarray, "users d"]
    """How far taste has drifted from where it began."""
    seen: Float32[np.ndarray, "users d"]
    """Running mean of the topics just seen."""
    wary: Float32[np.ndarray, " users"]
    """Running mean of the bait met."""


class KernelParameters(NamedTuple):
    """Parameters of every user model; see `user_models.world.world` for meaning, source and range."""

    hour_effect: Float32[np.ndarray, " hours"]
    taste: float
    momentum: float
    satiation: float
    seen_step: float
    seen_kept: float
    drift_step: float
    drift_kept: float
    drift_noise: float
    habituation: float
    wary_step: float
    action_base: Float32[np.ndarray, " actions"]
    action_stage: Float32[np.ndarray, "actions stages"]
    action_satisfaction: Float32[np.ndarray, " actions"]
    action_match: Float32[np.ndarray, " actions"]
    weight_taste: float
    weight_quality: float
    weight_bait: float
    weight_noise: float
    ask: float
    ask_long_views: float
    ask_most: int
    cool_down_days: int
    answer_base: float
    answer_satisfaction: float
    answer_fatigue: float
    fatigue_kept: float
    say_noise: float
    say_dissatisfied: float
    say_satisfied: float
    strong_share: float
    strong_boost: float
    strong_displeased: float
    cost_scale: float
    cost_satisfaction: float
    cost_skips: float
    patience_shape: float
    return_logit: Float32[np.ndarray, " gaps"]
    return_satisfaction: float
    mood_kept: float
    mood_usual: float
    hour_share: Float64[np.ndarray, " hours"]
    weekday: Float32[np.ndarray, " 7"]
    """Sessions on each day of the week, over their mean."""
    views_scale: float


class Response(NamedTuple):
    """Response to slates: logged values and latent truth. No other type holds both."""

    viewed: Bool[np.ndarray, "rows k"]
    watch_s: Float32[np.ndarray, "rows k"]
    events: UInt16[np.ndarray, "rows k"]
    answer: Int8[np.ndarray, "rows k"]
    satisfaction: Float32[np.ndarray, "rows k"]
    appeal: Float32[np.ndarray, "rows k"]
    propensity: Float32[np.ndarray, "rows k"]
    """Chance that the view would be answered if asked; 0 where it was not asked."""
