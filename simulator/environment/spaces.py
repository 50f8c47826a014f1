"""Observation and action spaces of the environment, and the encoding of a request.

Axes: `h` views remembered, `n` candidates, `events` kinds of event a platform logs.
"""

from typing import Any, Final

import numpy as np
from gymnasium import spaces
from jaxtyping import Float32, Int32, Int64, UInt16

from policies.base import Observation
from policies.events import events_logged
from simulator.rollout.catalogue import Platform
from simulator.rollout.history_buffer import HISTORY
from user_models.dynamics.watch_thresholds import LONGEST

_MANY: Final = 2**31 - 1


def action_space(n_candidates: int) -> spaces.Box:
    """A score per candidate; the best-scored are shown."""
    return spaces.Box(-1, 1, (n_candidates,), np.float32)


def observation_space(platform: Platform, n_candidates: int, horizon_days: int) -> spaces.Space[dict[str, Any]]:
    """One request as arrays with finite bounds, without nesting.

    Keys: `user` public features; `history_*` the last views, oldest first, right-aligned (`events` has one column per
    `policies.base.Event`, the last, `ASKED_STRONGLY`, only where some questionnaires have the strong form);
    `candidate_*` what is on offer; `day` of the episode, from 0; `hour` of the day; `position` views already made
    today; `last_answer` latest answer to a questionnaire: 0 none yet, 1 dissatisfied, 2 uncertain, 3 satisfied.
    """
    videos, users = platform.video_table, platform.user_table
    n_videos, f32, i32 = len(videos.duration_s), np.float32, np.int32
    longest = f32(LONGEST * videos.duration_s.max() * 1.001)
    features = videos.features
    return spaces.Dict(
        {
            "user": spaces.Box(np.minimum(users.features.min(0), 0), np.maximum(users.features.max(0), 1), dtype=f32),
            "history_video_id": spaces.Box(0, n_videos - 1, (HISTORY,), i32),
            "history_watch_s": spaces.Box(0, longest, (HISTORY,), f32),
            "history_events": spaces.Box(
                0, 1, (HISTORY, len(event_bits(platform))), np.int8
            ),  # TorchRL reads no MultiBinary of two axes
            "history_hours_ago": spaces.Box(0, 24 * horizon_days, (HISTORY,), i32),
            "history_mask": spaces.MultiBinary(HISTORY),
            "candidate_id": spaces.Box(0, n_videos - 1, (n_candidates,), i32),
            "candidate_tag": spaces.Box(0, int(videos.tag.max()), (n_candidates,), i32),
            "candidate_features": spaces.Box(
                _repeated(features.min(0), n_candidates), _repeated(features.max(0), n_candidates), dtype=f32
            ),
            "day": spaces.Discrete(horizon_days),
            "hour": spaces.Discrete(24),
            "position": spaces.Box(0, _MANY, (1,), i32),
            "last_answer": spaces.Discrete(4),
        }
    )


def event_bits(platform: Platform) -> UInt16[np.ndarray, " events"]:
    """Bits of the events that a platform logs, one per column of `history_events`."""
    return np.array([event.value for event in events_logged(asks_strongly=platform.world.asks_strongly)], np.uint16)


def encode(obs: Observation, first_day: int, last_answer: int, bits: UInt16[np.ndarray, " events"]) -> dict[str, Any]:
    """Encode the only row of a request as a point of `observation_space`; every array is new."""
    rows = encode_rows(obs, np.array([first_day], np.int32), np.array([last_answer], np.int64), bits)
    return {key: value[0] for key, value in rows.items()}


def encode_rows(
    obs: Observation,
    first_day: Int32[np.ndarray, " rows"],
    last_answer: Int64[np.ndarray, " rows"],
    bits: UInt16[np.ndarray, " events"],
) -> dict[str, np.ndarray]:
    """Encode requests as points of `observation_space`, one per row of every array; every array is new.

    `bits` are those of `event_bits`.
    """
    history, candidates = obs.history, obs.candidates
    return {
        "user": obs.users.features[obs.user_id],
        "history_video_id": history.video_id,
        "history_watch_s": history.watch_s,
        "history_events": ((history.events[..., None] & bits) > 0).view(np.int8),
        "history_hours_ago": history.hours_ago,
        "history_mask": history.mask.view(np.int8),
        "candidate_id": candidates.copy(),
        "candidate_tag": obs.videos.tag[candidates],
        "candidate_features": obs.videos.features[candidates],
        "day": (obs.day - first_day).astype(np.int64),
        "hour": obs.hour.astype(np.int64),
        "position": obs.position.astype(np.int32)[:, None],
        "last_answer": last_answer,
    }


def _repeated(row: Float32[np.ndarray, " f"], n: int) -> Float32[np.ndarray, "n f"]:
    return np.repeat(row[None], n, axis=0)
