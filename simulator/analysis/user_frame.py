"""Read and check a frame of users from a caller, with each user in one arm.

Every fault gives one line: what was given, what is wanted, what to do.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final, cast, final

import narwhals as nw
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64

from simulator.analysis.health import MOST_MIXED, mixed_assignment
from simulator.metrics import PRE, Metric
from simulator.names import nearest

LARGEST: Final = 1e300
"""Values from here on are refused, because their sums would overflow."""
_IDS: Final = ("user_id", "arm")


@final
class ReadoutWarning(UserWarning):
    """A property of a test that may make its readout wrong."""


def read_users(
    users: object,
    metrics: Sequence[Metric],
    arms: Sequence[Hashable],
    names: Sequence[str],
    covariates: Sequence[str] = (),
) -> tuple[pd.DataFrame, list[str]]:
    """Read and check the users of the compared arms.

    Args:
        users: A frame of pandas, polars, pyarrow, duckdb or anything else that narwhals reads, or a dict of columns.
        metrics: Metrics to compare.
        arms: Values of the column `arm`, compared as they are: 1 is not "1".
        names: Names of the arms.
        covariates: Further columns that were known before the test.

    Returns:
        Columns `user_id`, `arm` (the names) and those of the metrics, with the `pre_` columns that are there; and one
        line for each group of users that was left out.

    Raises:
        ValueError: See `simulator.analysis.analyse.analyse`.
    """
    frame = _as_frame(users)
    metric_columns = dict.fromkeys(column for metric in metrics for column in metric.columns)
    _check_names(frame, list(metric_columns))
    for name in covariates:
        if name not in frame.columns:
            raise ValueError(f"covariate {name!r} is missing; want a column that was known before the test")
    pre_columns = [PRE + name for name in metric_columns if PRE + name in frame.columns]
    columns = list(dict.fromkeys([*metric_columns, *pre_columns, *covariates]))
    frame = frame.loc[:, [*_IDS, *columns]]
    frame, messages_no_arm = _with_an_arm(frame)
    frame, messages_two_arms = _in_one_arm(frame)
    frame, messages_other_arms = _of_arms(frame, arms, names)
    return _with_numbers(frame, columns), [*messages_no_arm, *messages_two_arms, *messages_other_arms]


def _as_frame(users: object) -> pd.DataFrame:
    """Convert the users to a frame of pandas."""
    if isinstance(users, pd.DataFrame):
        return users
    expectation = "want a frame with one row per user: pandas, polars, pyarrow, duckdb, or a dict of columns"
    try:
        if isinstance(users, Mapping):
            return pd.DataFrame(dict(cast("Mapping[str, Any]", users)))
        frame: Any = nw.from_native(cast("Any", users))
        frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        return frame.with_columns(nw.selectors.by_dtype(nw.Decimal).cast(nw.Float64)).to_pandas()
    except (TypeError, ValueError, nw.exceptions.NarwhalsError) as error:
        reason = str(error).splitlines()[0] if isinstance(users, Mapping) else type(users).__name__
        raise ValueError(f"users: {reason} given, {expectation}") from None


def _check_names(frame: pd.DataFrame, needed: Sequence[str]) -> None:
    """Refuse frames without rows, and columns that are missing or duplicated."""
    if frame.columns.nlevels > 1:
        raise ValueError(f"the columns have {frame.columns.nlevels} levels, want plain names: give them one each")
    for column in _IDS:
        if column not in frame.columns:
            raise ValueError(f"column {column!r} is missing; want one row per user, with user_id and arm")
    for column in needed:
        if column not in frame.columns:
            raise ValueError(f"column {column!r} is missing; want a total per user, 0 where nothing happened")
    for column in (*_IDS, *needed, *(PRE + name for name in needed)):
        n_columns = int((frame.columns == column).sum())
        if n_columns > 1:
            raise ValueError(f"column {column!r} is there {n_columns} times, want it once: drop or rename the others")
    if not len(frame):
        raise ValueError("the frame has no users; want one row per user")
    for column in _IDS:
        types = {type(value) for value in frame[column]} if frame[column].dtype == object else set[type]()
        unhashable_types = sorted(kind.__name__ for kind in types if not issubclass(kind, Hashable))
        if unhashable_types:
            raise ValueError(
                f"column {column!r} holds values of type {unhashable_types[0]}, want a number or a text in each row"
            )


def _with_an_arm(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Select the rows that have an arm; refuse rows without a user."""
    n_without_user = int(frame["user_id"].isna().sum())
    if n_without_user:
        raise ValueError(
            f"user_id is missing in {n_without_user} of {len(frame)} rows; want one row per user, each named"
        )
    has_no_arm = frame["arm"].isna().to_numpy(np.bool_)
    if not has_no_arm.any():
        return frame, []
    return frame.loc[~has_no_arm], [f"{has_no_arm.sum()} of {len(frame)} users have no arm; they are left out"]


