"""Views as the recovery reads them: logged columns, and quantities given to it.

Axes: `rows` views; `thresholds` of watch time; `actions` as in `user_models.world.tables`; `context` as in `CONTEXT`.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Bool, Float64, Int64

CONTEXT: Final = ("watch.taste", "watch.momentum", "satiation.strength", "habituation.strength")
"""Scalars that pull on appeal, by their names in the world's parameters."""


@final
@dataclass(frozen=True)
class RecoveryViews:
    """One row per view.

    Attributes:
        user: Place of the user, 0 to one less than the number of users.
        hour: Hour of day.
        log_duration: Log-seconds.
        exists: True where a threshold of this video has a length.
        passed: Thresholds passed.
        acted: Whether each action was taken.
        video_appeal: Known: what the video adds to appeal.
        context: Known: what each scalar of `CONTEXT` is multiplied by.
        video_action: Known: what the video and its match with the user add to the logit of each action.
        satisfaction: Known: the part of satisfaction that features tell.
        noise: Known: standard deviation of the part that none tells.
    """

    user: Int64[np.ndarray, " rows"]
    hour: Int64[np.ndarray, " rows"]
    log_duration: Float64[np.ndarray, " rows"]
    exists: Bool[np.ndarray, "rows thresholds"]
    passed: Int64[np.ndarray, " rows"]
    acted: Bool[np.ndarray, "rows actions"]
    video_appeal: Float64[np.ndarray, " rows"]
    context: Float64[np.ndarray, "rows context"]
    video_action: Float64[np.ndarray, "rows actions"]
    satisfaction: Float64[np.ndarray, " rows"]
    noise: float

    @property
    def n_users(self) -> int:
        """Number of users."""
        return int(self.user.max()) + 1
