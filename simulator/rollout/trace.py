"""The trace: one row per impression of chosen users, with feedback and latents."""

from dataclasses import dataclass, fields
from typing import Final, final

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Float64, Int64

from policies.base import Feedback
from policies.events import events_logged
from user_models.dynamics.state import Response

PROPENSITIES: Final = ("log_propensity", "slate_log_propensity")


@final
@dataclass(frozen=True)
class TracePart:
    """Logged views with their chances and the latents behind them; for people, never for policies.

    Attributes:
        log: Views of traced users.
        log_propensity: Log-chance with which the policy showed each video at its place, given those above it; NaN
            where the policy has none.
        slate_log_propensity: Of the whole slate, videos that were not seen included: the sum over its places.
        satisfaction: Latent satisfaction with each view.
        appeal: Latent pull of each video.
    """

    log: Feedback
    log_propensity: Float64[np.ndarray, " rows"]
    slate_log_propensity: Float64[np.ndarray, " rows"]
    satisfaction: Float32[np.ndarray, " rows"]
    appeal: Float32[np.ndarray, " rows"]


def traced(
    log: Feedback,
    response: Response,
    log_propensity: Float64[np.ndarray, "requests k"],
    user_id: Int64[np.ndarray, " traced"],
) -> TracePart:
    """The part of a request's log that belongs to the traced users; `log` holds all its views, in order."""
    chosen = np.isin(log.user_id, user_id)
    whole = np.broadcast_to(log_propensity.sum(axis=1, keepdims=True), log_propensity.shape)
    values = (log_propensity, whole, response.satisfaction, response.appeal)
    return TracePart(log.take(chosen), *(each[response.viewed][chosen] for each in values))


def trace_table(parts: list[TracePart], world: str, *, asks_strongly: bool) -> pa.Table:
    """Parts in order as one table: the log's columns, one boolean per event, propensities and true latents.

    The column for the strong form of the questionnaire is written only if `asks_strongly`.
    """
    columns = {f.name: np.concatenate([getattr(p.log, f.name) for p in parts]) for f in fields(Feedback)}
    events = columns.pop("events")
    columns |= {
        event.name.lower(): (events & event.value) > 0
        for event in events_logged(asks_strongly=asks_strongly)
        if event.name
    }
    for name in PROPENSITIES:
        columns[name] = np.concatenate([getattr(p, name) for p in parts])
    columns["true_satisfaction"] = np.concatenate([p.satisfaction for p in parts])
    columns["true_appeal"] = np.concatenate([p.appeal for p in parts])
    order = np.argsort(columns["user_id"], kind="stable")
    arrays = {"world": pa.array([world] * len(order)).dictionary_encode()}
    return pa.table(arrays | {name: pa.array(values[order]) for name, values in columns.items()})
