"""Serving with fitted towers: scores, predictions, and the arrays stored in a policy's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, Int

from policies.base import Feedback, History, Observation, UserTable
from policies.checks import check_tables
from policies.histories import LoggedRequests, gather_history
from policies.kernel import (
    N_GRADES,
    SIZE,
    TASKS,
    UNITS,
    HistoryArrays,
    ScoreFusion,
    Towers,
    encode_requests,
    predict_requests,
    score_requests,
)
from policies.storage import want_shapes

_CHUNK: Final = 20_000


def plain_fusion(click: float, watch: float) -> ScoreFusion:
    """Click and watch time alone."""
    zero = np.float32(0)
    return ScoreFusion(np.float32(click), np.float32(watch), zero, zero, zero, np.zeros(0, np.float32))


def score(towers: Towers, fusion: ScoreFusion, obs: Observation, h: int) -> Float32[np.ndarray, "users n"]:
    """Fused scores of every candidate, from at most the last `h` views of each user.

    Raises:
        ValueError: The catalogue or the user features are not those of the log that the towers were fitted on.
    """
    check_tables(obs, len(towers.items), len(towers.feature_mean))
    scores = np.empty(obs.candidates.shape, np.float32)
    candidates = np.ascontiguousarray(obs.candidates, np.int32)
    features = np.ascontiguousarray(obs.users.features, np.float32)
    score_requests(obs.user_id, candidates, features, _views(obs.history, h), towers, fusion, scores)
    return scores


def predict_rows(
    towers: Towers,
    feedback: Feedback,
    requests: LoggedRequests,
    users: UserTable,
    rows: Int[np.ndarray, " chosen"],
    h: int,
) -> Float32[np.ndarray, "chosen tasks"]:
    """Click logit and log watch time of some logged views, as they would have been served."""
    out = np.empty((len(rows), TASKS), np.float32)
    for begin in range(0, len(rows), _CHUNK):
        part = rows[begin : begin + _CHUNK]
        asked = requests.of_row[part]
        history = gather_history(feedback, requests.first[asked], requests.start[asked], requests.clock_h[asked], h)
        user_id, video_id = feedback.user_id[part], feedback.video_id[part]
        room = out[begin : begin + _CHUNK]
        predict_requests(user_id, video_id, users.features, _views(history, h), towers, room)
    return out


def encode(
    towers: Towers,
    people: Float32[np.ndarray, "people f"],
    user_id: Int[np.ndarray, " users"],
    history: History,
    h: int,
) -> Float32[np.ndarray, "users o"]:
    """User vectors of requests, one of `d` + 1 per task, from at most the last `h` views."""
    out = np.empty((len(user_id), TASKS * (SIZE + 1)), np.float32)
    features = np.ascontiguousarray(people, np.float32)
    encode_requests(user_id.astype(np.int32), features, _views(history, h), towers, out)
    return out


def name_towers(towers: Towers) -> dict[str, np.ndarray]:
    """Return the arrays by their stored names."""
    return dict(towers._asdict())


def tower_shapes(videos: int, f: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of `Towers`, in their order, for so many videos and user features."""
    n_inputs, n_out = SIZE + 2 + f, TASKS * (SIZE + 1)
    return {
        "items": (videos, SIZE + TASKS), "usual": (videos,), "worth": (N_GRADES,), "pull": (1,),
        "feature_mean": (f,), "feature_spread": (f,),
        "inner": (n_inputs, UNITS), "inner_bias": (UNITS,), "outer": (n_inputs + UNITS, n_out), "outer_bias": (n_out,),
    }  # fmt: skip


def read_towers(folder: Path, arrays: Mapping[str, np.ndarray]) -> Towers:
    """Towers out of a policy's arrays.

    Raises:
        PolicyFolderError: An array is missing or does not fit the others.
    """
    videos, f = (arrays[name].shape[0] if name in arrays else -1 for name in ("items", "feature_mean"))
    want_shapes(folder, arrays, tower_shapes(videos, f))
    return Towers(*(np.ascontiguousarray(arrays[name], np.float32) for name in Towers._fields))


def _views(history: History, h: int) -> HistoryArrays:
    """The newest `h` columns, laid out for the kernel."""
    arrays = (history.video_id, history.watch_s, history.events, history.mask)
    return HistoryArrays(*(np.ascontiguousarray(array[:, -h:]) for array in arrays))
