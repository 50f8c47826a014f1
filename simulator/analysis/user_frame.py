"""A frame of users as anybody hands it over: read, checked, and each user in one arm.

Every fault is told in one line: what was given, what is wanted, what to do.
"""

import difflib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final, cast, final

import narwhals as nw
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64

from simulator.analysis.health import MOST_MIXED, mixed_assignment
from simulator.metrics import PRE, Metric

LARGEST: Final = 1e300
"""Values from here on are refused: sums of them are beyond what a number can hold."""
_IDS: Final = ("user_id", "arm")


@final
class ReadoutWarning(UserWarning):
    """Something about a test that does not stop its readout but may make it wrong."""


def read_users(
    users: object,
    metrics: Sequence[Metric],
    arms: Sequence[Hashable],
    names: Sequence[str],
    covariates: Sequence[str] = (),
) -> tuple[pd.DataFrame, list[str]]:
    """The users of some arms, sound enough to be compared.

    Args:
        users: A frame of pandas, polars, pyarrow, duckdb or anything else that narwhals reads, or a dict of columns.
        metrics: What is to be compared.
        arms: Values of the column `arm`, compared as they are: 1 is not "1".
        names: What the arms are called.
        covariates: More columns that were known before the test.

    Returns:
        Columns `user_id`, `arm` (now the names) and those of the metrics, `pre_` ones as known; and what was left out,
        one line each.

    Raises:
        ValueError: See `simulator.analysis.analyse.analyse`.
    """
    frame = _as_frame(users)
    needed = dict.fromkeys(column for metric in metrics for column in metric.columns)
    _check_names(frame, list(needed))
    for name in covariates:
        if name not in frame.columns:
            raise ValueError(f"covariate {name!r} is missing; want a column that was known before the test")
    early = [PRE + name for name in needed if PRE + name in frame.columns]
    columns = list(dict.fromkeys([*needed, *early, *covariates]))
    frame = frame.loc[:, [*_IDS, *columns]]
    frame, nowhere = _with_an_arm(frame)
    frame, mixed = _in_one_arm(frame)
    frame, others = _of_arms(frame, arms, names)
    return _with_numbers(frame, columns), [*nowhere, *mixed, *others]


def _as_frame(users: object) -> pd.DataFrame:
    """The same as a frame of pandas."""
    if isinstance(users, pd.DataFrame):
        return users
    wanted = "want a frame with one row per user: pandas, polars, pyarrow, duckdb, or a dict of columns"
    try:
        if isinstance(users, Mapping):
            return pd.DataFrame(dict(cast("Mapping[str, Any]", users)))
        frame: Any = nw.from_native(cast("Any", users))
        frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
        return frame.with_columns(nw.selectors.by_dtype(nw.Decimal).cast(nw.Float64)).to_pandas()
    except (TypeError, ValueError, nw.exceptions.NarwhalsError) as error:
        reason = str(error).splitlines()[0] if isinstance(users, Mapping) else type(users).__name__
        raise ValueError(f"users: {reason} given, {wanted}") from None


def _check_names(frame: pd.DataFrame, needed: Sequence[str]) -> None:
    """Refuse frames without rows, and columns that are missing or there twice."""
    if frame.columns.nlevels > 1:
        raise ValueError(f"the columns have {frame.columns.nlevels} levels, want plain names: give them one each")
    for column in _IDS:
        if column not in frame.columns:
            raise ValueError(f"column {column!r} is missing; want one row per user, with user_id and arm")
    for column in needed:
        if column not in frame.columns:
            raise ValueError(f"column {column!r} is missing; want a total per user, 0 where nothing happened")
    for column in (*_IDS, *needed, *(PRE + name for name in needed)):
        times = int((frame.columns == column).sum())
        if times > 1:
            raise ValueError(f"column {column!r} is there {times} times, want it once: drop or rename the others")
    if not len(frame):
        raise ValueError("the frame has no users; want one row per user")
    for column in _IDS:
        kinds = {type(value) for value in frame[column]} if frame[column].dtype == object else set[type]()
        odd = sorted(kind.__name__ for kind in kinds if not issubclass(kind, Hashable))
        if odd:
            raise ValueError(f"column {column!r} holds values of type {odd[0]}, want a number or a text in each row")


