"""A simulated log as a LensKit data set: `lenskit.data.Dataset.load(OUT)` reads it.

Layout of version 2025.3: `schema.json`, and Parquet tables of items, users and views; views name both by row. Source:
https://lkpy.lenskit.org/stable/guide/data/
"""

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from simulator.exports.new_folder import new_folder
from simulator.exports.traced_views import EVENTS, TracedViews, read_views

_VERSION: Final = "2025.3"
_SCALAR: Final = {"layout": "scalar", "vector_size": None}


def write_lenskit(folder: Path, arm: str | None, out: Path) -> Path:
    """Write the traced views of one arm as a LensKit data set.

    Args:
        folder: A run folder with a trace.
        arm: Whose views; the control's if None.
        out: Folder to create.

    Returns:
        The folder.

    Raises:
        RunFolderError: No trace, or a damaged one.
        SpecError: An unknown arm.
        ExportError: The folder holds something or cannot be written.
    """
    views = read_views(folder, arm)
    tables = {"item": _items(views), "user": _users(views), "view": _views(views)}
    with new_folder(out) as data:
        (data / "schema.json").write_text(json.dumps(_schema(tables)), encoding="utf-8")
        for name, table in tables.items():
            pq.write_table(table, data / f"{name}.parquet")
    return out


def _views(views: TracedViews) -> pa.Table:
    """Views, each with its time, what was watched and what the user did."""
    trace = views.trace
    columns = {
        "user_num": trace["user_id"].to_numpy(np.int32),
        "item_num": trace["video_id"].to_numpy(np.int32),
        "timestamp": pa.array(views.time_ms.astype("datetime64[ms]").astype("datetime64[ns]")),
        "watch_s": trace["watch_s"].to_numpy(np.float32),
        **{event: trace[event].to_numpy(np.bool_) for event in EVENTS},
    }
    return pa.table(columns)


def _users(views: TracedViews) -> pa.Table:
    """Public columns of all users; row i is user i."""
    labels = {name: pa.array(values.tolist()) for name, values in views.user_columns.items()}
    return pa.table({"user_id": np.arange(len(views.users.profile_code)), **labels})


def _items(views: TracedViews) -> pa.Table:
    """Public columns of all videos; row i is video i."""
    videos = views.videos
    item_id = np.arange(len(videos.duration_s))
    return pa.table({"item_id": item_id, "duration_s": videos.duration_s, "tag": videos.tag})


def _schema(tables: dict[str, pa.Table]) -> dict[str, Any]:
    """Describe the tables as LensKit does."""
    attributes = {
        name: {column: _SCALAR for column in table.column_names if not column.endswith(("_id", "_num"))}
        for name, table in tables.items()
    }
    return {
        "version": _VERSION,
        "name": "askew",
        "default_interaction": "view",
        "entities": {name: {"id_type": "int", "attributes": attributes[name]} for name in ("item", "user")},
        "relationships": {
            "view": {
                "entities": {"user": None, "item": None},
                "interaction": True,
                "repeats": "present",
                "attributes": attributes["view"],
            }
        },
    }
