"""Checks of a world's tables before use: types, shapes, ranges, and sizes that agree.

Axes: as in `user_models.world.tables`.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from user_models.dynamics.kernel import N_ACTIONS
from user_models.dynamics.watch_thresholds import N_SEGMENTS, N_THRESHOLDS
from user_models.world.tables import N_LENGTHS, USER_LATENTS, VIDEO_LATENTS, PublicColumn, table_names

_SHARES = ("hour_share", "profile_share", "tag_share")
_DOUBLE = frozenset((*_SHARES, "length_share"))


def table_faults(tables: Mapping[str, np.ndarray], columns: tuple[PublicColumn, ...]) -> list[str]:
    """List the faults of tables read from a file, one line each; empty if the tables fit together.

    Args:
        tables: By name, as they were stored.
        columns: Public user columns that `profile_code` points into.
    """
    absent = [f"{name} is missing" for name in table_names() if name not in tables]
    if absent:
        return absent
    badly_shaped = [*_type_faults(tables), *_shape_faults(tables, len(columns))]
    return badly_shaped or list(_value_faults(tables, columns))


def _type_faults(tables: Mapping[str, np.ndarray]) -> Iterator[str]:
    """Tables of another type than worlds keep."""
    for name in table_names():
        dtype = "float64" if name in _DOUBLE else "int32" if name == "profile_code" else "float32"
        if tables[name].dtype != dtype:
            yield f"{name} has type {tables[name].dtype}, want {dtype}"


def _shape_faults(tables: Mapping[str, np.ndarray], n_columns: int) -> Iterator[str]:
    """Tables whose sizes do not agree with the code or with each other."""
    profiles, tags, nodes = (tables[name].size for name in ("profile_share", "tag_share", "node_log_duration"))
    d = max(1, tables["user_root"].shape[-1] - len(USER_LATENTS))
    u, v = len(USER_LATENTS) + d, len(VIDEO_LATENTS) + d
    shapes = {
        "node_log_duration": (max(2, nodes),),
        "stage": (nodes, N_THRESHOLDS),
        "slope": (nodes, N_SEGMENTS),
        "hour_effect": (24,),
        "hour_share": (24,),
        "weekday": (7,),
        "action_base": (N_ACTIONS,),
        "action_stage": (N_ACTIONS, N_THRESHOLDS + 1),
        "action_satisfaction": (N_ACTIONS,),
        "action_match": (N_ACTIONS,),
        "return_logit": (max(1, tables["return_logit"].size),),
        "profile_share": (max(1, profiles),),
        "profile_code": (profiles, n_columns),
        "user_mean": (profiles, u),
        "user_root": (u, u),
        "appeal_scale": (profiles,),
        "tag_share": (max(1, tags),),
        "length_share": (tags, N_LENGTHS),
        "video_mean": (tags, v),
        "video_root": (v, v),
    }
    for name, shape in shapes.items():
        if tables[name].shape != shape:
            yield f"{name} has shape {tables[name].shape}, want {shape}"


def _value_faults(tables: Mapping[str, np.ndarray], columns: tuple[PublicColumn, ...]) -> Iterator[str]:
    """Tables with values that cannot be."""
    for name in table_names():
        if not np.isfinite(tables[name]).all():
            yield f"{name} is not finite"
    for name in _SHARES:
        if (tables[name] < 0).any() or not np.isclose(tables[name].sum(), 1):
            yield f"{name} is no set of shares: want numbers of at least 0 that sum to 1"
    lengths = tables["length_share"]
    if (lengths < 0).any() or not np.allclose(lengths.sum(axis=1), 1):
        yield "length_share has a tag without shares of lengths: want numbers of at least 0 that sum to 1 in each row"
    if (tables["weekday"] < 0).any():
        yield "weekday falls below 0: no day can have fewer sessions than none"
    if (tables["slope"] < 0).any():
        yield "slope falls below 0: more appeal may never shorten a view"
    if (tables["appeal_scale"] <= 0).any():
        yield "appeal_scale falls to 0: want positive factors"
    if (np.diff(tables["node_log_duration"]) <= 0).any():
        yield "node_log_duration does not increase"
    n_levels = np.array([len(column.levels) for column in columns])
    if (tables["profile_code"] < 0).any() or (tables["profile_code"] >= n_levels).any():
        yield "profile_code names a category that its column has not"