def _with_an_arm(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows that have an arm; refuses rows without a user."""
    unnamed = int(frame["user_id"].isna().sum())
    if unnamed:
        raise ValueError(f"user_id is missing in {unnamed} of {len(frame)} rows; want one row per user, each named")
    nowhere = frame["arm"].isna().to_numpy(np.bool_)
    if not nowhere.any():
        return frame, []
    return frame.loc[~nowhere], [f"{nowhere.sum()} of {len(frame)} users have no arm; they are left out"]


def _in_one_arm(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The users who are in one arm only; a few in two are left out, many are refused, and so are two rows in one."""
    again = frame["user_id"].duplicated(keep=False).to_numpy(np.bool_)
    if not again.any():
        return frame, []
    repeated = frame.loc[again, list(_IDS)]
    crossed = again.copy()
    crossed[again] = (repeated.groupby("user_id", observed=True)["arm"].transform("nunique") > 1).to_numpy(np.bool_)
    found = mixed_assignment(frame.loc[crossed, "user_id"].nunique(), frame["user_id"].nunique())
    said = f"{found.users} users ({found.share:.2%}) have rows under more than one arm"
    if found.verdict == "fail":
        raise ValueError(f"{said}, want under {MOST_MIXED:.0%}; find out how users are assigned before comparing them")
    twice = frame.loc[again & ~crossed, "user_id"]
    if len(twice):
        raise ValueError(
            f"user_id {twice.iloc[0]} has more than one row; want one per user: add up each user's events first"
        )
    return frame.loc[~crossed], [f"{said}; they are left out"]


def _of_arms(frame: pd.DataFrame, arms: Sequence[Hashable], names: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """The users of the arms that are compared, the column `arm` now holding their names."""
    place = np.full(len(frame), -1)
    for index, arm in enumerate(arms):
        mine = _equal(frame["arm"], arm)
        if not mine.any():
            raise ValueError(_unknown(arm, frame["arm"]))
        place[mine] = index
    others = frame.loc[place < 0, "arm"].value_counts()
    said = ", ".join(f"{_plain(arm)!r} ({n} users)" for arm, n in others.items() if n)
    frame = frame.loc[place >= 0].assign(
        arm=pd.Categorical.from_codes(place[place >= 0], dtype=pd.CategoricalDtype(list(names)))
    )
    return frame, [f"arms that are not compared are left out: {said}"] if said else []


def _equal(column: "pd.Series[Any]", arm: Hashable) -> Bool[np.ndarray, " users"]:
    """Who is in an arm; nobody where the two cannot be compared."""
    try:
        return (column == arm).to_numpy(np.bool_)
    except (TypeError, ValueError, NotImplementedError):
        return np.zeros(len(column), np.bool_)


def _unknown(arm: Hashable, column: "pd.Series[Any]") -> str:
    """That nobody is in an arm, and who is where."""
    known = [_plain(value) for value in column.unique()]
    by_name = {str(value): value for value in known}
    near = difflib.get_close_matches(str(arm), by_name, n=1)
    offered = [by_name[name] for name in near] or known[:5]
    return f"arm {arm!r} has no users; did you mean {' or '.join(map(repr, offered))}?"


def _plain(value: Any) -> Any:  # noqa: ANN401 (whatever the column holds)
    """A number of numpy's as one of Python's, which is shown without its type."""
    return value.item() if isinstance(value, np.generic) else value


def _with_numbers(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The columns as numbers of numpy's; refuses others, and gaps, which would silently change every p-value."""
    changed: dict[str, np.ndarray] = {}
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
            changed[column] = values
    return frame.assign(**changed) if changed else frame


def _numbers(values: "pd.Series[Any]", column: str) -> Float64[np.ndarray, " users"]:
    """The values as floats, not a number where they are missing."""
    refusal = f"column {column!r} is of type {values.dtype}, want numbers"
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_complex_dtype(values):
        raise ValueError(refusal)
    try:
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    except TypeError:
        return values.astype("float64").to_numpy(dtype=np.float64, na_value=np.nan)  # decimals of arrow
