"""The feed out of a trace: what was kept is read as it was; a damaged trace is refused in one line."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulator.errors import RunFolderError
from simulator.reports.trace import ACTS, TraceDay, read_feed, traced_days, traced_users, traced_worlds

SCENE = TraceDay("all:a", 4, 1)
ROWS = {
    "world": ["all:a"] * 3,
    "user_id": [4, 4, 5],
    "day": [1, 1, 0],
    "request": [1, 0, 0],
    "position": [0, 2, 0],
    "hour": [9, 8, 7],
    "video_id": [30, 31, 32],
    "watch_s": [1.5, 2.5, 3.5],
    "answer": [3, 0, 1],
    "true_satisfaction": [0.5, -0.5, 0.0],
    "true_appeal": [1.0, 2.0, 3.0],
    **{name: [False, True, False] for name in (*ACTS, "asked")},
}
READERS = {
    "worlds": traced_worlds,
    "users": traced_users,
    "days": lambda run: traced_days(run, "all:a", 4),
    "feed": lambda run: read_feed(run, SCENE),
}


def run_with(folder, **columns):
    (folder / "trace").mkdir()
    table = {name: values for name, values in (ROWS | columns).items() if values is not None}
    pq.write_table(pa.table(table), folder / "trace" / "a.parquet")
    return folder


def test_a_feed_is_read_in_the_order_in_which_it_was_seen(tmp_path):
    run = run_with(tmp_path, user_id=np.array(ROWS["user_id"], np.int32), answer=np.array(ROWS["answer"], np.int8))
    assert traced_worlds(run) == ["all:a"]
    assert traced_users(run) == [4, 5]
    assert traced_days(run, "all:a", 4) == [1]
    first, second = read_feed(run, SCENE)
    assert (first.video_id, second.video_id) == (31, 30)
    assert (first.answer, second.answer) == (None, "satisfied")
    assert first.acts == tuple(name.replace("_", " ") for name in ACTS)
    assert second.acts == ()


@pytest.mark.parametrize(
    ("reader", "columns", "message"),
    [
        ("users", {"user_id": [4, None, 5]}, "a row has no user_id"),
        ("users", {"user_id": ["x", "y", "z"]}, "column user_id is of type string, want whole numbers"),
        ("users", {"user_id": [[1], [2], [3]]}, "column user_id is of type list"),
        ("users", {"user_id": None}, "cannot be read"),
        ("worlds", {"world": [None] * 3}, "column world is of type null, want text"),
        ("feed", {"answer": [200, 0, 1]}, "answer 200 given, 0 to 3 wanted"),
        ("feed", {"answer": [None, 0, 1]}, "a row has no answer"),
        ("feed", {"watch_s": ["long", "x", "y"]}, "column watch_s is of type string, want numbers"),
        ("feed", {"hour": [0.5, 1.5, 2.5]}, "column hour is of type double, want whole numbers"),
        ("feed", {"like": [1, 0, 0]}, "column like is of type int64, want true or false"),
        ("days", {"day": [0.5, 1.5, 2.5]}, "column day is of type double, want whole numbers"),
        ("days", {"world": [1, 2, 3]}, "cannot be read"),
    ],
)
def test_a_damaged_trace_is_refused_in_one_line(tmp_path, reader, columns, message):
    run = run_with(tmp_path, **columns)
    with pytest.raises(RunFolderError, match=rf"trace: .*{message}|trace: {message}") as caught:
        READERS[reader](run)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("; run the test again")
