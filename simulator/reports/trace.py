"""One user's feed out of a run's trace, for people: only the rows asked for are read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, final

import pyarrow as pa
import pyarrow.dataset as ds

from simulator.errors import RunFolderError

ACTS: Final = ("click", "long_view", "complete", "skip", "like", "follow", "comment", "forward", "hate")
"""Events of a view, in the order in which they are named."""
_ANSWERS: Final = (None, "dissatisfied", "uncertain", "satisfied")
_STRONGLY: Final = "asked_strongly"
"""A column of traces of worlds that ask some so."""
_SCENE: Final = ("world", "user_id", "day")
_WHOLE: Final = ("user_id", "day", "request", "position", "hour", "video_id", "answer")
_REAL: Final = ("watch_s", "true_satisfaction", "true_appeal")


@final
@dataclass(frozen=True)
class TraceDay:
    """Whose day, and in which course of events: `all:ARM` is a world in which everybody meets that arm."""

    world: str
    user_id: int
    day: int


@final
@dataclass(frozen=True)
class TracedView:
    """One impression.

    Attributes:
        request: Which request of the user's day.
        position: Place in its slate, from 0.
        hour: Of the day.
        watch_s: Seconds watched.
        acts: Names out of `ACTS`.
        asked: Whether a questionnaire was shown.
        asked_strongly: Whether it had the strong form.
        answer: What was answered, None without an answer.
        true_satisfaction: Latent satisfaction with the view; no platform has it.
        true_appeal: Latent pull of the video on this user; likewise.
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
    """Whether a run kept impressions."""
    return any((run / "trace").glob("*.parquet"))


def traced_worlds(run: Path) -> list[str]:
    """Courses of events in the trace, by name.

    Raises:
        RunFolderError: No trace, or a damaged one.
    """
    found = _read(run, ["world"])["world"].combine_chunks().unique().to_pylist()
    return sorted(str(world) for world in found)


def traced_users(run: Path) -> list[int]:
    """Users with impressions in the trace, in order.

    Raises:
        RunFolderError: No trace, or a damaged one.
    """
    return sorted(_read(run, ["user_id"])["user_id"].unique().to_pylist())


def traced_days(run: Path, world: str, user_id: int) -> list[int]:
    """Days on which a user came.

    Raises:
        RunFolderError: No trace, or a damaged one.
    """
    chosen = (ds.field("world") == world) & (ds.field("user_id") == user_id)
    return sorted(_read(run, ["day"], chosen)["day"].unique().to_pylist())


def read_feed(run: Path, scene: TraceDay) -> list[TracedView]:
    """A user's views of one day in the order in which they were seen; none where the user did not come.

    Raises:
        RunFolderError: No trace, or a damaged one.
    """
    chosen = ds.scalar(True)
    for name in _SCENE:
        chosen &= ds.field(name) == getattr(scene, name)
    columns = ["request", "position", "hour", "video_id", "watch_s", *ACTS, "asked", _STRONGLY, "answer"]
    table = _read(run, [*columns, "true_satisfaction", "true_appeal"], chosen)
    return [_view(row) for row in table.sort_by([("request", "ascending"), ("position", "ascending")]).to_pylist()]


def _read(run: Path, columns: list[str], chosen: ds.Expression | None = None) -> pa.Table:
    """Columns of the rows chosen."""
    if not has_trace(run):
        raise RunFolderError(f"{run}: keeps no trace; put `trace = 1.0` into its spec and run it again")
    try:
        rows = ds.dataset((run / "trace").absolute(), format="parquet")
        stored = [name for name in columns if name != _STRONGLY or name in rows.schema.names]
        table = rows.to_table(columns=stored, filter=chosen)
    except (pa.ArrowException, OSError) as error:
        first = str(error).partition("\n")[0]
        raise RunFolderError(f"{run / 'trace'}: cannot be read ({first}); run the test again") from None
    if fault := trace_fault(table):
        raise RunFolderError(f"{run / 'trace'}: {fault}; run the test again")
    return table


def trace_fault(table: pa.Table) -> str:
    """What is wrong with rows of a trace: a column of another type, a row without a value, an unknown answer."""
    for field in table.schema:
        kind, fits = _kind_of(field.name)
        if not fits(field.type):
            return f"column {field.name} is of type {field.type}, want {kind}"
        if table[field.name].null_count:
            return f"a row has no {field.name}"
    answers = set(table["answer"].unique().to_pylist()) if "answer" in table.column_names else set[int]()
    odd = sorted(answers - set(range(len(_ANSWERS))))
    return f"answer {odd[0]} given, 0 to {len(_ANSWERS) - 1} wanted" if odd else ""


def _kind_of(column: str) -> tuple[str, Callable[[Any], bool]]:
    """What a column of the trace holds, in words and as a question to its type."""
    if column in _WHOLE:
        return "whole numbers", pa.types.is_integer
    if column in _REAL:
        return "numbers", pa.types.is_floating
    if column == "world":
        return "text", _is_text
    return "true or false", pa.types.is_boolean


def _is_text(kind: Any) -> bool:  # noqa: ANN401 (pyarrow ships no types)
    """Whether a type is text, each word written once or not."""
    return bool(pa.types.is_string(kind) or pa.types.is_dictionary(kind))


def _view(row: dict[str, Any]) -> TracedView:
    """One row of the trace."""
    kept = {name: value for name, value in row.items() if name not in (*ACTS, "answer")}
    acts = tuple(name.replace("_", " ") for name in ACTS if row[name])
    return TracedView(**kept, acts=acts, answer=_ANSWERS[row["answer"]])
