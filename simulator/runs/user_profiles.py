"""Public features of the users of a run: one row per user, one column per feature."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int32, Int64

from policies.base import UserTable
from simulator.errors import RunFolderError, SpecError
from simulator.names import nearest

FILE: Final = "users.parquet"
ACTIVITY: Final = "user_active_degree"
"""The feature that user-days carry as `segment`."""
USUAL: Final = (ACTIVITY, "register_days_range")
"""Default features for segments: activity and tenure."""


def profile_table(users: UserTable) -> pa.Table:
    """Make a table of `user_id` and every public feature; `users` has one indicator per feature and level."""
    columns: dict[str, pa.Array] = {"user_id": pa.array(np.arange(len(users.features), dtype=np.int64))}
    for feature, indicators in _columns_by_feature(users.names).items():
        codes = users.features[:, indicators].argmax(axis=1).astype(np.int32)
        levels = [users.names[column].partition("=")[2] for column in indicators]
        columns[feature] = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(levels, pa.string()))
    return pa.table(columns)


def check_segments(segments: Sequence[str] | None, names: Sequence[str]) -> None:
    """Check that the world has the features of the segments.

    Raises:
        SpecError: It lacks one; the message names it and the nearest feature.
    """
    features = list(dict.fromkeys(name.partition("=")[0] for name in names))
    for name in segments or ():
        if name not in features:
            hint = nearest(name, features, f"known: {', '.join(features)}")
            raise SpecError(f"segments: this world's users have no feature {name!r}; {hint}")


def features_of(folder: Path, segments: Sequence[str] | None) -> tuple[str, ...]:
    """Features for the segments of a run: those of the spec, or the default ones that are there.

    Raises:
        RunFolderError: A feature of the spec is not in the run folder, or its table cannot be read.
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
    """One line if default segments are left out because the table of users is missing."""
    if segments is not None or (folder / FILE).is_file():
        return []
    lost = ", ".join(name for name in USUAL if name != ACTIVITY)
    return [f"{FILE} is not in the run folder: effects by {lost} are left out"]


@final
@dataclass(frozen=True)
class FeatureLevels:
    """Level of a feature for every user of a run.

    Attributes:
        path: Path of the table, for messages.
        feature: Column of the table.
        names: Names of the levels, by code.
        user_id: Users in rising order.
        level: Level of each user, as a code.
    """

    path: Path
    feature: str
    names: tuple[str, ...]
    user_id: Int64[np.ndarray, " users"]
    level: Int32[np.ndarray, " users"]

    @staticmethod
    def read(folder: Path, feature: str) -> "FeatureLevels":
        """Read one column of a run's table.

        Raises:
            RunFolderError: The table cannot be read.
        """
        path = folder / FILE
        try:
            table = pq.read_table(path.absolute(), columns=["user_id", feature]).drop_null()
        except (OSError, pa.ArrowException) as error:
            raise RunFolderError(f"{path}: cannot be read: {error}; run the test anew") from None
        levels = table[feature].combine_chunks()
        if not pa.types.is_dictionary(levels.type):
            levels = levels.dictionary_encode()
        user_id = table["user_id"].to_numpy().astype(np.int64, copy=False)
        order = np.argsort(user_id, kind="stable")
        codes = levels.indices.to_numpy().astype(np.int32, copy=False)
        return FeatureLevels(
            path, feature, tuple(map(str, levels.dictionary.to_pylist())), user_id[order], codes[order]
        )

    def codes(self, user_id: Int64[np.ndarray, " some"]) -> tuple[tuple[str, ...], Int64[np.ndarray, " some"]]:
        """Names of the levels, and the codes of the given users.

        Raises:
            RunFolderError: A user is not in the table.
        """
        index = np.searchsorted(self.user_id, user_id)
        missing = index == len(self.user_id)
        missing[~missing] = self.user_id[index[~missing]] != user_id[~missing]
        if missing.any():
            user = user_id[missing][0]
            raise RunFolderError(f"{self.path}: user {user} is missing or has no {self.feature}; run the test anew")
        return self.names, self.level[index].astype(np.int64)


def _columns_by_feature(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Columns of each feature's level indicators."""
    by_feature: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        by_feature.setdefault(name.partition("=")[0], []).append(column)
    return by_feature
