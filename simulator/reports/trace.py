"""Read one user's feed from a run's trace; only the needed rows are read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, final

import pyarrow as pa
import pyarrow.dataset as ds

from simulator.errors import RunFolderError

ACTS: Final = ("click", "long_view", "complete", "skip", "like", "follow", "comment", "forward", "hate")
"""Events of a view, in display order."""
_ANSWERS: Final = (None, "dissatisfied", "uncertain", "satisfied")
_STRONGLY: Final = "asked_strongly"
"""Column of traces of worlds that use the strong form."""
_DAY_KEYS: Final = ("world", "user_id", "day")
_WHOLE: Final = ("user_id", "day", "request", "position", "hour", "video_id", "answer")
_REAL: Final = ("watch_s", "log_propensity", "slate_log_propensity", "true_satisfaction", "true_appeal")


@final
@dataclass(frozen=True)
class TraceDay:
    """A user's day in a world; in `all:ARM` that arm serves all users."""

    world: str
    user_id: int
    day: int


@final
@dataclass(frozen=True)
class TracedView:
    """One impression.

    Attributes:
        request: Index of the request in the user's day.
        position: Position in the slate, from 0.
        hour: Hour of the day.
        watch_s: Seconds watched.
        acts: Names of the acts, from `ACTS`.
        asked: Whether a questionnaire was shown.
        asked_strongly: Whether it had the strong form.
        answer: The answer, None without one.
        true_satisfaction: Latent satisfaction with the view.
        true_appeal: Latent appeal of the video for this user.
    """

    request: int
    position: int
    hour: int
    video_id: int
    watch_s: float
    acts: tuple[str, ...]
    asked: bool
    answer: Literal["dissatisfied", "uncertain", "satisfied"] | None
    true_satisfaction: float
    true_appeal: float
    asked_strongly: bool = False


def has_trace(run: Path) -> bool:
    """Whether a run has a trace."""
    return any((run / "trace").glob("*.parquet"))


def traced_worlds(run: Path) -> list[str]:
    """Read the names of the worlds in the trace.

    Raises:
        RunFolderError: No trace, or a damaged one.
    """
    worlds = _read(run, ["world"])["world"].combine_chunks().unique().to_pylist()
    return sorted(str(world) for world in worlds)


def traced_users(run: Path) -> list[int]:
    """Read the users with impressions in the trace, in order.

    Raises:
        RunFolderError: No trace, or a damaged one.
    """
    return sorted(_read(run, ["user_id"])["user_id"].unique().to_pylist())


def traced_days(run: Path, world: str, user_id: int) -> list[int]:
    """Read the days on which a user came.

    Raises:
        RunFolderError: No trace, or a damaged one.
    """
    condition = (ds.field("world") == world) & (ds.field("user_id") == user_id)
    return sorted(_read(run, ["day"], condition)["day"].unique().to_pylist())


def read_feed(run: Path, trace_day: TraceDay) -> list[TracedView]:
    """Read a user's views of one day, in order of time; empty if the user did not come.

    Raises:
        RunFolderError: No trace, or a damaged one.
    """
    condition = ds.scalar(True)
    for name in _DAY_KEYS:
        condition &= ds.field(name) == getattr(trace_day, name)
    columns = ["request", "position", "hour", "video_id", "watch_s", *ACTS, "asked", _STRONGLY, "answer"]
    table = _read(run, [*columns, "true_satisfaction", "true_appeal"], condition)
    return [_view(row) for row in table.sort_by([("request", "ascending"), ("position", "ascending")]).to_pylist()]


def _read(run: Path, columns: list[str], condition: ds.Expression | None = None) -> pa.Table:
    """Read columns of the rows that satisfy the condition."""
    if not has_trace(run):
        raise RunFolderError(f"{run}: keeps no trace; put `trace = 1.0` into its spec and run it again")
    try:
        rows = ds.dataset((run / "trace").absolute(), format="parquet")
        stored_columns = [name for name in columns if name != _STRONGLY or name in rows.schema.names]
        table = rows.to_table(columns=stored_columns, filter=condition)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise RunFolderError(f"{run / 'trace'}: cannot be read ({reason}); run the test again") from None
    if fault := trace_fault(table):
        raise RunFolderError(f"{run / 'trace'}: {fault}; run the test again")
    return table


def trace_fault(table: pa.Table) -> str:
    """Describe the first fault of a trace: a wrong type, a missing value or an unknown answer; empty without one."""
    for field in table.schema:
        expected_type, has_type = _expected_type(field.name)
        if not has_type(field.type):
            return f"column {field.name} is of type {field.type}, want {expected_type}"
        if table[field.name].null_count:
            return f"a row has no {field.name}"
    answers = set(table["answer"].unique().to_pylist()) if "answer" in table.column_names else set[int]()
    unknown_answers = sorted(answers - set(range(len(_ANSWERS))))
    return f"answer {unknown_answers[0]} given, 0 to {len(_ANSWERS) - 1} wanted" if unknown_answers else ""


def _expected_type(column: str) -> tuple[str, Callable[[Any], bool]]:
    """Expected type of a column of the trace, in words and as a test."""
    if column in _WHOLE:
        return "whole numbers", pa.types.is_integer
    if column in _REAL:
        return "numbers", pa.types.is_floating
    if column == "world":
        return "text", _is_text
    return "true or false", pa.types.is_boolean


def _is_text(kind: Any) -> bool:  # noqa: ANN401 (pyarrow ships no types)
    """Whether a type is text, plain or dictionary-encoded."""
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))


def _view(row: dict[str, Any]) -> TracedView:
    """Turn a row of the trace into a view."""
    fields = {name: value for name, value in row.items() if name not in (*ACTS, "answer")}
    acts = tuple(name.replace("_", " ") for name in ACTS if row[name])
    return TracedView(**fields, acts=acts, answer=_ANSWERS[row["answer"]])
