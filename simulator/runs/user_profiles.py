"""Who the users of a run are, as a platform knows them: one row per user, one column per public feature."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from policies.base import UserTable
from simulator.errors import RunFolderError, SpecError
from simulator.names import nearest

FILE: Final = "users.parquet"
ACTIVITY: Final = "user_active_degree"
"""The feature that user-days carry as `segment`."""
USUAL: Final = (ACTIVITY, "register_days_range")
"""Features that users are divided by where the spec does not say: activity and tenure."""


def profile_table(users: UserTable) -> pa.Table:
    """Column `user_id`, then every public feature by name; `users` has one indicator per feature and level."""
    columns: dict[str, pa.Array] = {"user_id": pa.array(np.arange(len(users.features), dtype=np.int64))}
    for feature, indicators in _columns_by_feature(users.names).items():
        codes = users.features[:, indicators].argmax(axis=1).astype(np.int32)
        levels = [users.names[column].partition("=")[2] for column in indicators]
        columns[feature] = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(levels, pa.string()))
    return pa.table(columns)


def check_segments(segments: Sequence[str] | None, names: Sequence[str]) -> None:
    """Refuse features that the world does not know.

    Raises:
        SpecError: Names the feature and the nearest one.
    """
    features = list(dict.fromkeys(name.partition("=")[0] for name in names))
    for name in segments or ():
        if name not in features:
            hint = nearest(name, features, f"known: {', '.join(features)}")
            raise SpecError(f"segments: this world's users have no feature {name!r}; {hint}")


def features_of(folder: Path, segments: Sequence[str] | None) -> tuple[str, ...]:
    """Features that a run's users can be divided by: those asked for, or the usual ones as far as they are there.

    Raises:
        RunFolderError: A feature asked for is not in the run folder, or its table cannot be read.
    """
    path = folder / FILE
    try:
        columns = pq.read_schema(path.absolute()).names if path.is_file() else [ACTIVITY]
    except (OSError, pa.ArrowInvalid) as error:
        raise RunFolderError(f"{path}: cannot be read: {error}; run the test anew") from None
    missing = [name for name in segments or () if name != ACTIVITY and name not in columns]
    if missing:
        raise RunFolderError(f"{path}: has no column {missing[0]}, by which the spec divides users; run the test anew")
    return (
        tuple(segments)
        if segments is not None
        else tuple(name for name in USUAL if name in columns or name == ACTIVITY)
    )


def lost_features(folder: Path, segments: Sequence[str] | None) -> list[str]:
    """One line if a run's users cannot be divided as usual because their table is gone."""
    if segments is not None or (folder / FILE).is_file():
        return []
    lost = ", ".join(name for name in USUAL if name != ACTIVITY)
    return [f"{FILE} is not in the run folder: effects by {lost} are left out"]


def levels_of(folder: Path, feature: str, users: pd.DataFrame) -> np.ndarray:
    """Each user's level of a feature, for a slice of consecutive users with their `user_id` and `segment`.

    Raises:
        RunFolderError: The table cannot be read, or lacks a user.
    """
    if feature == ACTIVITY:
        return users["segment"].to_numpy(str)
    path, user_id = folder / FILE, users["user_id"]
    within = [("user_id", ">=", int(user_id.min())), ("user_id", "<=", int(user_id.max()))]
    try:
        table = pq.read_table(path.absolute(), columns=["user_id", feature], filters=within).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise RunFolderError(f"{path}: cannot be read: {error}; run the test anew") from None
    levels = table.set_index("user_id")[feature].reindex(user_id)
    if levels.isna().any():
        missing = levels.index[levels.isna()][0]
        raise RunFolderError(f"{path}: user {missing} is missing or has no {feature}; run the test anew")
    return levels.to_numpy(str)


def _columns_by_feature(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Columns of each feature's levels."""
    by_feature: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        by_feature.setdefault(name.partition("=")[0], []).append(column)
    return by_feature
