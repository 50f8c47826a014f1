"""Requests as arrays by name: what a ranker outside of this process can be given.

Axes: `users` requests, `n` candidates, `h` views of the history, `f` and `g` public features.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from policies.base import Event, History, Observation

_OF_REQUEST: Final[Mapping[str, Callable[[Observation], np.ndarray]]] = {
    "user_id": lambda obs: obs.user_id,
    "day": lambda obs: np.full(len(obs.user_id), obs.day, np.int32),
    "hour": lambda obs: obs.hour,
    "position": lambda obs: obs.position,
    "user_features": lambda obs: obs.users.features[obs.user_id],
    "candidates": lambda obs: obs.candidates,
    "duration_s": lambda obs: obs.videos.duration_s[obs.candidates],
    "tag": lambda obs: obs.videos.tag[obs.candidates],
    "video_features": lambda obs: obs.videos.features[obs.candidates],
}
_OF_HISTORY: Final[Mapping[str, Callable[[History], np.ndarray]]] = {
    "history_video_id": lambda history: history.video_id,
    "history_watch_s": lambda history: history.watch_s,
    "history_hours_ago": lambda history: history.hours_ago,
    "history_mask": lambda history: history.mask,
}
_EVENTS: Final[Mapping[str, Event]] = {f"history_{str(event.name).lower()}": event for event in Event}

ARRAYS: Final = (*_OF_REQUEST, *_OF_HISTORY, *_EVENTS)
"""Names of all arrays. Per request: `user_id`, `day`, `hour`, `position` [users] and `user_features` [users, f]. Per
candidate: `candidates` (video ids), `duration_s`, `tag` [users, n] and `video_features` [users, n, g]. Per view of the
history, oldest first and right-aligned: `history_video_id`, `history_watch_s`, `history_hours_ago`, `history_mask` (1
where there is a view) and one array per event, such as `history_click` [users, h]."""


def check_names(names: Sequence[str]) -> None:
    """Check that there are arrays of these names.

    Raises:
        ValueError: There is none of some name.
    """
    for name in names:
        if name not in ARRAYS:
            near = difflib.get_close_matches(name, ARRAYS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"want {', '.join(ARRAYS)}"
            raise ValueError(f"array {name!r} given, which no request has; {hint}")


def request_arrays(obs: Observation, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return arrays of all requests by name; the history is read only if one of them needs it.

    Raises:
        ValueError: There is none of some name.
    """
    check_names(names)
    history = obs.history if any(name not in _OF_REQUEST for name in names) else None
    return {
        name: _OF_REQUEST[name](obs) if history is None or name in _OF_REQUEST else _past(history, name)
        for name in names
    }


def _past(history: History, name: str) -> np.ndarray:
    """An array of the history."""
    if name in _OF_HISTORY:
        return _OF_HISTORY[name](history)
    return ((history.events & np.uint16(_EVENTS[name])) != 0) & history.mask
