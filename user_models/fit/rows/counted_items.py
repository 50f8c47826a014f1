"""Counts of items from the log itself, where nobody else counted them.

Axes: `rows` of the log.
"""

from typing import Final

import numpy as np
import pandas as pd

from user_models.data.log import LogData
from user_models.fit.rows.log_rows import CLICK_S, LONG_VIEW_S

LEFT_OUT_DAYS: Final = 2
"""Days at the end of the log that are not counted, so that what is predicted is not known before."""
SHORT_S: Final = 3.0
"""A view below this is short."""
_ACTIONS: Final = {"like": "likes", "follow": "follows", "comment": "comments", "forward": "shares", "hate": "dislikes"}
_COLUMNS: Final = ("item", "day", "watch_s", "duration_s", "click", "long_view", *_ACTIONS)


def counted(data: LogData) -> pd.DataFrame:
    """Count the views of each item before the last days of a log, in the columns of a table of counts.

    Raises:
        DataError: Damage in the files.
    """
    items = data.items()
    log = data.log([name for name in data.log_columns if name in _COLUMNS])
    table_s = items.set_index("item")["duration_s"].reindex(log["item"]).to_numpy()
    logged_s = log["duration_s"].to_numpy() if "duration_s" in log else np.zeros(len(log))
    views = log.assign(duration_s=np.where(logged_s > 0, logged_s, table_s))
    days = np.unique(views["day"])
    earlier = views[views["day"] < days[-LEFT_OUT_DAYS]] if len(days) > LEFT_OUT_DAYS else views
    sums = _per_view(earlier).groupby("item").sum()
    sums["progress"] /= sums["shows"].clip(lower=1)
    return sums.reindex(items["item"]).fillna(0).reset_index()


def _per_view(log: pd.DataFrame) -> pd.DataFrame:
    """What each view adds to the counts of its item."""
    watch_s, duration_s = log["watch_s"].to_numpy(np.float64), log["duration_s"].to_numpy(np.float64)
    complete = watch_s >= duration_s
    counts = {
        "shows": np.ones(len(log)),
        "plays": watch_s > 0,
        "play_ms": 1000 * watch_s,
        "progress": np.nan_to_num(np.minimum(watch_s / np.maximum(duration_s, 1e-3), 1)),
        "valid_plays": log.get("click", complete | (watch_s >= CLICK_S)),
        "long_plays": log.get("long_view", complete | (watch_s >= LONG_VIEW_S)),
        "complete_plays": complete,
        "short_plays": (watch_s < SHORT_S) & ~complete,
        **{count: log[action] for action, count in _ACTIONS.items() if action in log},
    }
    numbers = {name: np.asarray(values, np.float64) for name, values in counts.items()}
    return pd.DataFrame({"item": log["item"].to_numpy(), **numbers})
