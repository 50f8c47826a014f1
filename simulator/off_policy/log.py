"""Slates with what came of them, and with the evaluated policy's chances beside them.

Axes: `slates`, by user, day and request; `k` places; `d` features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int16, Int32, Int64, UInt16

from policies.base import Event


@final
@dataclass(frozen=True)
class Shown:
    """Slates and what came of them.

    Attributes:
        user_id: Who asked.
        day: Of the test.
        request: Which of the user's day.
        session: Which of the user's day the request belongs to, from 1.
        slates: Videos.
        seen: Whether the user came so far.
        watch_s: Seconds watched, where seen.
        events: `policies.base.Event` bits, where seen.
    """

    user_id: Int64[np.ndarray, " slates"]
    day: Int16[np.ndarray, " slates"]
    request: Int16[np.ndarray, " slates"]
    session: Int16[np.ndarray, " slates"]
    slates: Int32[np.ndarray, "slates k"]
    seen: Bool[np.ndarray, "slates k"]
    watch_s: Float32[np.ndarray, "slates k"]
    events: UInt16[np.ndarray, "slates k"]

    @property
    def opens_session(self) -> Float64[np.ndarray, " slates"]:
        """1 at the first request of a session, else 0."""
        key = np.stack([self.user_id, self.day, self.session])
        return np.append(True, (np.diff(key) != 0).any(axis=0)).astype(np.float64)[: len(self.user_id)]


@final
@dataclass(frozen=True)
class Logged:
    """Slates of the logging policy, with the evaluated policy beside them.

    Attributes:
        shown: What the log holds.
        log_propensity: Of each video, given those above it, under the logging policy.
        place_propensity: The logging policy's chance of each video at its place, whatever is above.
        choice: The evaluated policy's chance of each video, given those above it.
        place_choice: Its chance of each video at its place, whatever is above.
        features: Of the videos shown.
        choice_features: Mean features of the evaluated policy's choice at each place, given the videos above.
        truth: What came of the evaluated policy's own slates at these requests.
    """

    shown: Shown
    log_propensity: Float64[np.ndarray, "slates k"]
    place_propensity: Float64[np.ndarray, "slates k"]
    choice: Float64[np.ndarray, "slates k"]
    place_choice: Float64[np.ndarray, "slates k"]
    features: Float32[np.ndarray, "slates k d"]
    choice_features: Float32[np.ndarray, "slates k d"]
    truth: Shown


def join_shown(parts: Sequence[Shown]) -> Shown:
    """All slates, by user, day and request."""
    whole = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Shown)]
    order = np.lexsort((whole[2], whole[1], whole[0]))
    return Shown(*(values[order] for values in whole))


def join_logged(parts: Sequence[Logged]) -> Logged:
    """All slates of a log, by user, day and request."""
    shown = [part.shown for part in parts]
    keys = [np.concatenate([getattr(each, name) for each in shown]) for name in ("request", "day", "user_id")]
    order = np.lexsort(keys)
    plain = [f.name for f in fields(Logged) if f.name not in ("shown", "truth")]
    joined = {name: np.concatenate([getattr(part, name) for part in parts])[order] for name in plain}
    return Logged(shown=join_shown(shown), truth=join_shown([part.truth for part in parts]), **joined)


def _event(event: Event) -> Callable[[Shown], Float64[np.ndarray, "slates k"]]:
    """1 for each view with an event."""
    return lambda shown: ((shown.events & np.uint16(event)) != 0).astype(np.float64)


REWARDS: Final[dict[str, Callable[[Shown], Float64[np.ndarray, "slates k"]]]] = {
    "click": _event(Event.CLICK),
    "long_view": _event(Event.LONG_VIEW),
    "watch_s": lambda shown: shown.watch_s.astype(np.float64),
    "like": _event(Event.LIKE),
}
"""Reward of each place, 0 where it was not seen, by name."""
