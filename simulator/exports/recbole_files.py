"""A simulated log in RecBole's atomic files: `.inter`, `.user` and `.item`, tab-separated, types in the header.

Source: https://recbole.io/docs/user_guide/data/atomic_files.html
"""

from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from simulator.exports.new_folder import new_folder
from simulator.exports.traced_views import EVENTS, TracedViews, read_views

NAME: Final = "askew"
"""The data set's name, and so that of its folder and files."""


def write_recbole(folder: Path, arm: str | None, out: Path) -> Path:
    """Write the traced views of one arm as a data set of RecBole: `dataset="askew", data_path=OUT`.

    Args:
        folder: A run folder with a trace.
        arm: Whose views; the control's if None.
        out: Folder to create `askew/` in.

    Returns:
        The folder of the files.

    Raises:
        RunFolderError: No trace, or a damaged one.
        SpecError: An unknown arm.
        ExportError: The folder holds something or cannot be written.
    """
    views = read_views(folder, arm)
    with new_folder(out / NAME) as data:
        for ending, frame in (("inter", _views(views)), ("user", _users(views)), ("item", _videos(views))):
            frame.to_csv(data / f"{NAME}.{ending}", sep="\t", index=False, lineterminator="\n")
    return out / NAME


def _views(views: TracedViews) -> pd.DataFrame:
    """Views, each with its time in seconds, what was watched and what the user did."""
    trace = views.trace
    columns = {
        "user_id:token": trace["user_id"],
        "item_id:token": trace["video_id"],
        "timestamp:float": views.time_ms / 1000,
        "watch_s:float": trace["watch_s"].round(3),
        **{f"{event}:float": trace[event].astype(np.int64) for event in EVENTS},
    }
    return pd.DataFrame(columns)


def _users(views: TracedViews) -> pd.DataFrame:
    """Public columns of all users."""
    columns = {f"{name}:token": values for name, values in views.user_columns.items()}
    return pd.DataFrame({"user_id:token": np.arange(len(views.users.profile_code)), **columns})


def _videos(views: TracedViews) -> pd.DataFrame:
    """Public columns of all videos."""
    videos = views.videos
    columns = {"item_id:token": np.arange(len(videos.duration_s)), "duration_s:float": videos.duration_s.round(3)}
    return pd.DataFrame({**columns, "tag:token": videos.tag})
