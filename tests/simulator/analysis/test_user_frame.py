"""Frames of users as people have them: each is read as it is, or refused in one line."""

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from simulator.analysis.analyse import ReadoutWarning, analyse
from simulator.metrics import Metric

ORDERS = Metric("orders", "Orders", "orders/user", "up", ("orders",))
N = 400


def users(a: object = "a", b: object = "b", **columns: object) -> pd.DataFrame:
    """Every other user in each arm; orders of 1 to 8 and, in `b`, one more."""
    place = np.arange(N)
    frame = pd.DataFrame({"user_id": place, "arm": [a, b] * (N // 2), "orders": place // 2 % 8 + 1 + place % 2})
    return frame.assign(**columns)


def lift(frame: object, control: object = "a", treatment: object = "b") -> float:
    (row,) = analyse(frame, [ORDERS], control, [treatment])
    return row.relative_effect


LIFT = pytest.approx(1 / 4.5, rel=1e-12)


@pytest.mark.parametrize(("a", "b"), [(0, 1), (False, True), (1.0, 2.0), (pd.Timestamp(0), pd.Timestamp(1))])
def test_arms_are_compared_as_they_are(a, b):
    (row,) = analyse(users(a, b), [ORDERS], a, [b])
    assert (row.baseline, row.arm, row.relative_effect) == (str(a), str(b), LIFT)


@pytest.mark.parametrize("arm", ["1", 1.5, None])
def test_an_arm_of_another_kind_is_offered_the_right_one(arm):
    with pytest.raises(ValueError, match=r"has no users; did you mean (1|0 or 1)\?$"):
        lift(users(0, 1), 0, arm)


def test_an_arm_by_text_in_a_column_of_arrow_is_no_number():
    frame = users(0, 1).astype({"arm": pd.ArrowDtype(pa.int64())})
    assert lift(frame, 0, 1) == LIFT
    with pytest.raises(ValueError, match="arm '0' has no users"):
        lift(frame, "0", "1")


def test_users_without_an_arm_and_in_other_arms_are_counted():
    arms = np.array(users()["arm"], dtype=object)
    arms[:10], arms[10:14], arms[14] = None, "A", "c"
    with pytest.warns(ReadoutWarning) as said:
        lift(users(arm=arms))
    assert [str(each.message) for each in said] == [
        "10 of 400 users have no arm; they are left out",
        "arms that are not compared are left out: 'A' (4 users), 'c' (1 users)",
    ]


def as_pyarrow(frame: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(frame)


def as_decimals(frame: pd.DataFrame) -> pa.Table:
    table = pa.Table.from_pandas(frame)
    return table.set_column(2, "orders", table["orders"].cast(pa.decimal128(25, 2)))


def as_columns(frame: pd.DataFrame) -> dict[str, list]:
    return frame.to_dict("list")


def as_arrow_backed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({"orders": pd.ArrowDtype(pa.decimal128(25, 2))})


@pytest.mark.parametrize("convert", [as_pyarrow, as_decimals, as_columns, as_arrow_backed])
def test_other_libraries_frames_are_read(convert):
    assert lift(convert(users())) == LIFT


def test_a_relation_of_duckdb_is_read_and_so_are_its_sums():
    events = pd.concat([users(), users(orders=0)])  # noqa: F841 (read by duckdb)
    with duckdb.connect() as connection:
        totals = connection.sql("SELECT user_id, arm, sum(orders) AS orders FROM events GROUP BY user_id, arm")
        assert lift(totals) == LIFT


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ([{"user_id": 1, "arm": "a"}], "users: list given, want a frame with one row per user"),
        (pd.Series([1.0]), "users: Series given, want a frame"),
        ({"user_id": [1, 2], "arm": ["a"]}, "users: All arrays must be of the same length given, want a frame"),
        (users().iloc[:0], "the frame has no users; want one row per user"),
        (users().set_axis(pd.MultiIndex.from_product([["x"], ["user_id", "arm", "orders"]]), axis=1), "have 2 levels"),
        (pd.concat([users(), users()[["orders"]]], axis=1), "column 'orders' is there 2 times, want it once"),
        (users(user_id=[np.nan] * 5 + list(range(5, N))), "user_id is missing in 5 of 400 rows"),
        (users(user_id=[None, *range(1, N)]), "user_id is missing in 1 of 400 rows"),
        (users(arm=[["a"]] * N), "column 'arm' holds values of type list, want a number or a text in each row"),
        (users(user_id=[{}, *range(1, N)]), "column 'user_id' holds values of type dict"),
        (users(orders=1j), "column 'orders' is of type complex128, want numbers"),
        (users(orders=1e300), r"column 'orders' holds 1e\+300, want less than 1e\+300"),
    ],
)
def test_what_is_no_frame_of_users_is_refused_in_one_line(frame, message):
    with pytest.raises(ValueError, match=message) as refusal:
        lift(frame)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("factor", [1e155, 1e-200, 2.0**600])
def test_values_of_any_size_give_the_same_lift(factor):
    small, large = (analyse(users(orders=users()["orders"] * by), [ORDERS], "a", ["b"])[0] for by in (1.0, factor))
    fields = ("relative_effect", "ci_low", "ci_high", "p_value")
    assert [getattr(large, name) for name in fields] == pytest.approx([getattr(small, name) for name in fields])
    assert (large.control / factor, large.effect_low / factor) == pytest.approx((small.control, small.effect_low))


@pytest.mark.parametrize("offset", [1e8, 1e12])
def test_values_that_differ_little_beside_their_size_are_no_constants(offset):
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 100, N)
    near, far = (analyse(users(orders=noise + by), [ORDERS], "a", ["b"])[0] for by in (0.0, offset))
    assert (far.effect, far.effect_low) == pytest.approx((near.effect, near.effect_low), rel=1e-3)
    assert far.p_value == pytest.approx(near.p_value, rel=1e-3)


def test_values_that_are_too_large_for_a_metric_are_refused():
    with pytest.raises(ValueError, match="metric 'm' is beyond what a number can hold"):
        analyse(users(orders=1e299), [Metric("m", "M", "x", "up", ("orders",), scale=1e30)], "a", ["b"])
