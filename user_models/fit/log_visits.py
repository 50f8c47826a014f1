"""How often users come, and how much they watch, counted in a log that has every view of its users.

Axes: `users` with a view; `rows` of the log.
"""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
import pandas as pd
from jaxtyping import Int64

from user_models.fit.rows.log_rows import SESSION_GAP_MS, LogRows
from user_models.targets import Targets

_RETURNS: Final = 50.0
"""Returns of the prior that those of the log are mixed with."""


@final
@dataclass(frozen=True)
class Visits:
    """Sessions, views and returns.

    Attributes:
        sessions_per_day: Mean over users and days; half an hour without a view parts two sessions.
        sessions_quantiles: Median and 90% quantile over users of the sessions in the log.
        views_per_day: Mean over users and days.
        views_quantiles: Median and 90% quantile over users of the views in the log.
        gaps: Returns after 1, 2, ... days; empty if none are counted.
    """

    sessions_per_day: float
    sessions_quantiles: tuple[float, float]
    views_per_day: float
    views_quantiles: tuple[float, float]
    gaps: tuple[float, ...]

    def figures(self, prior: Targets) -> dict[str, object]:
        """Return the fields of targets that these give; returns are mixed with some of the prior's."""
        shares = np.array(prior.return_gap)
        counts = np.zeros(len(shares))
        counts[: len(self.gaps)] = self.gaps[: len(shares)]
        mixed = (counts + _RETURNS * shares) / (sum(self.gaps) + _RETURNS)
        return {
            "sessions_per_day": self.sessions_per_day,
            "sessions_quantiles": self.sessions_quantiles,
            "views_per_day": self.views_per_day,
            "views_quantiles": self.views_quantiles,
            "return_gap": tuple(mixed.tolist()) if self.gaps else prior.return_gap,
        }


def visits(rows: LogRows) -> Visits:
    """Count the sessions, views and returns of the users that have a view; rows are by user and time."""
    new_user = np.append(True, np.diff(rows.user) != 0)
    opens = new_user | np.append(True, np.diff(rows.time_ms) > SESSION_GAP_MS)
    views = np.bincount(rows.user)
    came = views > 0
    sessions = np.bincount(rows.user, weights=opens)[came]
    dates = pd.to_datetime(rows.date.astype(str), format="%Y%m%d").to_numpy("datetime64[D]").astype(np.int64)
    n_days = int(dates.max() - dates.min()) + 1
    return Visits(
        sessions_per_day=float(sessions.mean()) / n_days,
        sessions_quantiles=_quantiles(sessions.astype(np.int64)),
        views_per_day=float(views[came].mean()) / n_days,
        views_quantiles=_quantiles(views[came]),
        gaps=_gaps(rows.user, dates),
    )


def _quantiles(counts: Int64[np.ndarray, " users"]) -> tuple[float, float]:
    """Median and 90% quantile, which is at least a little larger."""
    median, high = np.quantile(counts, (0.5, 0.9))
    return float(median), float(max(high, 1.1 * median))


def _gaps(user: Int64[np.ndarray, " rows"], day: Int64[np.ndarray, " rows"]) -> tuple[float, ...]:
    """Returns of users after 1, 2, ... days."""
    active = np.unique(np.stack([user, day], axis=1), axis=0)
    gap = np.diff(active[:, 1])[np.diff(active[:, 0]) == 0]
    return tuple(np.bincount(gap)[1:].astype(float).tolist()) if len(gap) else ()
