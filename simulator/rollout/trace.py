"""The trace: one row per impression of chosen users, with feedback and latents."""

from dataclasses import dataclass, fields
from typing import final

import numpy as np
import pyarrow as pa
from jaxtyping import Float32, Int64

from policies.base import Feedback
from policies.events import events_logged
from user_models.dynamics.state import Response


@final
@dataclass(frozen=True)
class TracePart:
    """Logged views with their latents; for reports, never for policies."""

    log: Feedback
    satisfaction: Float32[np.ndarray, " rows"]
    appeal: Float32[np.ndarray, " rows"]


def traced(log: Feedback, response: Response, user_id: Int64[np.ndarray, " traced"]) -> TracePart:
    """Select the traced users' views from a request's log; `log` holds all its views, in order."""
    is_traced = np.isin(log.user_id, user_id)
    latents = (values[response.viewed][is_traced] for values in (response.satisfaction, response.appeal))
    return TracePart(log.take(is_traced), *latents)


def trace_table(parts: list[TracePart], world: str, *, asks_strongly: bool) -> pa.Table:
    """Parts in order as one table: the log's columns, one boolean per event, and the true latents.

    The column for the strong form of the questionnaire is written only if `asks_strongly`.
    """
    columns = {f.name: np.concatenate([getattr(p.log, f.name) for p in parts]) for f in fields(Feedback)}
    events = columns.pop("events")
    columns |= {
        event.name.lower(): (events & event.value) > 0
        for event in events_logged(asks_strongly=asks_strongly)
        if event.name
    }
    columns["true_satisfaction"] = np.concatenate([p.satisfaction for p in parts])
    columns["true_appeal"] = np.concatenate([p.appeal for p in parts])
    order = np.argsort(columns["user_id"], kind="stable")
    arrays = {"world": pa.array([world] * len(order)).dictionary_encode()}
    return pa.table(arrays | {name: pa.array(values[order]) for name, values in columns.items()})
