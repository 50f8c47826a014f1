"""The trace: one row per impression of chosen users, feedback and latents side by side."""

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
    """Logged views with the latents behind them; for people, never for policies."""

    log: Feedback
    satisfaction: Float32[np.ndarray, " rows"]
    appeal: Float32[np.ndarray, " rows"]


def traced(log: Feedback, response: Response, user_id: Int64[np.ndarray, " traced"]) -> TracePart:
    """The part of a request's log that belongs to the traced users; `log` holds all its views, in order."""
    chosen = np.isin(log.user_id, user_id)
    latents = (values[response.viewed][chosen] for values in (response.satisfaction, response.appeal))
    return TracePart(log.take(chosen), *latents)


def trace_table(parts: list[TracePart], world: str, *, asks_strongly: bool) -> pa.Table:
    """Parts in order as one table: the log's columns, one boolean per event, and the true latents.

    Whether a questionnaire had the strong form is among them only where that happens.
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