def _in_one_arm(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Select the users in one arm; refuse too many users in two arms, and users with two rows in one arm."""
    is_repeated = frame["user_id"].duplicated(keep=False).to_numpy(np.bool_)
    if not is_repeated.any():
        return frame, []
    repeated_rows = frame.loc[is_repeated, list(_IDS)]
    is_in_two_arms = is_repeated.copy()
    is_in_two_arms[is_repeated] = (
        repeated_rows.groupby("user_id", observed=True)["arm"].transform("nunique") > 1
    ).to_numpy(np.bool_)
    mixed = mixed_assignment(frame.loc[is_in_two_arms, "user_id"].nunique(), frame["user_id"].nunique())
    message = f"{mixed.users} users ({mixed.share:.2%}) have rows under more than one arm"
    if mixed.verdict == "fail":
        raise ValueError(
            f"{message}, want under {MOST_MIXED:.0%}; find out how users are assigned before comparing them"
        )
    repeats = frame.loc[is_repeated & ~is_in_two_arms, "user_id"]
    if len(repeats):
        raise ValueError(
            f"user_id {repeats.iloc[0]} has more than one row; want one per user: add up each user's events first"
        )
    return frame.loc[~is_in_two_arms], [f"{message}; they are left out"]


def _of_arms(frame: pd.DataFrame, arms: Sequence[Hashable], names: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Select the users of the compared arms, and write the arms' names into the column `arm`."""
    arm_index = np.full(len(frame), -1)
    for index, arm in enumerate(arms):
        is_in_arm = _equal(frame["arm"], arm)
        if not is_in_arm.any():
            raise ValueError(_unknown(arm, frame["arm"]))
        arm_index[is_in_arm] = index
    user_count_of_other_arm = frame.loc[arm_index < 0, "arm"].value_counts()
    other_arms = ", ".join(f"{_plain(arm)!r} ({n} users)" for arm, n in user_count_of_other_arm.items() if n)
    frame = frame.loc[arm_index >= 0].assign(
        arm=pd.Categorical.from_codes(arm_index[arm_index >= 0], dtype=pd.CategoricalDtype(list(names)))
    )
    return frame, [f"arms that are not compared are left out: {other_arms}"] if other_arms else []


def _equal(column: "pd.Series[Any]", arm: Hashable) -> Bool[np.ndarray, " users"]:
    """Whether each user is in an arm; False if the values cannot be compared."""
    try:
        return (column == arm).to_numpy(np.bool_)
    except (TypeError, ValueError, NotImplementedError):
        return np.zeros(len(column), np.bool_)


def _unknown(arm: Hashable, column: "pd.Series[Any]") -> str:
    """Message on an arm without users, with a suggestion."""
    arms_in_column = [_plain(value) for value in column.unique()]
    hint = nearest(str(arm), arms_in_column, f"did you mean {' or '.join(map(repr, arms_in_column[:5]))}?")
    return f"arm {arm!r} has no users; {hint}"


def _plain(value: Any) -> Any:  # noqa: ANN401 (whatever the column holds)
    """Convert NumPy scalars to Python's, which print without their type."""
    return value.item() if isinstance(value, np.generic) else value


def _with_numbers(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Convert the columns to NumPy numbers; refuse other values, and gaps, which would silently change p-values."""
    converted_columns: dict[str, np.ndarray] = {}
    for column in columns:
        values = _numbers(frame[column], column)
        gaps = int((~np.isfinite(values)).sum())
        if gaps:
            raise ValueError(
                f"column {column!r} has {gaps} of {len(frame)} values missing or infinite; want 0 where nothing "
                "happened, and a sparse answer as two columns, its sum and its count"
            )
        if np.abs(values).max() >= LARGEST:
            raise ValueError(f"column {column!r} holds {np.abs(values).max():.3g}, want less than {LARGEST:g}")
        if not isinstance(frame[column].dtype, np.dtype):
            converted_columns[column] = values
    return frame.assign(**converted_columns) if converted_columns else frame


def _numbers(values: "pd.Series[Any]", column: str) -> Float64[np.ndarray, " users"]:
    """Convert values to floats, NaN where they are missing."""
    refusal = f"column {column!r} is of type {values.dtype}, want numbers"
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_complex_dtype(values):
        raise ValueError(refusal)
    try:
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    except TypeError:
        return values.astype("float64").to_numpy(dtype=np.float64, na_value=np.nan)  # decimals of arrow
